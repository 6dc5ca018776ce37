//! The requests as they are written, the answers as they are read, and what follows from one for the other.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::talk::Talk;
use super::*;
use crate::body::events::{Events, Format};
use crate::body::reply::{Call, Delta, Dialect, Finish, Reply, ReplyBuilder};
use crate::clients::ask::{Chat, Choice, Count, Embed, Message, Role, Tool};

fn says(role: Role, content: &str) -> Message {
    Message { role, content: content.into(), ..Message::default() }
}

fn chat(messages: Vec<Message>) -> Chat {
    Chat { messages, ..Chat::default() }
}

fn asks(words: &str) -> Chat {
    chat(vec![says(Role::User, words)])
}

fn body(written: &WrittenCall) -> Value {
    serde_json::from_slice(&written.request.body).unwrap()
}

/// The request that is next.
fn request(talk: &mut Talk) -> WrittenCall {
    match talk.next().unwrap() {
        Step::Ask(written) | Step::Tell(written) => written,
        _ => panic!("the call is over"),
    }
}

/// A chat whose conversation was just made: its first message.
fn begun(chat: &Chat) -> (Talk, Value) {
    let mut talk = Talk::begin(chat, "").unwrap();
    request(&mut talk);
    talk.answered(&Reply::default(), br#"{"uuid":"c-1","root_message_uuid":null}"#).unwrap();
    let said = body(&request(&mut talk));
    (talk, said)
}

fn wants(names: &[(&str, &str)]) -> Reply {
    let call = |(place, (name, arguments)): (usize, &(&str, &str))| Call {
        id: format!("call-{place}"),
        name: (*name).into(),
        arguments: (*arguments).into(),
    };
    let calls = names.iter().enumerate().map(call).collect();
    Reply { calls, id: "a-1".into(), finish: Finish::Tool, ..Reply::default() }
}

fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// A stream read piece by piece, for the caller or the steps: what was told, and all of it.
fn read(pieces: &[&[u8]], tools: &[&str], caller: bool) -> (Vec<Delta>, ReplyBuilder) {
    let common = Common { tools: tools.iter().map(|&tool| tool.into()).collect(), ..Common::default() };
    common.conversation.set("c-1".into()).unwrap();
    let common = Arc::new(common);
    let dialect = if caller { common.for_caller() } else { common.overheard() };
    let (mut decoder, mut events) = (dialect.decoder(), Events::new(Format::Sse, 1 << 20));
    let (mut builder, mut told) = (ReplyBuilder::default(), Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        while events.feed(&mut rest).unwrap() {
            decoder.event(events.event(), &mut builder).unwrap();
        }
        told.extend(std::iter::from_fn(|| builder.take()));
    }
    if events.finish() {
        decoder.event(events.event(), &mut builder).unwrap();
    }
    decoder.end(&mut builder).unwrap();
    told.extend(std::iter::from_fn(|| builder.take()));
    (told, builder)
}

fn heard(stream: &str) -> ReplyBuilder {
    read(&[stream.as_bytes()], &[], true).1
}

/// What a reader sees who does as the parts say.
fn shown(told: &[Delta]) -> String {
    told.iter().fold(String::new(), |shown, delta| match delta {
        Delta::Text(more) => shown + more,
        Delta::Replace(text) => text.clone(),
        _ => shown,
    })
}

const ANSWER: &str = concat!(
    "data: {\"uuid\":\"u-1\",\"role\":\"user\",\"finished\":true,\"content\":null}\n\n",
    ": heartbeat 1791277585183\n\n",
    "data: {\"uuid\":\"a-1\",\"role\":\"assistant\",\"content\":null,\"finished\":false}\n\n",
    "data: {\"uuid\":\"a-1\",\"role\":null,\"content_delta\":{\"content\":\"Нашёл \",\"reasoning_content\":null,\"tool_calls\":null}}\n\n",
    "data: {\"uuid\":\"a-1\",\"content_delta\":\"стандарт\"}\n\n",
    "data: {\"uuid\":\"a-1\",\"role\":\"assistant\",\"parent_uuid\":\"u-1\",\"content\":{\"content\":\"Нашёл стандарт\",\"reasoning_content\":null,\"tool_calls\":null},",
    "\"content_delta\":{\"content\":\"стандарт\"},\"details\":{\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":8595,\"total_tokens\":\"8599\"},\"max_context_length\":262144},\"finished\":true}\n\n",
);

#[test]
fn the_token_is_sent_bare_and_has_to_be_visible_ascii() {
    let mut config = config();
    config.api_key = Secret::of_any("tok-1");
    let Credential::Fixed(header) = Naparnik.credential(&config).unwrap() else { panic!() };
    assert!(header.is_sensitive() && header == "tok-1");
    config.api_key = Secret::of_any("токен");
    let error = Naparnik.credential(&config).err().unwrap();
    assert_eq!(error.message, "api_key: has a character at byte 1 that is no visible ASCII; copy it again");
    config.api_key = Secret::default();
    assert!(Naparnik.missing(&config).unwrap().contains("NAPARNIK_TOKEN"));
}

fn config() -> ClientConfig {
    let (given, ways, session) = Default::default();
    ClientConfig::new(crate::clients::kind::Kind::Naparnik, &given, ways, session).unwrap()
}

#[test]
fn a_chat_makes_a_conversation_and_says_a_message_in_it() {
    let mut talk = Talk::begin(&asks("вопрос"), "").unwrap();
    let creation = request(&mut talk);
    assert_eq!(creation.request.url, "chat_api/v1/conversations/");
    assert_eq!(creation.request.headers[CONTENT_TYPE], "application/json");
    assert!(creation.framing.is_none() && !creation.request.headers.contains_key(AUTHORIZATION));
    let expected = json!({"tool_name": "custom", "skill_name": "custom", "is_chat": true, "ui_language": "russian",
        "script_language": "ru", "programming_language": "1c"});
    assert_eq!(body(&creation), expected);
    talk.answered(&Reply::default(), br#"{"uuid":"c-1","root_message_uuid":"r-1"}"#).unwrap();
    let said = request(&mut talk);
    assert_eq!(said.request.url, "chat_api/v1/conversations/c-1/messages");
    assert_eq!(
        (&said.request.headers[CONTENT_TYPE], &said.request.headers[ACCEPT]),
        (&"application/json".parse().unwrap(), &"text/event-stream".parse().unwrap())
    );
    let expected =
        json!({"parent_uuid": "r-1", "role": "user", "content": {"content": {"instruction": "вопрос"}, "tools": []}});
    assert_eq!(body(&said), expected);
}

#[test]
fn a_model_names_the_skill_and_extra_goes_where_it_belongs() {
    let mut chat = asks("в");
    chat.model = Some("raw".into());
    chat.extra = json!({"programming_language": "", "other": 1}).as_object().unwrap().clone();
    let mut talk = Talk::begin(&chat, "custom").unwrap();
    let creation = body(&request(&mut talk));
    assert_eq!(
        (&creation["skill_name"], &creation["programming_language"], &creation["other"]),
        (&json!("raw"), &json!(""), &Value::Null)
    );
    assert_eq!(begun(&chat).1["other"], 1);
}

#[test]
fn system_and_what_was_said_before_are_told_in_the_instruction() {
    let mut assistant = says(Role::Assistant, "привет");
    assistant.calls = vec![Call { id: "1".into(), name: "f".into(), arguments: "{}".into() }];
    let tool = Message { name: "f".into(), call_id: "1".into(), ..says(Role::Tool, "42") };
    let chat = chat(vec![
        says(Role::System, "Ты краток."),
        says(Role::User, "здравствуй"),
        assistant,
        tool,
        says(Role::User, "дальше"),
    ]);
    let expected = "Ты краток.\n\nПредыдущие сообщения разговора:\n\nПользователь: здравствуй\nАссистент: привет [вызов f({})]\n\
        Инструмент f: 42\n\nНовое сообщение:\n\nдальше";
    assert_eq!(begun(&chat).1["content"]["content"]["instruction"], expected);
}

#[test]
fn a_state_goes_on_in_its_conversation() {
    let mut chat =
        chat(vec![says(Role::System, "s"), says(Role::User, "1"), says(Role::Assistant, "2"), says(Role::User, "3")]);
    chat.state = "c-9/a-9".into();
    let mut talk = Talk::begin(&chat, "").unwrap();
    assert_eq!(talk.lock_key().as_deref(), Some("c-9"));
    let said = request(&mut talk);
    assert_eq!(said.request.url, "chat_api/v1/conversations/c-9/messages");
    let said = body(&said);
    assert_eq!((&said["parent_uuid"], &said["content"]["content"]["instruction"]), (&json!("a-9"), &json!("3")));
    assert_eq!(Talk::begin(&asks("x"), "").unwrap().lock_key(), None);
}

#[test]
fn the_callers_tools_are_listed_flat_and_their_results_answered_with_those_that_wait() {
    let mut chat = asks("в");
    chat.tools = vec![Tool {
        name: "mine".into(),
        description: "d".into(),
        parameters: json!({"type": "object"}),
        ..Tool::default()
    }];
    let (mut talk, said) = begun(&chat);
    assert_eq!(
        said["content"]["tools"],
        json!([{"name": "mine", "description": "d", "parameters": {"type": "object"}}])
    );
    talk.answered(&wants(&[("mcp__web__Fetch", "{}"), ("mine", "{\"x\":1}"), ("Task", "{}")]), b"").unwrap();
    let Step::Answer(reply) = talk.next().unwrap() else { panic!() };
    assert_eq!(reply.calls.iter().map(|call| call.name.as_str()).collect::<Vec<_>>(), ["mine"]);
    assert_eq!(reply.state, r#"c-1/a-1/{"call-0":true,"call-2":false}"#);
    chat.state.clone_from(&reply.state);
    let result = Message { call_id: "call-1".into(), name: "mine".into(), ..says(Role::Tool, "7") };
    chat.messages.extend([says(Role::Assistant, ""), result]);
    let mut talk = Talk::begin(&chat, "").unwrap();
    let said = body(&request(&mut talk));
    assert_eq!((&said["role"], &said["parent_uuid"]), (&json!("tool"), &json!("a-1")));
    assert_eq!(said["content"][0], json!({"tool_call_id": "call-0", "status": "accepted", "content": null}));
    assert_eq!(
        (&said["content"][1]["status"], &said["content"][2]),
        (&json!("rejected"), &json!({"tool_call_id": "call-1", "status": "ok", "content": "7"}))
    );
    // Where the service knows of no calls any more the results go as words.
    let problem = refusal::problem(
        r#"{"error":[{"type":"value_error","msg":"No tool calls found in the previous assistant message"}]}"#
            .as_bytes(),
    );
    let error = Error { http_status: 422, ..Error::new(Status::Provider, "") };
    assert!(talk.refused(&error, &Reply { problem, ..Reply::default() }));
    assert_eq!(
        body(&request(&mut talk))["content"]["content"]["instruction"],
        "Результаты инструментов:\n\nИнструмент mine: 7"
    );
    assert!(!talk.refused(&error, &Reply::default()));
}

#[test]
fn what_has_no_words_is_refused_by_name() {
    let refused = |chat: Chat| Talk::begin(&chat, "").err().unwrap();
    let field = |chat: Chat| refused(chat).message.split(':').next().unwrap().to_owned();
    assert_eq!(field(chat(vec![])), "messages");
    assert_eq!(field(chat(vec![says(Role::User, "1"), says(Role::System, "2")])), "messages[1]");
    assert_eq!(field(chat(vec![says(Role::System, "1"), says(Role::System, "2")])), "messages[1]");
    assert_eq!(field(chat(vec![says(Role::User, "1"), says(Role::Assistant, "2")])), "messages");
    assert_eq!(field(Chat { state: "nonsense".into(), ..asks("1") }), "state");
    assert_eq!(field(Chat { format: crate::clients::ask::Format::Json, ..asks("1") }), "response_format");
    assert_eq!(field(Chat { choice: Choice::Required, ..asks("1") }), "tool_choice");
    let with_state = |messages| Chat { state: "c/a".into(), ..chat(messages) };
    assert_eq!(field(with_state(vec![says(Role::Tool, "1")])), "messages[0].tool_call_id");
    assert_eq!(field(with_state(vec![says(Role::Tool, "1"), says(Role::User, "2")])), "messages");
    for ask in [Ask::Models, Ask::Embed(Embed::default()), Ask::Count(Count::default())] {
        assert_eq!(Naparnik.write(&ask, &config()).err().unwrap().status, Status::Unsupported);
    }
}

#[test]
fn the_servers_tools_are_let_and_others_rejected_until_the_answer_comes() {
    let (mut talk, _) = begun(&asks("в"));
    talk.answered(&wants(&[("mcp__knowledge-hub__Search_ITS", "{}"), ("ReadSystemFile", "{}")]), b"").unwrap();
    let said = body(&request(&mut talk));
    assert_eq!((&said["role"], &said["parent_uuid"]), (&json!("tool"), &json!("a-1")));
    assert_eq!(said["content"][0], json!({"tool_call_id": "call-0", "status": "accepted", "content": null}));
    assert_eq!(said["content"][1]["status"], "rejected");
    let answer = Reply { text: "да".into(), id: "a-2".into(), finish: Finish::Stop, ..Reply::default() };
    talk.answered(&answer, b"").unwrap();
    let Step::Answer(reply) = talk.next().unwrap() else { panic!() };
    assert_eq!((reply.text.as_str(), reply.state.as_str()), ("да", "c-1/a-2"));
    let (mut talk, _) = begun(&Chat { stream: true, ..asks("в") });
    talk.answered(&answer, b"").unwrap();
    assert!(matches!(talk.next().unwrap(), Step::Done));
}

/// How often each kind of message was sent until the loop was given up.
fn looped(calls: impl Fn(usize) -> Reply) -> (usize, usize) {
    let (mut talk, _) = begun(&asks("в"));
    let (mut let_go, mut pleas) = (0, 0);
    for round in 0..100 {
        if let Err(error) = talk.answered(&calls(round), b"") {
            assert_eq!((error.status, error.detail), (Status::Provider, Detail::ToolLoop));
            return (let_go, pleas);
        }
        if body(&request(&mut talk))["role"] == "tool" { let_go += 1 } else { pleas += 1 }
    }
    panic!("never given up");
}

#[test]
fn tools_without_end_are_given_up() {
    let named = |name: &'static str| move |round: usize| wants(&[(name, &format!("{{\"n\":{round}}}"))]);
    assert_eq!(looped(named("mcp__web__Fetch")), (15, 2));
    assert_eq!(looped(named("TodoWrite")), (2 + 2 + 2, 2));
    assert_eq!(looped(named("Task")), (6, 2));
    assert_eq!(looped(|_| wants(&[("mcp__web__Fetch", "{}")])), (1 + 6, 2));
    // One useful round between makes it begin anew.
    assert_eq!(
        looped(|round| wants(&[(if round % 3 == 2 { "mcp__web__Fetch" } else { "TodoWrite" }, &round.to_string())])),
        (15, 2)
    );
}

#[test]
fn an_empty_answer_is_asked_to_go_on_twice() {
    let (mut talk, _) = begun(&asks("в"));
    let empty = Reply { id: "a-1".into(), finish: Finish::Stop, ..Reply::default() };
    for _ in 0..2 {
        talk.answered(&empty, b"").unwrap();
        let said = body(&request(&mut talk));
        assert_eq!((&said["role"], &said["content"]["content"]["instruction"]), (&json!("user"), &json!("Продолжай.")));
    }
    talk.answered(&empty, b"").unwrap();
    assert!(matches!(talk.next().unwrap(), Step::Answer(_)));
}

#[test]
fn a_conversation_without_uuid_is_an_error() {
    for body in ["{}", r#"{"uuid":null}"#, r#"{"uuid":"../x"}"#, "<html>", ""] {
        let mut talk = Talk::begin(&asks("в"), "").unwrap();
        let error = talk.answered(&Reply::default(), body.as_bytes()).unwrap_err();
        assert_eq!((error.status, error.detail), (Status::Provider, Detail::NotJson), "{body}");
    }
}

#[test]
fn an_answer_is_told_once_however_it_is_cut() {
    let whole = read(&[ANSWER.as_bytes()], &[], true).1.reply;
    assert_eq!((whole.text.as_str(), whole.id.as_str(), whole.state.as_str()), ("Нашёл стандарт", "a-1", "c-1/a-1"));
    assert_eq!((whole.finish, whole.finish_word.as_str()), (Finish::Stop, "stop"));
    let usage = whole.usage;
    assert_eq!((usage.prompt, usage.completion, usage.total, usage.context), (8595, -1, 8599, 262_144));
    let bytes = ANSWER.as_bytes();
    for at in 0..=bytes.len() {
        let (told, builder) = read(&[&bytes[..at], &bytes[at..]], &[], true);
        assert_eq!((shown(&told).as_str(), &builder.reply), ("Нашёл стандарт", &whole), "{at}");
        assert!(!told.iter().any(|delta| matches!(delta, Delta::Replace(_))) && builder.is_done());
    }
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&bytewise, &[], true).1.reply, whole);
}

#[test]
fn an_answer_cut_anywhere_is_complete_or_not_done() {
    let bytes = ANSWER.as_bytes();
    let end = bytes.len() - 2;
    for at in 0..bytes.len() {
        let (told, builder) = read(&[&bytes[..at]], &[], true);
        assert_eq!(builder.is_done(), at >= end, "{at}");
        assert!("Нашёл стандарт".starts_with(&shown(&told)), "{at}");
    }
}

#[test]
fn of_several_messages_the_last_is_the_answer() {
    let stream = [
        json!({"uuid": "a-1", "role": "assistant", "content_delta": "Сейчас поищу"}),
        json!({"uuid": "a-1", "role": "assistant", "finished": true, "content": {"content": "Сейчас поищу",
            "tool_calls": [{"id": "x", "function": {"name": "mine", "arguments": "{}"}}]}}),
        json!({"role": "tool", "type": "tool", "content": {"type": "tool", "content": "'Search_ITS' is unknown tool."}, "finished": true}),
        json!({"uuid": "a-2", "role": "assistant", "content_delta": {"content": "Вот "}}),
        json!({"uuid": "a-2", "content_delta": {"content": "ответ"}}),
        json!({"uuid": "a-2", "role": "assistant", "finished": true, "content": {"content": "Вот ответ"}}),
    ];
    let stream: String = stream.iter().map(event).collect();
    let (told, builder) = read(&[stream.as_bytes()], &["mine"], true);
    let reply = &builder.reply;
    assert_eq!((shown(&told).as_str(), reply.text.as_str(), reply.id.as_str()), ("Вот ответ", "Вот ответ", "a-2"));
    assert!(reply.calls.is_empty() && builder.is_done());
    assert_eq!(told.iter().filter(|delta| matches!(delta, Delta::Replace(_))).count(), 1);
    // The second may fail to end.
    let cut = stream.rfind("data:").unwrap();
    assert!(!heard(&stream[..cut]).is_done());
}

#[test]
fn calls_of_the_servers_tools_are_for_the_steps_alone() {
    let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{\"query\":\"x\"}"}});
    let calls = json!([call("1", "mcp__web__Fetch"), call("2", "mine")]);
    let stream = event(
        &json!({"uuid": "a-1", "role": "assistant", "finished": true, "content": {"content": "", "tool_calls": calls},
        "details": {"finish_reason": "stop"}}),
    );
    let (told, builder) = read(&[stream.as_bytes()], &["mine"], true);
    assert_eq!(
        (builder.reply.calls.len(), builder.reply.finish, builder.reply.finish_word.as_str()),
        (1, Finish::Tool, "tool_calls")
    );
    assert_eq!(builder.reply.state, r#"c-1/a-1/{"1":true}"#);
    assert_eq!(told.iter().filter(|delta| matches!(delta, Delta::Tool { .. })).count(), 1);
    assert_eq!(read(&[stream.as_bytes()], &["mine"], false).1.reply.calls.len(), 2);
}

