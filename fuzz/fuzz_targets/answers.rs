//! What providers answer, whatever the bytes and however they are cut.
#![no_main]

#[path = "../../tests/fuzz_corpora/answers.rs"]
mod answers;
#[path = "../../tests/events/cuts.rs"]
mod cuts;

libfuzzer_sys::fuzz_target!(|input: &[u8]| answers::check(input));
