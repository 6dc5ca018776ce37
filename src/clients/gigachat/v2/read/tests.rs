use super::*;
use crate::body::events::Format;
use crate::body::reply::{Call, Delta, Finish, Reply, Usage};
use crate::clients::gigachat::tests::read_cut;

const STREAM: &str = concat!(
    ": hello\n\n",
    "event: response.message.delta\n",
    "data: {\"model\":\"GigaChat-3-Ultra:32.3.18.5\",\"created_at\":1780321924,\"messages\":[{\"role\":\"assistant\",\"content\":[{\"text\":\"Раз, 2\"}]}]}\n\n",
    "data: {\"messages\":[{\"content\":[{\"text\":\"without a name\"}]}]}\n\n",
    "event: response.tool.in_progress\ndata: {\"status\":\"in_progress\",\"message\":\"m\"}\n\n",
    "event: response.message.delta\r\ndata: {\"messages\":[{\"content\":[{\"text\":\", 3 🙂\"}]}]}\r\n\r\n",
    "event: response.message.done\n",
    "data: {\"model\":\"GigaChat-3-Ultra:32.3.18.5\",\"created_at\":1780321924,\"finish_reason\":\"stop\",\"usage\":{\"input_tokens\":19,\"input_tokens_details\":{\"prompt_tokens\":19,\"cached_tokens\":4},\"output_tokens\":8,\"total_tokens\":27}}\n\n",
);

fn usage_told() -> Usage {
    Usage { prompt: 19, completion: 8, total: 27, cached: 4, ..Usage::default() }
}

fn stream(body: &str) -> (Result<()>, ReplyBuilder) {
    read_cut(&Messages::default(), Format::Sse, body.as_bytes(), body.len())
}

fn whole(body: &Value) -> (Result<()>, Reply) {
    let mut builder = ReplyBuilder::default();
    (Messages::default().whole(body.to_string().as_bytes(), &mut builder), builder.reply)
}

#[test]
fn a_stream_is_told_the_same_however_it_is_cut() {
    for piece in 1..STREAM.len() {
        let (end, mut builder) = read_cut(&Messages::default(), Format::Sse, STREAM.as_bytes(), piece);
        end.unwrap();
        let deltas: Vec<Delta> = std::iter::from_fn(|| builder.take()).collect();
        let text = |text: &str| Delta::Text(text.into());
        assert_eq!(deltas, [text("Раз, 2"), text(", 3 🙂"), Delta::Usage, Delta::Done], "{piece}");
        let Reply { finish, model, usage, .. } = builder.reply;
        assert_eq!((finish, model.as_str(), usage), (Finish::Stop, "GigaChat-3-Ultra:32.3.18.5", usage_told()));
    }
}

#[test]
fn a_stream_without_its_last_event_is_cut_short() {
    for most in 0..STREAM.len() {
        let (end, builder) = read_cut(&Messages::default(), Format::Sse, &STREAM.as_bytes()[..most], 7);
        assert!(["", "Раз, 2", "Раз, 2, 3 🙂"].contains(&builder.reply.text.as_str()), "{most}");
        match end {
            Ok(()) => assert!(most >= STREAM.len() - 2 && builder.reply.usage == usage_told(), "{most}"),
            Err(error) => assert!(most < STREAM.len() - 2 && error.status == Status::Truncated, "{most}: {error}"),
        }
    }
}

#[test]
fn nothing_follows_the_last_event() {
    let (end, builder) = stream(&format!("{STREAM}{STREAM}"));
    end.unwrap();
    assert_eq!(builder.reply.text, "Раз, 2, 3 🙂");
}

