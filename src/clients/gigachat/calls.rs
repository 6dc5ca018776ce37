//! Calls of functions in an answer: their arguments come as an object, at once.

use serde_json::Value;

use crate::body::reply::ReplyBuilder;
use crate::clients::json::{member, text};
use crate::error::Result;

/// Tells of a call. One that is repeated is told once; arguments in pieces of text are put together.
pub fn tell(call: &Value, builder: &mut ReplyBuilder) -> Result<()> {
    let (id, name) = (text(call, "id"), text(call, "name"));
    let calls = &builder.reply.calls;
    let same = |known: &str, told: &str| known.is_empty() || told.is_empty() || known == told;
    let last = calls.last().filter(|last| same(&last.id, id) && same(&last.name, name));
    let next = calls.len();
    let (index, arguments) = match (member(call, "arguments"), last) {
        (Some(Value::String(piece)), Some(_)) => (next - 1, piece.clone()),
        (Some(Value::String(piece)), None) => (next, piece.clone()),
        (Some(whole), last) => {
            let whole = whole.to_string();
            match last {
                Some(last) if last.arguments == whole => return Ok(()),
                Some(last) if last.arguments.is_empty() => (next - 1, whole),
                _ => (next, whole),
            }
        }
        (None, Some(_)) => return Ok(()),
        (None, None) => (next, String::new()),
    };
    builder.call(index, id, name, &arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(calls: &[Value]) -> Vec<(String, String, String)> {
        let mut builder = ReplyBuilder::default();
        for call in calls {
            tell(call, &mut builder).unwrap();
        }
        builder.reply.calls.into_iter().map(|call| (call.id, call.name, call.arguments)).collect()
    }

    fn call(id: &str, name: &str, arguments: &str) -> (String, String, String) {
        (id.into(), name.into(), arguments.into())
    }

    #[test]
    fn objects_are_calls_of_their_own_and_a_repeated_one_is_told_once() {
        let one = json!({"name": "f", "arguments": {"a": 1}});
        let other = json!({"name": "f", "arguments": {"a": 2}});
        assert_eq!(told(&[one.clone(), one.clone()]), [call("", "f", r#"{"a":1}"#)]);
        assert_eq!(told(&[one, other]), [call("", "f", r#"{"a":1}"#), call("", "f", r#"{"a":2}"#)]);
    }

    #[test]
    fn ids_tell_equal_calls_apart() {
        let of = |id: &str| json!({"id": id, "name": "f", "arguments": {}});
        assert_eq!(told(&[of("1"), of("2"), of("2")]), [call("1", "f", "{}"), call("2", "f", "{}")]);
    }

    #[test]
    fn pieces_of_text_are_put_together() {
        let pieces =
            [json!({"name": "f", "arguments": ""}), json!({"arguments": "{\"a\""}), json!({"arguments": ":1}"})];
        assert_eq!(told(&pieces), [call("", "f", r#"{"a":1}"#)]);
        assert_eq!(told(&[json!({"name": "f"}), json!({"name": "f", "arguments": {}})]), [call("", "f", "{}")]);
        assert_eq!(told(&[json!({"name": "f", "arguments": null})]), [call("", "f", "")]);
    }
}
