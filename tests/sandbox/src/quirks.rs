//! The oddities of an answer that only its provider's part knows how to make.

use std::collections::BTreeMap;

const FLAGS: &[&str] = &[
    "content-filter",
    "cut-json",
    "delta-string",
    "html",
    "no-tool-id",
    "done",
    "operation-error",
    "operation-error-early",
    "reasoning",
    "repeat-delta",
    "think",
    "two-messages",
    "usage-in-finish",
];
const NUMBERS: &[&str] = &["answer-size", "error-event", "heartbeats", "leading-blank", "seconds", "tool-calls"];
const WORDS: &[&str] = &["content-type", "finish", "model"];

/// The quirks asked for, by name.
#[derive(Debug, Default)]
pub struct Quirks(BTreeMap<&'static str, String>);

/// The names of all quirks.
#[cfg(test)]
pub fn names() -> impl Iterator<Item = &'static str> {
    [FLAGS, NUMBERS, WORDS].into_iter().flatten().copied()
}

impl Quirks {
    /// Whether the quirk was taken: it is known, and its value fits.
    pub fn add(&mut self, word: &str, value: Option<&str>) -> bool {
        let fits = |known: &[&'static str]| known.iter().copied().find(|known| *known == word);
        let (name, value) = match value {
            None => (fits(FLAGS), ""),
            Some(value) if value.parse::<u32>().is_ok() => (fits(NUMBERS).or(fits(WORDS)), value),
            Some(value) => (fits(WORDS), value),
        };
        name.is_some_and(|name| {
            self.0.insert(name, value.to_owned());
            true
        })
    }

    pub fn on(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn number(&self, name: &str) -> Option<usize> {
        self.0.get(name)?.parse().ok()
    }

    pub fn word(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}
