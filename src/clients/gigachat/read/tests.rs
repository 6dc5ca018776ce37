use super::*;
use crate::body::events::Format;
use crate::body::reply::{Call, Delta, Reply, Usage};
use crate::clients::gigachat::tests::{end_of, read_cut};
use crate::error::{Detail, Status};

const STREAM: &str = concat!(
    "\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"Привет, 1\",\"role\":\"assistant\"},\"index\":0}],\"created\":1768996176,\"model\":\"GigaChat:2.0.28.2\",\"object\":\"chat.completion\"}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\", 2 🙂\"},\"index\":0}],\"model\":\"GigaChat:2.0.28.2\"}\n\n",
    "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"index\":0,\"finish_reason\":\"stop\"}],\"created\":1768996176,\"model\":\"GigaChat:2.0.28.2\",\"object\":\"chat.completion\",\"usage\":{\"prompt_tokens\":17,\"completion_tokens\":42,\"total_tokens\":59,\"precached_prompt_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

fn stream(body: &str) -> (Result<()>, ReplyBuilder) {
    read_cut(&Completions, Format::Sse, body.as_bytes(), body.len())
}

fn whole(body: &str) -> (Result<()>, Reply) {
    let mut builder = ReplyBuilder::default();
    (Completions.whole(body.as_bytes(), &mut builder), builder.reply)
}

fn usage_told() -> Usage {
    Usage { prompt: 17, completion: 42, total: 59, cached: 2, ..Usage::default() }
}

#[test]
fn a_stream_is_told_the_same_however_it_is_cut() {
    for piece in 1..STREAM.len() {
        let (end, mut builder) = read_cut(&Completions, Format::Sse, STREAM.as_bytes(), piece);
        end.unwrap();
        let deltas: Vec<Delta> = std::iter::from_fn(|| builder.take()).collect();
        let text = |text: &str| Delta::Text(text.into());
        assert_eq!(deltas, [text("Привет, 1"), text(", 2 🙂"), Delta::Usage, Delta::Done], "{piece}");
        let Reply { text, finish, model, usage, finish_word, .. } = builder.reply;
        assert_eq!((text.as_str(), finish, finish_word.as_str()), ("Привет, 1, 2 🙂", Finish::Stop, "stop"));
        assert_eq!((model.as_str(), usage), ("GigaChat:2.0.28.2", usage_told()));
    }
}

#[test]
fn a_stream_that_ends_early_is_cut_short_or_complete_and_never_doubled() {
    let told = STREAM.find("\"usage\"").unwrap();
    for most in 0..STREAM.len() {
        let (end, builder) = read_cut(&Completions, Format::Sse, &STREAM.as_bytes()[..most], 7);
        let text = builder.reply.text.as_str();
        assert!(["", "Привет, 1", "Привет, 1, 2 🙂"].contains(&text), "{most}: {text}");
        match end {
            Ok(()) => assert!(most > told && text == "Привет, 1, 2 🙂", "{most}"),
            Err(error) => assert!(most < STREAM.len() - 1 && error.status == Status::Truncated, "{most}: {error}"),
        }
    }
}

#[test]
fn the_mark_may_be_lost_where_the_answer_said_why_it_ended() {
    let (end, builder) = stream(STREAM.strip_suffix("data: [DONE]\n\n").unwrap());
    end.unwrap();
    assert_eq!(builder.reply.usage, usage_told());
    let (end, _) = stream(&STREAM[..STREAM.find("data: {\"choices\":[{\"delta\":{\"content\":\"\"}").unwrap()]);
    assert_eq!(end.unwrap_err().status, Status::Truncated);
}

#[test]
fn nothing_follows_the_mark() {
    let (end, builder) = stream(&format!("{STREAM}{STREAM}"));
    end.unwrap();
    assert_eq!(builder.reply.text, "Привет, 1, 2 🙂");
}

#[test]
fn a_failure_in_a_stream_is_one_and_what_came_before_stays() {
    let first = &STREAM[..STREAM.find("data: {\"choices\":[{\"delta\":{\"content\":\", 2").unwrap()];
    for (line, status, detail) in [
        ("data: {\"status\":500,\"message\":\"Internal Server Error\"}\n\n", Status::Provider, Detail::ServerError),
        ("data: {\"status\":429,\"message\":\"Too Many Requests\"}\n\n", Status::RateLimited, Detail::None),
        ("event: error\ndata: {\"message\":\"m\"}\n\n", Status::Provider, Detail::ServerError),
        ("data: {\"message\":\"m\"}\n\ndata: [DONE]\n\n", Status::Provider, Detail::ServerError),
        ("data: {\"error\":{\"message\":\"m\"}}\n\n", Status::Provider, Detail::ServerError),
        ("data: {\"choices\": oops}\n\n", Status::Provider, Detail::NotJson),
    ] {
        let (end, builder) = stream(&format!("{first}{line}"));
        let error = end.unwrap_err();
        assert_eq!((error.status, error.detail), (status, detail), "{line}");
        assert_eq!(builder.reply.text, "Привет, 1");
        assert!(!error.message.contains("Internal") && !builder.is_done());
    }
}

#[test]
fn a_whole_answer_is_read_as_it_is_written() {
    let (read, reply) = whole(
        r#"{"choices":[{"message":{"content":"Hello.","role":"assistant"},"index":0,"finish_reason":"stop"}],
            "created":1768996171,"model":"GigaChat:2.0.28.2","object":"chat.completion",
            "usage":{"prompt_tokens":17,"completion_tokens":42,"total_tokens":59,"precached_prompt_tokens":2}}"#,
    );
    read.unwrap();
    assert_eq!((reply.text.as_str(), reply.finish, reply.usage), ("Hello.", Finish::Stop, usage_told()));
    assert_eq!((reply.model.as_str(), reply.id.as_str()), ("GigaChat:2.0.28.2", ""));
}

