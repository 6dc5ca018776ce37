//! What the fuzz targets found worth keeping: each file of a target's corpus goes through the target's own function.
#![cfg(unix)]

#[path = "fuzz_corpora/answers.rs"]
mod answers;
#[path = "events/cuts.rs"]
mod cuts;
#[path = "queue_moves/game.rs"]
mod game;
#[path = "fuzz_corpora/handles.rs"]
mod handles;
#[path = "fuzz_corpora/headers.rs"]
mod headers;
#[path = "fuzz_corpora/options.rs"]
mod options;
#[path = "fuzz_corpora/peer.rs"]
mod peer;
#[path = "events/pieces.rs"]
mod pieces;
#[path = "queue_moves/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aipool::body::events::Format;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Fewer are no corpus.
const LEAST: usize = 12;

fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = fuzz().join("corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= LEAST, "{target} has {} files", files.len());
    for file in files {
        println!("{}", file.display());
        check(&fs::read(file).unwrap());
    }
}

/// A test for each target, and all their names.
macro_rules! targets {
    ($($test:ident: $target:ident, $check:expr;)*) => {
        $(#[test]
        fn $test() {
            replay(stringify!($target), $check);
        })*

        const TARGETS: &[&str] = &[$(stringify!($target)),*];
    };
}

targets! {
    the_corpus_of_answers_passes: answers, answers::check;
    the_corpus_of_handles_passes: handles, handles::play;
    the_corpus_of_headers_passes: headers, headers::check;
    the_corpus_of_ndjson_passes: ndjson, |body| pieces::check(Format::Ndjson, body);
    the_corpus_of_options_passes: options, options::check;
    the_corpus_of_queue_passes: queue, game::play;
    the_corpus_of_sse_passes: sse, |body| pieces::check(Format::Sse, body);
}

#[test]
fn every_target_is_here_and_has_a_corpus() {
    let names = |folder: &str| -> BTreeSet<String> {
        let files = fs::read_dir(fuzz().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    };
    let here: BTreeSet<String> = TARGETS.iter().map(|target| (*target).to_owned()).collect();
    assert_eq!((names("fuzz_targets"), names("corpus")), (here.clone(), here));
}
