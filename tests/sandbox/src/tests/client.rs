//! A client of one connection, which it opens again when it is closed.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;

pub struct Client {
    url: String,
    sender: SendRequest<Full<Bytes>>,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub text: String,
    /// Whether the body came to its proper end.
    pub whole: bool,
    /// The pieces as they came.
    pub frames: Vec<Bytes>,
}

impl Client {
    pub async fn connect(url: &str) -> Self {
        Self { url: url.to_owned(), sender: handshake(url).await, headers: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends a request; what of the answer's body comes is read.
    pub async fn send(&mut self, method: Method, path: &str, body: &str) -> Answer {
        self.try_send(method, path, body).await.unwrap()
    }

    pub async fn try_send(&mut self, method: Method, path: &str, body: &str) -> hyper::Result<Answer> {
        if self.sender.ready().await.is_err() {
            self.sender = handshake(&self.url).await;
        }
        let mut request = Request::builder().method(method).uri(path).header("host", "sandbox");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = self.sender.send_request(request.body(Full::from(body.to_owned())).unwrap()).await?;
        let (head, mut body) = response.into_parts();
        let mut frames = Vec::new();
        let mut whole = true;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => frames.extend(frame.into_data()),
                Err(_) => whole = false,
            }
        }
        let text = String::from_utf8_lossy(&frames.concat()).into_owned();
        Ok(Answer { status: head.status, headers: head.headers, text, whole, frames })
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &body.to_string()).await
    }

    /// A control call that has to succeed.
    pub async fn control(&mut self, call: &str) -> String {
        let posts = ["set", "arm", "reset", "expire-tokens", "release"];
        let name = call.split(['?', '/']).next().unwrap();
        let method = if posts.contains(&name) { Method::POST } else { Method::GET };
        let answer = self.send(method, &format!("/control/{call}"), "").await;
        assert_eq!(answer.status, 200, "{call}: {}", answer.text);
        answer.text
    }

    pub async fn counter(&mut self, name: &str) -> u64 {
        let line = self.control(&format!("counters?name={name}")).await;
        line.trim().rsplit_once('=').unwrap().1.parse().unwrap()
    }
}

async fn handshake(url: &str) -> SendRequest<Full<Bytes>> {
    let (sender, connection) = http1::handshake(TokioIo::new(super::connect(url).await)).await.unwrap();
    tokio::spawn(connection);
    sender
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The data of the events, one text each.
    pub fn data(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    }

    /// The data of the events that are JSON.
    pub fn events(&self) -> Vec<Value> {
        self.data().into_iter().filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
