//! What the tests of clients share.

use std::sync::Arc;

use aipool::answer::{Answer, Read};
use aipool::body::reply::{Delta, Reply};
use aipool::clients::ask::{Ask, Chat, Message};
use aipool::clients::config::{ClientConfig, ClientTuning};
use aipool::clients::kind::Kind;
use aipool::clients::unchecked_config::{Text, UncheckedConfig};
use aipool::clients::{CallOptions, Client, PoolSource};
use aipool::config::{PoolConfig, SessionConfig};
use aipool::error::Error;
use aipool::pool::ConnectionPool;

use crate::support::PATIENCE;

pub fn text(text: &str) -> Text {
    Text::new(text.to_owned())
}

pub fn pool() -> Arc<ConnectionPool> {
    ConnectionPool::new(PoolConfig::default()).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "made for it")]
pub fn client(kind: Kind, given: UncheckedConfig) -> Client {
    client_with(kind, &given, ClientTuning::default())
}

pub fn client_with(kind: Kind, given: &UncheckedConfig, ways: ClientTuning) -> Client {
    made(&pool(), kind, given, ways)
}

pub fn client_over(pool: &Arc<ConnectionPool>, kind: Kind, given: &UncheckedConfig) -> Client {
    made(pool, kind, given, ClientTuning::default())
}

fn made(pool: &Arc<ConnectionPool>, kind: Kind, given: &UncheckedConfig, ways: ClientTuning) -> Client {
    let config = ClientConfig::new(kind, given, ways, SessionConfig::default()).unwrap();
    Client::new(config, PoolSource::Given(pool.clone())).unwrap()
}

pub fn says(prompt: &str) -> Chat {
    Chat { messages: vec![Message { content: prompt.into(), ..Message::default() }], ..Chat::default() }
}

pub fn streams(prompt: &str) -> Chat {
    Chat { stream: true, ..says(prompt) }
}

/// A call with faults for the sandbox.
pub fn faulty(faults: &str) -> CallOptions {
    let mut how = CallOptions::default();
    how.headers.insert("x-sandbox", faults.parse().unwrap());
    how
}

pub fn asked(client: &Client, chat: Chat, how: &CallOptions) -> Result<Arc<Answer>, (Error, Option<Arc<Answer>>)> {
    client.call(&Ask::Chat(Box::new(chat)), how)
}

pub fn reply(answer: &Answer) -> Reply {
    answer.reply(|reply, _| reply.clone()).unwrap()
}

pub fn answered(client: &Client, chat: Chat, how: &CallOptions) -> Reply {
    reply(&asked(client, chat, how).map_err(|(error, _)| error).unwrap())
}

/// The failure of a call, and what the provider said.
pub fn refused(client: &Client, chat: Chat, how: &CallOptions) -> (Error, Option<Reply>) {
    let (error, answer) = asked(client, chat, how).err().expect("a failure");
    (error, answer.map(|answer| reply(&answer)))
}

/// All parts of a stream, and how it ended.
pub fn deltas(answer: &Answer) -> (Vec<Delta>, Result<(), Error>) {
    let mut all = Vec::new();
    loop {
        match answer.next_delta(PATIENCE, Delta::clone) {
            Ok(Read::Got(delta)) => all.push(delta),
            Ok(Read::End) => return (all, Ok(())),
            Ok(Read::Nothing) => panic!("nothing within {PATIENCE:?}"),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// The text that parts make, replacements done.
pub fn told(deltas: &[Delta]) -> String {
    let mut text = String::new();
    for delta in deltas {
        match delta {
            Delta::Text(more) => text.push_str(more),
            Delta::Replace(all) => text.clone_from(all),
            _ => {}
        }
    }
    text
}