#[test]
fn calls_come_in_parts_and_those_without_id_are_text() {
    let part = |call: Value| event(&json!({"uuid": "a", "content_delta": {"tool_calls": [call]}}));
    let stream = part(json!({"index": 0, "id": "1", "function": {"name": "f", "arguments": "{\"a\""}}))
        + &part(json!({"index": 0, "function": {"arguments": ":1}"}}))
        + &event(&json!({"uuid": "a", "finished": true}));
    assert_eq!(read(&[stream.as_bytes()], &[], false).1.reply.calls[0].arguments, "{\"a\":1}");
    let stream = event(
        &json!({"uuid": "a", "finished": true, "content": {"content": "т", "tool_calls": [{"function": {"name": "f"}}]}}),
    );
    let reply = heard(&stream).reply;
    assert_eq!((reply.text.as_str(), reply.calls.len()), ("т\n{\"function\":{\"name\":\"f\"}}", 0));
}

#[test]
fn thoughts_are_told_as_such_and_an_open_one_is_hidden() {
    let stream = event(&json!({"uuid": "a", "content_delta": {"reasoning_content": "р1 "}}))
        + &event(&json!({"uuid": "a", "content_delta": "<thi"}))
        + &event(&json!({"uuid": "a", "content_delta": "nk>м</th"}));
    let open = heard(&stream);
    assert_eq!((open.reply.text.as_str(), open.reply.reasoning.as_str()), ("", "р1 м"));
    let stream = stream
        + &event(&json!({"uuid": "a", "content_delta": "ink>да"}))
        + &event(
            &json!({"uuid": "a", "finished": true, "content": {"content": "<think>м</think>да", "reasoning_content": "р1 "}}),
        );
    let reply = heard(&stream).reply;
    assert_eq!((reply.text.as_str(), reply.reasoning.as_str()), ("да", "р1 м"));
}

