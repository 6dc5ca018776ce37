//! What a test may set for one listener, by name.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::lock::lock;

/// Every setting with its default; one whose default is a number takes numbers only.
const DEFAULTS: &[(&str, &str)] = &[
    ("openai.api-key", ""),
    ("openai.context", "0"),
    ("gigachat.secret", "secret"),
    ("gigachat.scope", ""),
    ("gigachat.static-token", "sandbox-static-token"),
    ("gigachat.token-form", "access_token"),
    ("gigachat.token-lifetime", "1800000"),
    ("gigachat.concurrency", "0"),
    ("keep-alive", "0"),
    ("yandex.api-key", "sandbox-key"),
    ("yandex.folder", "b1gsandbox"),
    ("yandex.token-lifetime", "43200000"),
    ("yandex.concurrency", "10"),
    ("yandex.polls", "0"),
    ("yandex.poll-503", "0"),
    ("naparnik.token", "sandbox-token"),
    ("quota", ""),
    ("quota-headers", "1"),
];

#[derive(Default)]
pub struct Settings(Mutex<BTreeMap<&'static str, String>>);

impl Settings {
    pub fn set(&self, name: &str, value: &str) -> Result<(), String> {
        let Some((name, default)) = DEFAULTS.iter().find(|(known, _)| *known == name) else {
            return Err(format!("Unknown setting: {name}"));
        };
        if default.parse::<i64>().is_ok() && value.parse::<i64>().is_err() {
            return Err(format!("Not a number: {name}={value}"));
        }
        lock(&self.0).insert(name, value.to_owned());
        Ok(())
    }

    pub fn text(&self, name: &str) -> String {
        lock(&self.0).get(name).cloned().unwrap_or_else(|| default(name).to_owned())
    }

    pub fn number(&self, name: &str) -> i64 {
        lock(&self.0).get(name).map_or(default(name), String::as_str).parse().unwrap_or_default()
    }

    /// A number of which less than none makes no sense.
    pub fn count(&self, name: &str) -> u64 {
        self.number(name).try_into().unwrap_or_default()
    }

    /// All settings as `name=value` lines.
    pub fn lines(&self) -> String {
        DEFAULTS.iter().map(|(name, _)| format!("{name}={}\n", self.text(name))).collect()
    }

    pub fn reset(&self) {
        lock(&self.0).clear();
    }
}

fn default(name: &str) -> &'static str {
    DEFAULTS.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}
