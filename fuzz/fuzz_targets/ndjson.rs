//! Lines of JSON, whatever the bytes and however they are cut.
#![no_main]

#[path = "../../tests/events/cuts.rs"]
mod cuts;
#[path = "../../tests/events/pieces.rs"]
mod pieces;

use aipool::body::events::Format;

libfuzzer_sys::fuzz_target!(|body: &[u8]| pieces::check(Format::Ndjson, body));
