//! Structs of any bytes.
#![no_main]

#[path = "../../tests/fuzz_corpora/options.rs"]
mod options;

libfuzzer_sys::fuzz_target!(|input: &[u8]| options::check(input));
