//! Headers of callers and of peers, whatever the bytes.
#![no_main]

#[path = "../../tests/fuzz_corpora/headers.rs"]
mod headers;
#[path = "../../tests/fuzz_corpora/peer.rs"]
mod peer;

libfuzzer_sys::fuzz_target!(|input: &[u8]| headers::check(input));