#[test]
fn the_last_content_goes_over_the_parts() {
    let begun = event(&json!({"uuid": "a", "content_delta": "чернов"}));
    let reply = |end: Value| heard(&(begun.clone() + &event(&end))).reply.text;
    assert_eq!(reply(json!({"uuid": "a", "finished": true, "content": {"text": "чистовик"}})), "чистовик");
    assert_eq!(reply(json!({"uuid": "a", "finished": true, "content": "строка"})), "строка");
    assert_eq!(reply(json!({"uuid": "a", "finished": true, "content": null, "content_delta": "чернов"})), "чернов");
    assert_eq!(reply(json!({"uuid": "a", "finished": true, "content": null, "content_delta": "ик"})), "черновик");
    let twice = begun.clone() + &event(&json!({"uuid": "a", "finished": true, "content": "да"})).repeat(2);
    assert_eq!(heard(&twice).reply.text, "да");
}

#[test]
fn what_is_no_json_is_passed_over_and_the_other_forms_are_read() {
    assert!(heard(&format!("data: {{broken\n\ndata: [DONE]\n\n{ANSWER}data: [DONE]\n\n")).is_done());
    assert!(!heard("data: [DONE]\n\n").is_done());
    assert!(!heard("").is_done());
    let openai = event(&json!({"choices": [{"delta": {"content": "да"}}]})) + "data: [DONE]\n\n";
    let builder = heard(&openai);
    assert!(builder.is_done() && builder.reply.text == "да");
    let responses = event(&json!({"type": "response.output_text.delta", "delta": "да"}))
        + &event(
            &json!({"type": "response.completed", "response": {"output": [{"content": [{"text": "да."}]}], "usage": {"input_tokens": 3}}}),
        );
    let builder = heard(&responses);
    assert!(builder.is_done() && builder.reply.text == "да." && builder.reply.usage.prompt == 3);
}

