//! What has come in, by path and by provider, and the last requests themselves.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::http::request::Parts;
use serde_json::{Map, Value, json};

use crate::lock::lock;
use crate::provider::Provider;

/// How many requests are kept.
const KEPT: usize = 64;

/// Longer bodies are counted but not kept.
const LONGEST_KEPT: usize = 256 * 1024;

#[derive(Default)]
pub struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    counts: BTreeMap<String, u64>,
    recent: VecDeque<(Arc<Parts>, Bytes)>,
}

impl Ledger {
    pub fn add(&self, name: &str) {
        bump(&mut lock(&self.0).counts, name);
    }

    /// Counts a request, and keeps it if it is of a provider.
    pub fn request(&self, head: &Arc<Parts>, body: &Bytes) {
        let mut entries = lock(&self.0);
        bump(&mut entries.counts, &format!("requests:{}", route(head.uri.path())));
        if Provider::of(head.uri.path()).is_some() {
            if entries.recent.len() == KEPT {
                entries.recent.pop_front();
            }
            let body = if body.len() > LONGEST_KEPT { Bytes::new() } else { body.clone() };
            entries.recent.push_back((Arc::clone(head), body));
        }
    }

    pub fn status(&self, path: &str, status: StatusCode) {
        self.add(&format!("status:{}:{}", route(path), status.as_u16()));
    }

    /// Counts a request of a provider as running until the guard is dropped.
    pub fn run(self: &Arc<Self>, provider: Provider) -> Running {
        let mut entries = lock(&self.0);
        let name = provider.name();
        let now = entries.counts.entry(format!("{name}.running")).or_default();
        *now += 1;
        let now = *now;
        let most = entries.counts.entry(format!("{name}.running_max")).or_default();
        *most = now.max(*most);
        Running { ledger: Arc::clone(self), provider }
    }

    /// All counters as `name=value` lines.
    pub fn lines(&self) -> String {
        lock(&self.0).counts.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// The last request, or the one so many before it; of one path if it is given.
    pub fn last(&self, path: Option<&str>, back: usize) -> Option<Value> {
        let entries = lock(&self.0);
        let wanted = |(head, _): &&(Arc<Parts>, Bytes)| path.is_none_or(|path| head.uri.path() == path);
        entries.recent.iter().rev().filter(wanted).nth(back).map(|(head, body)| tell(head, body))
    }

    pub fn reset(&self) {
        let mut entries = lock(&self.0);
        entries.recent.clear();
        // Who is running will still leave.
        entries.counts.retain(|name, value| name.ends_with(".running") && *value > 0);
    }
}

fn bump(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}

/// The path with `*` for each id in it, so that a route has one counter; outside the providers, its first part.
fn route(path: &str) -> String {
    if Provider::of(path).is_none() {
        return path.split('/').take(2).collect::<Vec<_>>().join("/");
    }
    let id = |part: &str| part.len() >= 16 && part.bytes().any(|byte| byte.is_ascii_digit());
    path.split('/').map(|part| if id(part) { "*" } else { part }).collect::<Vec<_>>().join("/")
}

fn tell(head: &Parts, body: &Bytes) -> Value {
    let mut headers = Map::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let before = headers.get(name.as_str()).and_then(Value::as_str);
        let value = before.map_or(value.clone(), |before| format!("{before}, {value}"));
        headers.insert(name.as_str().to_owned(), value.into());
    }
    let json: Option<Value> = serde_json::from_slice(body).ok();
    json!({
        "method": head.method.as_str(),
        "path": head.uri.path(),
        "query": head.uri.query(),
        "version": format!("{:?}", head.version),
        "headers": headers,
        "body": json,
        "text": String::from_utf8_lossy(body),
    })
}

/// One request from its head to the end of its response.
pub struct Running {
    ledger: Arc<Ledger>,
    provider: Provider,
}

impl Drop for Running {
    fn drop(&mut self) {
        let name = format!("{}.running", self.provider.name());
        if let Some(now) = lock(&self.ledger.0).counts.get_mut(&name) {
            *now = now.saturating_sub(1);
        }
    }
}
