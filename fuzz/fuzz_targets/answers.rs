//! What providers answer, whatever the bytes and however they are cut.
#![no_main]

#[path = "../../tests/fuzz_corpora/answers.rs"]
mod answers;
#[path = "../../tests/events/pieces.rs"]
#[allow(dead_code, reason = "its check is another target's")]
mod pieces;

libfuzzer_sys::fuzz_target!(|input: &[u8]| answers::check(input));