#[test]
fn what_has_no_known_name_is_skipped_but_a_failure_is_one() {
    for skipped in [
        "data: [DONE]\n\n",
        "data: oops\n\n",
        "event: ping\ndata: 1\n\n",
        "event: other\ndata: {\"messages\":[{\"content\":[{\"text\":\"x\"}]}]}\n\n",
    ] {
        let (end, builder) = stream(&format!("{skipped}{STREAM}"));
        end.unwrap();
        assert_eq!(builder.reply.text, "Раз, 2, 3 🙂", "{skipped}");
    }
    for (failure, status, detail) in [
        ("event: error\ndata: {\"status\":500,\"message\":\"planted\"}\n\n", Status::Provider, Detail::ServerError),
        ("data: {\"status\":402,\"message\":\"planted\"}\n\n", Status::Quota, Detail::None),
        (
            "event: response.message.delta\ndata: {\"status\":503,\"message\":\"planted\"}\n\n",
            Status::Provider,
            Detail::Overloaded,
        ),
        (
            "event: response.failed\ndata: {\"error\":{\"message\":\"planted\"}}\n\n",
            Status::Provider,
            Detail::ServerError,
        ),
    ] {
        let (end, builder) = stream(&format!("{failure}{STREAM}"));
        let error = end.unwrap_err();
        assert_eq!((error.status, error.detail, builder.reply.problem.text.as_str()), (status, detail, "planted"));
        assert!(!error.message.contains("planted"));
    }
    let (end, _) = stream("event: response.message.delta\ndata: oops\n\n");
    assert_eq!(end.unwrap_err().detail, Detail::NotJson);
}

#[test]
fn a_whole_answer_is_read_as_it_is_written() {
    let (read, reply) = whole(&serde_json::json!({
        "model": "GigaChat-3-Ultra:32.3.18.5", "created_at": 1_780_321_855,
        "messages": [
            {"role": "reasoning", "content": [{"text": "мысль"}]},
            {"role": "assistant", "message_id": "id", "content": [{"text": "Hel"}, {"files": [{"id": "f"}]}, {"text": "lo"}]},
            {"role": "tool_execution", "content": [{"text": "no answer"}]},
        ],
        "finish_reason": "stop",
        "usage": {"input_tokens": 19, "input_tokens_details": {"prompt_tokens": 19, "cached_tokens": 4}, "output_tokens": 8, "total_tokens": 27},
    }));
    read.unwrap();
    assert_eq!((reply.text.as_str(), reply.reasoning.as_str(), reply.id.as_str()), ("Hello", "мысль", "id"));
    assert_eq!((reply.finish, reply.usage), (Finish::Stop, usage_told()));
}

#[test]
fn calls_of_functions_come_with_their_ids_and_their_state() {
    for (state, within) in [("tool_state_id", true), ("tools_state_id", true), ("tool_state_id", false)] {
        let mut body = serde_json::json!({"messages": [{"role": "assistant", "content": [
            {"function_call": {"id": "1", "name": "f", "arguments": {"a": "б"}}},
            {"function_call": {"name": "g", "arguments": {}}},
        ]}], "finish_reason": "function_call"});
        let place = if within { &mut body["messages"][0] } else { &mut body };
        place[state] = "uuid".into();
        let (read, reply) = whole(&body);
        read.unwrap();
        let call = |id: &str, name: &str, arguments: &str| Call {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        assert_eq!(reply.calls, [call("1", "f", r#"{"a":"б"}"#), call("", "g", "{}")]);
        assert_eq!((reply.state.as_str(), reply.finish), ("uuid", Finish::Tool));
        let (end, builder) = stream(&format!("event: {DELTA}\ndata: {body}\n\nevent: {DONE}\ndata: {{}}\n\n"));
        end.unwrap();
        assert_eq!((builder.reply.calls, builder.reply.state), (reply.calls, reply.state));
    }
}

#[test]
fn members_may_be_null_and_words_unknown() {
    let (read, reply) = whole(&serde_json::json!({
        "model": null, "usage": null, "finish_reason": null,
        "messages": [{"role": null, "content": "as a text", "function_call": null, "finish_reason": "moonrise"}],
    }));
    read.unwrap();
    assert_eq!(
        (reply.text.as_str(), reply.finish, reply.finish_word.as_str()),
        ("as a text", Finish::Other, "moonrise")
    );
    assert_eq!(reply.usage, Usage::default());
    for (body, status) in [
        (serde_json::json!({}), Status::Provider),
        (serde_json::json!({"messages": []}), Status::Provider),
        (serde_json::json!({"status": 402, "message": "m"}), Status::Quota),
    ] {
        assert_eq!(whole(&body).0.unwrap_err().status, status);
    }
    let (read, reply) = whole(&serde_json::json!({"messages": [], "finish_reason": "blacklist"}));
    read.unwrap();
    assert_eq!(reply.finish, Finish::Filter);
}
