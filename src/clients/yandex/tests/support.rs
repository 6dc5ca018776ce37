//! What the tests of this folder share.

use std::time::Duration;

use serde_json::Value;

use crate::body::events::Events;
use crate::body::reply::{Reply, ReplyBuilder, cut_short};
use crate::clients::ask::{Chat, Message};
use crate::clients::config::{ClientConfig, ClientTuning};
use crate::clients::kind::Kind;
use crate::clients::secret::Secret;
use crate::clients::service::WrittenCall;
use crate::clients::unchecked_config::{Text, UncheckedConfig};
use crate::config::SessionConfig;
use crate::error::Result;

/// A client without credentials.
pub fn bare(kind: Kind) -> ClientConfig {
    let given = UncheckedConfig { folder: Text::new("b1g".into()), ..UncheckedConfig::default() };
    ClientConfig::new(kind, &given, ClientTuning::default(), SessionConfig::default()).unwrap()
}

/// One that can ask.
pub fn config(kind: Kind) -> ClientConfig {
    ClientConfig { api_key: Secret::of_any("AQVN1"), poll_interval: Duration::from_secs(10), ..bare(kind) }
}

pub fn chat(text: &str) -> Chat {
    Chat { messages: vec![Message { content: text.into(), ..Message::default() }], ..Chat::default() }
}

pub fn json_of(written: &WrittenCall) -> Value {
    serde_json::from_slice(&written.request.body).unwrap()
}

/// A whole answer.
pub fn read(written: &WrittenCall, body: &[u8]) -> Result<Reply> {
    let mut builder = ReplyBuilder::default();
    written.dialect.whole(body, &mut builder).map(|()| builder.reply)
}

/// A stream in pieces of so many bytes, and how it ends as the caller sees it.
pub fn told(written: &WrittenCall, stream: &[u8], piece: usize) -> (Result<()>, ReplyBuilder) {
    let mut builder = ReplyBuilder::default();
    let outcome = fed(written, stream, piece, &mut builder);
    (outcome, builder)
}

fn fed(written: &WrittenCall, stream: &[u8], piece: usize, builder: &mut ReplyBuilder) -> Result<()> {
    let mut events = Events::new(written.framing.unwrap(), 1 << 20);
    let mut decoder = written.dialect.decoder();
    for mut piece in stream.chunks(piece) {
        while events.feed(&mut piece).unwrap() {
            decoder.event(events.event(), builder)?;
        }
    }
    if events.finish() {
        decoder.event(events.event(), builder)?;
    }
    decoder.end(builder)?;
    if builder.is_done() { Ok(()) } else { Err(cut_short()) }
}
