//! Files that were sent as forms of several parts.

use std::sync::Mutex;

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Outcome, error, get, invalid};
use crate::body::Content;
use crate::ids;
use crate::lock::lock;
use crate::reply::{self, Reply};
use crate::router::Call;

#[derive(Default)]
pub struct Files(Mutex<Vec<File>>);

struct File {
    told: Value,
    content: Bytes,
}

impl Files {
    /// Answers a call by what comes after `/files`.
    pub fn answer(&self, call: &Call, rest: &str) -> Outcome {
        let Some(rest) = rest.strip_prefix('/') else {
            if !rest.is_empty() {
                return Err(error(StatusCode::NOT_FOUND, "Not Found"));
            }
            return if call.is(&Method::POST) { self.upload(call) } else { get(call).map(|()| self.list()) };
        };
        match rest.split_once('/') {
            None => get(call).and_then(|()| self.find(rest, |file| reply::json(StatusCode::OK, &file.told))),
            Some((id, "content")) => get(call).and_then(|()| self.find(id, content)),
            Some((id, "delete")) if call.is(&Method::POST) => self.delete(id),
            Some(_) => Err(error(StatusCode::NOT_FOUND, "Not Found")),
        }
    }

    pub fn reset(&self) {
        lock(&self.0).clear();
    }

    fn upload(&self, call: &Call) -> Outcome {
        let parts = parts(call).ok_or_else(|| invalid("multipart/form-data expected"))?;
        let part = |name: &str| parts.iter().find(|part| part.name == name);
        let file = part("file").ok_or_else(|| invalid("no part named file"))?;
        let purpose = part("purpose").map(|part| String::from_utf8_lossy(&part.content).into_owned());
        let purpose = purpose.filter(|purpose| matches!(purpose.as_str(), "general" | "assistant"));
        let purpose = purpose.ok_or_else(|| invalid("purpose must be general or assistant"))?;
        let told = json!({
            "id": ids::uuid(), "object": "file", "bytes": file.content.len(), "created_at": ids::unix_time(),
            "filename": file.filename.clone().ok_or_else(|| invalid("the file has no name"))?, "purpose": purpose,
            "access_policy": "private",
        });
        let reply = reply::json(StatusCode::OK, &told);
        lock(&self.0).push(File { told, content: file.content.clone() });
        Ok(reply)
    }

    fn list(&self) -> Reply {
        let files: Vec<Value> = lock(&self.0).iter().map(|file| file.told.clone()).collect();
        reply::json(StatusCode::OK, &json!({"data": files}))
    }

    fn find(&self, id: &str, answer: impl Fn(&File) -> Reply) -> Outcome {
        lock(&self.0).iter().find(|file| file.told["id"] == id).map(answer).ok_or_else(no_such_file)
    }

    fn delete(&self, id: &str) -> Outcome {
        let mut files = lock(&self.0);
        let at = files.iter().position(|file| file.told["id"] == id).ok_or_else(no_such_file)?;
        files.remove(at);
        Ok(reply::json(StatusCode::OK, &json!({"id": id, "deleted": true})))
    }
}

fn no_such_file() -> Reply {
    error(StatusCode::NOT_FOUND, "No such file")
}

fn content(file: &File) -> Reply {
    reply::reply(StatusCode::OK, "application/octet-stream", Content::Whole(file.content.clone()))
}

struct Part {
    name: String,
    filename: Option<String>,
    content: Bytes,
}

/// The parts of a form, or nothing if it is none.
fn parts(call: &Call) -> Option<Vec<Part>> {
    let kind = call.header("content-type")?.strip_prefix("multipart/form-data")?;
    let boundary = parameter(kind, "boundary")?;
    let (opening, between) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}"));
    let mut rest = call.body.slice(call.body.starts_with(opening.as_bytes()).then_some(opening.len())?..);
    let mut parts = Vec::new();
    loop {
        let end = find(&rest, between.as_bytes())?;
        let part = rest.slice(..end);
        let head = find(&part, b"\r\n\r\n")?;
        let line = std::str::from_utf8(&part[..head]).ok()?;
        let line = line.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition: form-data"))?;
        parts.push(Part {
            name: parameter(line, "name")?,
            filename: parameter(line, "filename"),
            content: part.slice(head + 4..),
        });
        rest = rest.slice(end + between.len()..);
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        rest = rest.slice(rest.starts_with(b"\r\n").then_some(2)?..);
    }
}

/// The value of a parameter behind `; `, with or without quotes.
fn parameter(text: &str, name: &str) -> Option<String> {
    let value = text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}
