//! Whose tools are called: the server's own, which it may run, the caller's, or some that only its editor has.

use serde_json::{Map, Value, json};

use crate::body::reply::Call;

/// Tools of the server that need nothing of ours.
const SERVERS: [&str; 3] = ["mcp__knowledge-hub__", "mcp__syntax-checker__", "mcp__web__"];
/// Its notes to itself.
pub const NOTES: &str = "TodoWrite";
/// Said to the model of what nobody can run.
const HINT: &str = "Инструмент недоступен: здесь нет ни среды 1С:EDT, ни проекта, ни файлов. Ответь без него.";

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server runs it.
    Accepted,
    /// Nobody can.
    Rejected,
    /// It is the caller's tool.
    Callers,
}

impl Verdict {
    pub fn of(call: &Call, callers: &[String]) -> Verdict {
        if callers.contains(&call.name) {
            return Verdict::Callers;
        }
        let servers = call.name == NOTES || SERVERS.iter().any(|prefix| call.name.starts_with(prefix));
        if servers { Verdict::Accepted } else { Verdict::Rejected }
    }
}

/// The answer to a call that is not the caller's.
pub fn answer(id: &str, accepted: bool) -> Value {
    if accepted {
        json!({"tool_call_id": id, "status": "accepted", "content": null})
    } else {
        json!({"tool_call_id": id, "status": "rejected", "content": HINT})
    }
}

/// The caller's tools as the service lists them.
pub fn listed(tools: &[crate::clients::ask::Tool]) -> Value {
    let one = |tool: &crate::clients::ask::Tool| {
        let nothing = json!({"type": "object", "properties": {}});
        let parameters = if tool.parameters.is_null() { nothing } else { tool.parameters.clone() };
        let mut out = json!({"name": tool.name, "description": tool.description, "parameters": parameters});
        crate::clients::json::merge(&mut out, &tool.more);
        out
    };
    tools.iter().map(one).collect()
}

/// What the next message of a conversation brings along: the conversation, the answer it follows, and calls in that answer which
/// are not the caller's and have to be answered with its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub conversation: String,
    pub parent: String,
    /// Ids, and whether they are accepted.
    pub pending: Vec<(String, bool)>,
}

impl State {
    /// As it is handed out; `None` where it does not look so.
    pub fn read(text: &str) -> Option<State> {
        let mut parts = text.splitn(3, '/');
        let (conversation, parent) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let pending: Map<String, Value> = match parts.next() {
            None => Map::new(),
            Some(text) => serde_json::from_str(text).ok()?,
        };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if conversation.is_empty() || !plain(&conversation) {
            return None;
        }
        let pending = pending.into_iter().map(|(id, accepted)| (id, accepted == Value::Bool(true))).collect();
        Some(State { conversation, parent, pending })
    }

    pub fn written(&self) -> String {
        let State { conversation, parent, pending } = self;
        if pending.is_empty() {
            return format!("{conversation}/{parent}");
        }
        let pending: Map<String, Value> = pending.iter().map(|(id, yes)| (id.clone(), Value::Bool(*yes))).collect();
        format!("{conversation}/{parent}/{}", Value::Object(pending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_as_it_went() {
        let plain = State { conversation: "c-1".into(), parent: "a-1".into(), pending: Vec::new() };
        assert_eq!((plain.written().as_str(), State::read("c-1/a-1")), ("c-1/a-1", Some(plain)));
        let pending = vec![("x/1".to_owned(), true), ("y".to_owned(), false)];
        let state = State { conversation: "c".into(), parent: "a".into(), pending };
        assert_eq!(State::read(&state.written()), Some(state));
    }

    #[test]
    fn what_is_no_state_is_none() {
        for text in ["", "c-1", "/a-1", "c 1/a", "../x", "c/a/no json", "c?x/a"] {
            assert_eq!(State::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_call_is_the_callers_first() {
        let of = |name: &str| {
            Verdict::of(&Call { name: name.into(), ..Call::default() }, &["TodoWrite".into(), "mine".into()])
        };
        assert_eq!((of("mine"), of("TodoWrite")), (Verdict::Callers, Verdict::Callers));
        assert_eq!((of("mcp__web__Fetch"), of("ReadSystemFile")), (Verdict::Accepted, Verdict::Rejected));
    }
}
