//! Calls as they are written, answers as they are read, and what follows from one for the other.

mod over_http;
pub mod support;

use serde_json::{Value, json};

use self::support::{chat, config, json_of, read, told};
use super::*;
use crate::body::reply::{Call, Delta, Finish, Reply, ReplyBuilder, Usage};
use crate::clients::ask::{Chat, Count, Embed, Raw};
use crate::clients::kind::Kind;
use crate::error::Detail;

fn line(text: &str, status: &str, completion: u32) -> String {
    let line = json!({"result": {
        "alternatives": [{"message": {"role": "assistant", "text": text}, "status": status}],
        "usage": {
            "inputTextTokens": "15", "completionTokens": completion.to_string(), "totalTokens": (15 + completion).to_string(),
            "completionTokensDetails": {"reasoningTokens": "0"},
        },
        "modelVersion": "09.02.2025",
    }});
    format!("{line}\n")
}

const PARTIAL: &str = "ALTERNATIVE_STATUS_PARTIAL";
const FINAL: &str = "ALTERNATIVE_STATUS_FINAL";

fn count() -> String {
    [line("Один", PARTIAL, 1), line("Один, два", PARTIAL, 4), line("Один, два, три 🙂.", FINAL, 10)].concat()
}

fn streamed() -> WrittenCall {
    written(&Ask::Chat(Box::new(Chat { stream: true, ..chat("Hi") }))).unwrap()
}

fn whole() -> WrittenCall {
    written(&Ask::Chat(Box::new(chat("Hi")))).unwrap()
}

fn written(ask: &Ask) -> Result<WrittenCall> {
    Yandex::Own.write(ask, &config(Kind::Yandex))
}

fn deltas(builder: &mut ReplyBuilder) -> Vec<Delta> {
    std::iter::from_fn(|| builder.take()).filter(|delta| *delta != Delta::Usage).collect()
}

fn text(text: &str) -> Delta {
    Delta::Text(text.into())
}

#[test]
fn a_chat_is_posted_with_its_headers() {
    let written = streamed();
    assert_eq!((written.request.method.as_str(), written.request.url.as_str()), ("POST", "completion"));
    assert_eq!(written.request.headers["x-folder-id"], "b1g");
    assert_eq!(written.request.headers["content-type"], "application/json");
    let body = json!({
        "modelUri": "gpt://b1g/yandexgpt/latest", "completionOptions": {"stream": true},
        "messages": [{"role": "user", "text": "Hi"}],
    });
    assert_eq!(json_of(&written), body);
    assert!(written.framing.is_some() && whole().framing.is_none());
    let name = |written: &WrittenCall| written.request.headers["x-client-request-id"].clone();
    assert_ne!(name(&written), name(&streamed()));
}