#[test]
fn a_failure_within_is_an_error_with_its_words_in_the_reply() {
    let common = Arc::new(Common::default());
    let mut builder = ReplyBuilder::default();
    let stream = event(&json!({"error": "Rate limit exceeded", "error_type": "rate_limit_exceeded"}));
    let error = common.for_caller().whole(stream.as_bytes(), &mut builder).unwrap_err();
    assert_eq!((error.status, builder.reply.problem.text.as_str()), (Status::RateLimited, "Rate limit exceeded"));
}

#[test]
fn refusals_mean_what_the_service_means() {
    let told = |status: u16, body: &str| {
        let (headers, status) = (HeaderMap::new(), StatusCode::from_u16(status).unwrap());
        Naparnik.refusal(&Refusal { status, headers: &headers, body: body.as_bytes(), renewed: false })
    };
    for status in [401, 403] {
        let told = told(status, r#"{"detail":"no"}"#);
        assert_eq!((told.status, told.again, told.token), (Status::Auth, Again::Never, false));
        assert_eq!(told.problem.text, "no");
    }
    let bad = told(400, "error parsing the body");
    assert_eq!((bad.status, bad.detail, bad.again), (Status::Provider, Detail::BadRequest, Again::Never));
    let shape = told(422, r#"{"error":[{"type":"value_error","loc":[],"msg":"Value error, x","input":{}}]}"#);
    assert_eq!((shape.again, shape.problem.text.as_str()), (Again::Never, "Value error, x"));
    let locked = told(423, "");
    assert_eq!(
        (locked.status, locked.detail, locked.again),
        (Status::RateLimited, Detail::Concurrency, Again::Surely(None))
    );
    let rate = told(
        429,
        r#"{"error":"Rate limit exceeded for message creation. Try again in 123 seconds.","error_type":"rate_limit_exceeded"}"#,
    );
    assert_eq!((rate.status, rate.cool), (Status::RateLimited, Some(std::time::Duration::from_secs(123))));
    for status in [500, 502, 504] {
        assert_eq!(told(status, "x").again, Again::Surely(None));
    }
    assert_eq!(told(503, "").again, Again::Perhaps(None));
}