#[test]
fn a_function_call_comes_with_its_state() {
    let message = r#"{"role":"assistant","content":"","reasoning_content":"мысль",
        "function_call":{"name":"fc","arguments":{"location":"Москва"}},"functions_state_id":"uuid"}"#;
    let choice = format!(r#"{{"message":{message},"index":0,"finish_reason":"function_call"}}"#);
    let (read, reply) = whole(&format!(r#"{{"choices":[{choice}]}}"#));
    read.unwrap();
    let call = Call { id: String::new(), name: "fc".into(), arguments: r#"{"location":"Москва"}"#.into() };
    assert_eq!((reply.calls.as_slice(), reply.state.as_str()), (&[call.clone()][..], "uuid"));
    assert_eq!((reply.finish, reply.reasoning.as_str(), reply.text.as_str()), (Finish::Tool, "мысль", ""));
    assert_eq!(reply.usage, Usage::default());

    let delta = choice.replace("\"message\"", "\"delta\"").replace('\n', "");
    let (end, builder) =
        stream(&format!("data: {{\"choices\":[{delta}]}}\n\ndata: {{\"choices\":[{delta}]}}\n\ndata: [DONE]\n\n"));
    end.unwrap();
    assert_eq!((builder.reply.calls.as_slice(), builder.reply.state.as_str()), (&[call][..], "uuid"));
}

#[test]
fn words_for_the_end_are_known_or_kept() {
    for (word, finish) in [
        ("stop", Finish::Stop),
        ("length", Finish::Length),
        ("function_call", Finish::Tool),
        ("blacklist", Finish::Filter),
        ("error", Finish::Error),
        ("moonrise", Finish::Other),
    ] {
        let (read, reply) =
            whole(&format!(r#"{{"choices":[{{"message":{{"content":null}},"finish_reason":"{word}"}}]}}"#));
        read.unwrap();
        assert_eq!((reply.finish, reply.finish_word.as_str()), (finish, word));
        let (end, builder) =
            stream(&format!("data: {{\"choices\":[{{\"delta\":null,\"finish_reason\":\"{word}\"}}]}}\n\n"));
        end.unwrap();
        assert_eq!(builder.reply.finish, finish);
    }
}

#[test]
fn a_body_without_an_answer_is_an_error() {
    for (body, status, detail) in [
        ("{}", Status::Provider, Detail::NotJson),
        (r#"{"choices":[]}"#, Status::Provider, Detail::NotJson),
        ("<html></html>", Status::Provider, Detail::NotJson),
        (r#"{"choices":[{"mess"#, Status::Provider, Detail::NotJson),
        (r#"{"status":402,"message":"Payment Required"}"#, Status::Quota, Detail::None),
        (r#"{"status":"500","message":"m"}"#, Status::Provider, Detail::ServerError),
    ] {
        let (read, _) = whole(body);
        let error = read.unwrap_err();
        assert_eq!((error.status, error.detail), (status, detail), "{body}");
    }
    assert_eq!(end_of(&Completions, Format::Sse, b"").unwrap_err().status, Status::Truncated);
}
