//! Conversations, and what was said in them.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::ids;
use crate::lock::lock;

#[derive(Default)]
pub struct Conversations(Mutex<HashMap<String, Conversation>>);

pub struct Conversation {
    token: String,
    /// Whether the service has tools of its own here.
    pub has_tools: bool,
    root: String,
    said: HashMap<String, Said>,
}

/// What is known of an assistant's message.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// How many messages of the user lead to it.
    pub turn: u64,
    /// The calls that wait for their results.
    pub calls: Vec<ToolCall>,
    /// How many more rounds of tools the question asks for.
    pub rounds: usize,
}

#[derive(Clone, Debug)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
    /// Whether the caller brought the tool along.
    pub is_client: bool,
}

impl Conversations {
    /// A new conversation: its uuid and that of its root.
    pub fn open(&self, token: &str, has_tools: bool) -> (String, String) {
        let (uuid, root) = (ids::uuid(), ids::uuid());
        let conversation =
            Conversation { token: token.to_owned(), has_tools, root: root.clone(), said: HashMap::new() };
        lock(&self.0).insert(uuid.clone(), conversation);
        (uuid, root)
    }

    pub fn is_of(&self, uuid: &str, token: &str) -> bool {
        lock(&self.0).get(uuid).is_some_and(|conversation| conversation.token == token)
    }

    /// Works on a conversation, if it is there.
    pub fn with<T>(&self, uuid: &str, work: impl FnOnce(&mut Conversation) -> T) -> Option<T> {
        lock(&self.0).get_mut(uuid).map(work)
    }

    pub fn reset(&self) {
        lock(&self.0).clear();
    }
}

impl Conversation {
    /// What was said in the message of that uuid; at the root nothing was said yet.
    pub fn parent(&self, uuid: &str) -> Option<Said> {
        if uuid == self.root { Some(Said::default()) } else { self.said.get(uuid).cloned() }
    }

    pub fn add(&mut self, uuid: &str, said: Said) {
        self.said.insert(uuid.to_owned(), said);
    }

    /// The calls of that message are answered: they are closed.
    pub fn close_calls(&mut self, uuid: &str) {
        if let Some(said) = self.said.get_mut(uuid) {
            said.calls.clear();
        }
    }
}