#[test]
fn models_are_listed_by_the_other_api_at_the_same_origin() {
    let written = written(&Ask::Models).unwrap();
    assert_eq!(written.request.url, "https://llm.api.cloud.yandex.net/v1/models");
    assert_eq!(written.request.headers["openai-project"], "b1g");
    let reply =
        read(&written, br#"{"object":"list","data":[{"id":"gpt://b1g/yandexgpt/latest"},{"id":"emb://b1g/x"}]}"#);
    assert_eq!(reply.unwrap().text, "gpt://b1g/yandexgpt/latest\nemb://b1g/x");
    let mut config = config(Kind::Yandex);
    config.base_url = "http://127.0.0.1:8080/foundationModels/v1".into();
    assert_eq!(Yandex::Own.write(&Ask::Models, &config).unwrap().request.url, "http://127.0.0.1:8080/v1/models");
}

#[test]
fn anything_else_goes_out_as_it_is() {
    let raw = Raw {
        method: http::Method::POST,
        url: "tokenizeCompletion".into(),
        body: "{}".into(),
        content_type: "application/json".into(),
    };
    let written = written(&Ask::Raw(raw)).unwrap();
    assert_eq!((written.request.url.as_str(), &written.request.body[..]), ("tokenizeCompletion", &b"{}"[..]));
    assert_eq!(written.request.headers["x-folder-id"], "b1g");
}

#[test]
fn what_takes_several_requests_is_not_one() {
    let job = Ask::Chat(Box::new(Chat { job: true, ..chat("Hi") }));
    let two = vec!["a".to_owned(), "b".to_owned()];
    let embed = Ask::Embed(Embed { inputs: two.clone(), ..Embed::default() });
    let count = Ask::Count(Count { inputs: two, ..Count::default() });
    for ask in [job, embed, count] {
        assert_eq!(written(&ask).err().unwrap().status, Status::Unsupported);
        assert!(Yandex::Own.steps(&ask, &config(Kind::Yandex)).unwrap().is_some());
    }
    for ask in [Ask::Embed(Embed::default()), Ask::Count(Count::default())] {
        assert!(written(&ask).err().unwrap().message.starts_with("inputs: "));
    }
}

#[test]
fn a_whole_answer_is_read_with_or_without_its_wrapper() {
    let wrapped: Value = serde_json::from_str(&line("Да", FINAL, 11)).unwrap();
    for body in [wrapped.to_string(), wrapped["result"].to_string(), format!("\n\n{wrapped:#}\n")] {
        let reply = read(&whole(), body.as_bytes()).unwrap();
        assert_eq!((reply.text.as_str(), reply.finish, reply.finish_word.as_str()), ("Да", Finish::Stop, FINAL));
        assert_eq!(reply.usage, Usage { prompt: 15, completion: 11, total: 26, reasoning: 0, ..Usage::default() });
        assert_eq!(reply.model, "09.02.2025");
    }
    let bare = read(&whole(), br#"{"alternatives":[{"message":{"text":"x"},"status":null}],"usage":null}"#).unwrap();
    assert_eq!((bare.text.as_str(), bare.finish, bare.usage), ("x", Finish::None, Usage::default()));
    let numbers = br#"{"alternatives":[{"message":{"text":"x"}}],"usage":{"inputTextTokens":3,"totalTokens":4}}"#;
    assert_eq!(read(&whole(), numbers).unwrap().usage.total, 4);
}

#[test]
fn a_whole_answer_that_is_none_is_an_error() {
    let error = |body: &str| read(&whole(), body.as_bytes()).unwrap_err();
    assert_eq!(error(&line("Да", PARTIAL, 1)).status, Status::Truncated);
    for body in ["{}", r#"{"result":{}}"#, "", "<html>", r#"{"result":{"alternatives":[]}}"#] {
        assert_eq!(error(body).detail, Detail::NotJson, "{body}");
    }
    let body = line("Да", FINAL, 1);
    for end in 0..body.len() - 1 {
        assert!(Answers.whole_of(&body.as_bytes()[..end]).is_err(), "{end}");
    }
    assert_eq!(error(r#"{"code":16,"message":"The token is invalid"}"#).status, Status::Auth);
}

impl Answers {
    fn whole_of(&self, body: &[u8]) -> Result<()> {
        use crate::body::reply::Dialect;
        self.whole(body, &mut ReplyBuilder::default())
    }
}

#[test]
fn each_word_for_the_end_is_understood() {
    let rows = [
        ("TRUNCATED_FINAL", Finish::Length),
        ("FINAL", Finish::Stop),
        ("CONTENT_FILTER", Finish::Filter),
        ("TOOL_CALLS", Finish::Tool),
        ("SOMETHING_NEW", Finish::Other),
    ];
    for (word, finish) in rows {
        let status = format!("ALTERNATIVE_STATUS_{word}");
        let stream = [line("Да", PARTIAL, 1), line("Да!", &status, 2)].concat();
        let (outcome, builder) = told(&streamed(), stream.as_bytes(), 64);
        outcome.unwrap();
        assert_eq!((builder.reply.finish, builder.reply.finish_word), (finish, status));
    }
    for open in [PARTIAL, "ALTERNATIVE_STATUS_UNSPECIFIED", ""] {
        let (outcome, builder) = told(&streamed(), line("Да", open, 1).as_bytes(), 64);
        assert_eq!(outcome.unwrap_err().status, Status::Truncated, "{open}");
        assert_eq!((builder.reply.text.as_str(), builder.reply.finish_word.as_str()), ("Да", ""));
    }
}

#[test]
fn a_stream_is_told_in_parts_however_it_is_cut() {
    let stream = count();
    for piece in 1..=stream.len() {
        let (outcome, mut builder) = told(&streamed(), stream.as_bytes(), piece);
        outcome.unwrap();
        assert_eq!(deltas(&mut builder), [text("Один"), text(", два"), text(", три 🙂."), Delta::Done]);
        assert_eq!(builder.reply.text, "Один, два, три 🙂.");
        assert_eq!((builder.reply.usage.completion, builder.reply.usage.total), (10, 25));
    }
}

#[test]
fn a_stream_that_ends_early_is_never_complete() {
    let stream = count();
    // Only the last line's end may be missing.
    for end in 0..=stream.len() {
        let (outcome, mut builder) = told(&streamed(), &stream.as_bytes()[..end], 16);
        let complete = end >= stream.len() - 1;
        assert_eq!(outcome.is_ok(), complete, "{end}");
        if let Err(error) = outcome {
            assert_eq!(error.status, Status::Truncated, "{end}");
        }
        let said: String = deltas(&mut builder)
            .into_iter()
            .filter_map(|delta| match delta {
                Delta::Text(text) => Some(text),
                _ => None,
            })
            .collect();
        assert!("Один, два, три 🙂.".starts_with(&said), "{said}");
    }
}

#[test]
fn a_text_that_is_written_anew_replaces_what_was_said() {
    let filter = "ALTERNATIVE_STATUS_CONTENT_FILTER";
    let stream = [line("Плохо", PARTIAL, 1), line("Не скажу", filter, 2)].concat();
    let (outcome, mut builder) = told(&streamed(), stream.as_bytes(), 9);
    outcome.unwrap();
    assert_eq!(deltas(&mut builder), [text("Плохо"), Delta::Replace("Не скажу".into()), Delta::Done]);
    assert_eq!((builder.reply.text.as_str(), builder.reply.finish), ("Не скажу", Finish::Filter));
    let withdrawn = [line("Плохо", PARTIAL, 1), line("", filter, 2)].concat();
    assert_eq!(told(&streamed(), withdrawn.as_bytes(), 9).1.reply.text, "");
    // Two texts that part within one character's bytes: é and è share their first.
    let apart = [line("caf\u{e9}", PARTIAL, 1), line("caf\u{e8} noir", FINAL, 2)].concat();
    let (_, mut builder) = told(&streamed(), apart.as_bytes(), 9);
    assert_eq!(deltas(&mut builder)[1], Delta::Replace("caf\u{e8} noir".into()));
}

#[test]
fn a_last_line_without_text_withdraws_nothing() {
    for last in
        [line("", FINAL, 2), "{\"result\":{\"alternatives\":[{\"status\":\"ALTERNATIVE_STATUS_FINAL\"}]}}\n".into()]
    {
        let (outcome, builder) = told(&streamed(), (line("Да", PARTIAL, 1) + &last).as_bytes(), 9);
        outcome.unwrap();
        assert_eq!((builder.reply.text.as_str(), builder.reply.usage.prompt), ("Да", 15));
    }
}

fn calls(status: &str) -> String {
    let calls = json!([
        {"functionCall": {"name": "f", "arguments": {"город": "Москва", "n": 1}}}, {"functionCall": {"name": "g"}},
    ]);
    let message = json!({"role": "assistant", "toolCallList": {"toolCalls": calls}});
    let line = json!({"result": {"alternatives": [{"message": message, "status": status}]}});
    format!("{line}\n")
}

fn wanted() -> Vec<Call> {
    let call = |name: &str, arguments: &str| Call { id: String::new(), name: name.into(), arguments: arguments.into() };
    vec![call("f", r#"{"город":"Москва","n":1}"#), call("g", "{}")]
}

#[test]
fn calls_of_tools_are_told_once_though_each_line_has_them() {
    let status = "ALTERNATIVE_STATUS_TOOL_CALLS";
    let stream = [line("Сейчас", PARTIAL, 1), calls(PARTIAL), calls(status)].concat();
    let (outcome, mut builder) = told(&streamed(), stream.as_bytes(), 11);
    outcome.unwrap();
    assert_eq!((&builder.reply.calls, builder.reply.finish), (&wanted(), Finish::Tool));
    assert_eq!(builder.reply.text, "Сейчас");
    let tools = deltas(&mut builder).into_iter().filter(|delta| matches!(delta, Delta::Tool { .. })).count();
    assert_eq!(tools, 2);
    assert_eq!(read(&whole(), calls(status).as_bytes()).unwrap().calls, wanted());
}

#[test]
fn an_error_among_the_lines_is_one() {
    let error = json!({"error": {
        "grpcCode": 8, "httpCode": 429, "httpStatus": "Too Many Requests", "details": [],
        "message": "ai.textGenerationCompletionSessionsCount.count gauge quota limit exceed: allowed 10 requests",
    }});
    for stream in [format!("{}{error}\n", line("Да", PARTIAL, 1)), format!("{}{error}", line("Да", FINAL, 1))] {
        let (outcome, mut builder) = told(&streamed(), stream.as_bytes(), 13);
        let error = outcome.unwrap_err();
        assert_eq!((error.status, error.detail), (Status::RateLimited, Detail::Concurrency));
        assert_eq!(builder.reply.problem.code, "8");
        assert!(!deltas(&mut builder).contains(&Delta::Done));
    }
    let bare = r#"{"code":13,"message":"it broke","details":[]}"#;
    let (outcome, builder) = told(&streamed(), bare.as_bytes(), 13);
    assert_eq!(outcome.unwrap_err().detail, Detail::ServerError);
    assert_eq!(builder.reply.problem.text, "it broke");
}

#[test]
fn blank_lines_and_carriage_returns_are_nothing() {
    let stream = format!("\r\n\n{}\r\n \n{}", line("Да", PARTIAL, 1).trim_end(), line("Да!", FINAL, 2));
    let (outcome, builder) = told(&streamed(), stream.as_bytes(), 5);
    outcome.unwrap();
    assert_eq!(builder.reply.text, "Да!");
}

#[test]
fn a_line_that_is_no_json_is_an_error() {
    let (outcome, _) = told(&streamed(), b"what\n", 5);
    assert_eq!(outcome.unwrap_err().detail, Detail::NotJson);
}

#[test]
fn an_answer_goes_back_into_the_talk_as_it_was() {
    let Reply { calls, .. } = read(&whole(), calls("ALTERNATIVE_STATUS_TOOL_CALLS").as_bytes()).unwrap();
    let message =
        crate::clients::ask::Message { role: crate::clients::ask::Role::Assistant, calls, ..Default::default() };
    let json = json!({"role": "assistant", "toolCallList": {"toolCalls": [
        {"functionCall": {"name": "f", "arguments": {"город": "Москва", "n": 1}}},
        {"functionCall": {"name": "g", "arguments": {}}},
    ]}});
    assert_eq!(messages::written(&[message]).unwrap(), [json]);
}
