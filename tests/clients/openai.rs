//! OpenAI and its likenesses.

use aipool::body::reply::{Call, Delta, Finish};
use aipool::clients::ask::{Ask, Chat, Embed, Message, Role, Tool};
use aipool::clients::config::{ClientConfig, ClientTuning};
use aipool::clients::kind::Kind;
use aipool::clients::unchecked_config::UncheckedConfig;
use aipool::clients::{Client, PoolSource};
use aipool::config::SessionConfig;
use aipool::error::{Delivery, Detail, Status};
use serde_json::json;

use crate::rig::*;
use crate::support::Listener;

fn at(listener: &Listener) -> Client {
    let given = UncheckedConfig {
        base_url: text(&format!("{}/v1", listener.http)),
        api_key: text("sk-planted"),
        model: text("sandbox-1"),
        embedding_model: text("sandbox-1"),
        ..UncheckedConfig::default()
    };
    client(Kind::OpenAi, given)
}

fn how() -> aipool::clients::CallOptions {
    aipool::clients::CallOptions::default()
}

#[test]
fn a_chat_is_answered_whole_and_part_by_part_with_the_same_words() {
    let listener = Listener::open();
    let client = at(&listener);
    let whole = answered(&client, says("one two three"), &how());
    assert_eq!((whole.finish, whole.finish_word.as_str()), (Finish::Stop, "stop"));
    assert!(whole.usage.total > 0 && whole.usage.reasoning == -1, "{:?}", whole.usage);
    let answer = asked(&client, streams("one two three"), &how()).map_err(|(error, _)| error).unwrap();
    let (parts, end) = deltas(&answer);
    end.unwrap();
    assert_eq!((told(&parts), parts.last()), (whole.text.clone(), Some(&Delta::Done)));
    assert!(parts.len() > 4);
    assert_eq!(reply(&answer), aipool::body::reply::Reply { id: reply(&answer).id, ..whole });
    assert_eq!(listener.count("connections_opened"), 1);
}

#[test]
fn the_times_of_a_streams_parts_are_told_and_counted() {
    let listener = Listener::open();
    let pool = pool();
    let base_url = text(&format!("{}/v1", listener.http));
    let given = UncheckedConfig { base_url, model: text("sandbox-1"), ..UncheckedConfig::default() };
    let config = ClientConfig::new(Kind::OpenAi, &given, ClientTuning::default(), SessionConfig::default()).unwrap();
    let client = Client::new(config, PoolSource::Given(pool.clone())).unwrap();
    let answer = asked(&client, streams("one two three"), &how()).map_err(|(error, _)| error).unwrap();
    let (parts, end) = deltas(&answer);
    end.unwrap();
    let texts = parts.iter().filter(|part| matches!(part, Delta::Text(_))).count() as u64;
    let (first, count) = answer.reply(|_, times| (times.first, times.count)).unwrap();
    assert!(first.unwrap() >= answer.response.report.first_byte);
    assert_eq!(count, texts);
    let metrics = pool.metrics();
    assert!(metrics.contains("aipool_first_token_seconds_count 1\n"), "{metrics}");
    assert!(metrics.contains(&format!("aipool_between_tokens_seconds_count {}\n", texts - 1)), "{metrics}");
}

#[test]
fn a_client_over_reqwest_is_refused_when_it_is_made() {
    let mut session = SessionConfig::default();
    session.connection.transport = aipool::config::TransportKind::Reqwest;
    let error =
        ClientConfig::new(Kind::OpenAi, &UncheckedConfig::default(), ClientTuning::default(), session).err().unwrap();
    assert_eq!(error.status, Status::Unsupported);
    assert!(error.message.starts_with("transport: "), "{}", error.message);
}

#[test]
fn a_request_says_who_asks_and_never_a_charset() {
    let listener = Listener::open();
    answered(&at(&listener), says("hi"), &how());
    let last = listener.last("/v1/chat/completions");
    assert_eq!(last["headers"]["authorization"], "Bearer sk-planted");
    assert_eq!(last["headers"]["content-type"], "application/json");
    assert!(last["headers"]["user-agent"].as_str().unwrap().starts_with("aipool/"));
}

#[test]
fn tools_are_called_and_their_results_go_back() {
    let listener = Listener::open();
    let client = at(&listener);
    let tool = Tool { name: "weather".into(), parameters: json!({"type": "object"}), ..Tool::default() };
    for chat in [says("weather?"), streams("weather?")] {
        let chat = Chat { tools: vec![tool.clone()], ..chat };
        let answer = asked(&client, chat.clone(), &how()).map_err(|(error, _)| error).unwrap();
        let (_, end) = deltas(&answer);
        end.unwrap();
        let reply = reply(&answer);
        assert_eq!((reply.finish, reply.calls[0].name.as_str()), (Finish::Tool, "weather"));
        serde_json::from_str::<serde_json::Value>(&reply.calls[0].arguments).unwrap();
        let mut messages = chat.messages.clone();
        messages.push(Message { role: Role::Assistant, calls: reply.calls.clone(), ..Message::default() });
        let result = reply.calls.iter().map(|call: &Call| Message {
            role: Role::Tool,
            content: "{\"t\":1}".into(),
            call_id: call.id.clone(),
            ..Message::default()
        });
        messages.extend(result);
        let next = asked(&client, Chat { messages, ..chat }, &how()).map_err(|(error, _)| error).unwrap();
        deltas(&next).1.unwrap();
        assert_eq!(crate::rig::reply(&next).finish, Finish::Stop);
    }
}

#[test]
fn embeddings_and_models_come_as_lists() {
    let listener = Listener::open();
    let client = at(&listener);
    let inputs = vec!["a".into(), "b".into()];
    let both = |extra: serde_json::Value| {
        let extra = extra.as_object().unwrap().clone();
        let ask = Ask::Embed(Embed { inputs: inputs.clone(), extra, ..Embed::default() });
        reply(&client.call(&ask, &how()).map_err(|(error, _)| error).unwrap()).embeddings
    };
    let (floats, base64) = (both(json!({})), both(json!({"encoding_format": "base64"})));
    assert_eq!((floats.len(), floats.clone()), (2, base64));
    assert!(!floats[0].is_empty());
    let models = client.call(&Ask::Models, &how()).map_err(|(error, _)| error).unwrap();
    assert!(reply(&models).text.contains("sandbox"), "{}", reply(&models).text);
}

#[test]
fn comments_byte_order_marks_and_any_line_ends_are_no_words() {
    let listener = Listener::open();
    let client = at(&listener);
    let plain = answered(&client, says("one two"), &how()).text;
    for fault in ["comments", "crlf", "cr", "bom", "comments, bom, crlf"] {
        let answer = asked(&client, streams("one two"), &faulty(fault)).map_err(|(error, _)| error).unwrap();
        let (parts, end) = deltas(&answer);
        end.unwrap();
        assert_eq!(told(&parts), plain, "{fault}");
    }
    let blank = answered(&client, says("one two"), &faulty("leading-blank=3"));
    assert_eq!(blank.text, plain);
}

#[test]
fn a_finish_reason_and_the_end_are_enough_where_the_mark_is_lost() {
    let listener = Listener::open();
    let answer = asked(&at(&listener), streams("one two"), &faulty("no-done")).map_err(|(error, _)| error).unwrap();
    let (parts, end) = deltas(&answer);
    end.unwrap();
    assert_eq!(parts.last(), Some(&Delta::Done));
}

#[test]
fn a_body_that_never_ends_after_its_mark_gives_its_connection_up_and_no_more() {
    let listener = Listener::open();
    let client = at(&listener);
    let answer = asked(&client, streams("one two"), &faulty("linger")).map_err(|(error, _)| error).unwrap();
    let (parts, end) = deltas(&answer);
    end.unwrap();
    assert_eq!(parts.last(), Some(&Delta::Done));
    listener.wait_connections_open(0);
}

#[test]
fn an_error_inside_a_stream_of_200_is_a_failure_with_the_providers_words() {
    let listener = Listener::open();
    let answer =
        asked(&at(&listener), streams("one two three"), &faulty("error-event=2")).map_err(|(error, _)| error).unwrap();
    let (parts, end) = deltas(&answer);
    let error = end.unwrap_err();
    assert!(!told(&parts).is_empty());
    assert_eq!((error.delivery, error.http_status), (Delivery::ResponseStarted, 200));
    assert!(matches!(error.status, Status::Provider | Status::RateLimited), "{error:?}");
    assert!(!reply(&answer).problem.text.is_empty());
}

#[test]
fn a_stream_cut_at_any_byte_is_truncated_or_complete_and_never_told_twice() {
    let listener = Listener::open();
    let client = at(&listener);
    let whole = answered(&client, says("один два three"), &how()).text;
    let mut complete = 0;
    for at in 0..2000 {
        let how = faulty(&format!("end-at={at}"));
        let outcome = asked(&client, streams("один два three"), &how);
        let Ok(answer) = outcome else { continue };
        let (parts, end) = deltas(&answer);
        match end {
            Ok(()) => {
                complete += 1;
                assert_eq!(told(&parts), whole, "{at}");
                if complete == 3 {
                    return;
                }
            }
            Err(error) => {
                assert_eq!(error.status, Status::Truncated, "{at}: {error:?}");
                assert!(whole.starts_with(&told(&parts)), "{at}: {}", told(&parts));
                assert_ne!(parts.last(), Some(&Delta::Done));
            }
        }
    }
    panic!("never complete");
}

#[test]
fn each_refusal_has_its_class_and_keeps_the_providers_words() {
    let listener = Listener::open();
    let client = at(&listener);
    let rows = [
        ("openai-auth", Status::Auth, Detail::None, "Incorrect API key provided"),
        ("openai-rate", Status::RateLimited, Detail::None, "Rate limit"),
        ("openai-insufficient-quota", Status::Quota, Detail::None, "exceeded your current quota"),
        ("openai-context", Status::Provider, Detail::ContextOverflow, "maximum context length"),
        ("llama-context", Status::Provider, Detail::ContextOverflow, "context size"),
        ("deepseek-payment", Status::Quota, Detail::None, "Insufficient Balance"),
        ("openrouter-payment", Status::Quota, Detail::None, "Insufficient credits"),
        ("llama-loading", Status::Provider, Detail::Overloaded, "Loading model"),
        ("fastapi-detail", Status::Provider, Detail::BadRequest, "The prompt is empty"),
        ("fastapi-validation", Status::Provider, Detail::BadRequest, "Field required"),
    ];
    for (name, status, detail, words) in rows {
        for chat in [says("hi"), streams("hi")] {
            let how = aipool::clients::CallOptions { retries: Some(0), ..faulty(&format!("error={name}")) };
            let (error, reply) = refused(&client, chat, &how);
            assert_eq!((error.status, error.detail), (status, detail), "{name}");
            let problem = reply.expect(name).problem;
            assert!(problem.text.contains(words), "{name}: {problem:?}");
            assert!(!error.message.contains(words), "{}", error.message);
        }
    }
}

#[test]
fn a_refusal_read_part_by_part_is_no_complete_answer() {
    let listener = Listener::open();
    for chat in [says("hi"), streams("hi")] {
        let (error, answer) = asked(&at(&listener), chat, &faulty("error=openai-auth")).err().unwrap();
        let (parts, end) = deltas(&answer.unwrap());
        assert_eq!((parts, end.unwrap_err().status), (Vec::new(), error.status));
    }
}

#[test]
fn html_cut_json_and_a_wrong_content_type_are_no_answers() {
    let listener = Listener::open();
    let client = at(&listener);
    for (fault, chat) in [("html", says("hi")), ("cut-json", says("hi")), ("html", streams("hi"))] {
        let (error, reply) = refused(&client, chat, &faulty(fault));
        assert_eq!((error.status, error.detail), (Status::Provider, Detail::NotJson), "{fault}: {error:?}");
        assert!(reply.is_some());
    }
    let (error, _) = refused(&client, streams("hi"), &faulty("content-type=application/json"));
    assert_eq!((error.status, error.detail), (Status::Provider, Detail::NotJson));
}

#[test]
fn reasoning_unknown_ends_and_calls_without_ids_come_through() {
    let listener = Listener::open();
    let client = at(&listener);
    for stream in [false, true] {
        let one = |prompt: &str| Chat { stream, ..says(prompt) };
        let ask = |chat: Chat, faults: &str| {
            let answer = asked(&client, chat, &faulty(faults)).map_err(|(error, _)| error).unwrap();
            let (_, end) = deltas(&answer);
            end.unwrap();
            reply(&answer)
        };
        assert!(!ask(one("hi"), "reasoning").reasoning.is_empty());
        let odd = ask(one("hi"), "finish=sleepy");
        assert_eq!((odd.finish, odd.finish_word.as_str()), (Finish::Other, "sleepy"));
        let tools = vec![Tool { name: "weather".into(), ..Tool::default() }];
        let without = ask(Chat { tools, ..one("weather?") }, "no-tool-id");
        assert_eq!((without.calls[0].id.as_str(), without.calls[0].name.as_str()), ("", "weather"));
    }
}

#[test]
fn ollama_speaks_its_own_lines() {
    let listener = Listener::open();
    let given =
        UncheckedConfig { base_url: text(&listener.http), model: text("sandbox-small"), ..UncheckedConfig::default() };
    let client = client(Kind::Ollama, given);
    let whole = answered(&client, says("one two three"), &how());
    assert_eq!(whole.finish, Finish::Stop);
    assert!(whole.usage.completion > 0);
    let answer = asked(&client, streams("one two three"), &how()).map_err(|(error, _)| error).unwrap();
    let (parts, end) = deltas(&answer);
    end.unwrap();
    assert_eq!(told(&parts), whole.text);
    let tools = vec![Tool { name: "weather".into(), ..Tool::default() }];
    let called = answered(&client, Chat { tools, ..says("weather?") }, &how());
    assert_eq!(called.calls[0].name, "weather");
    assert!(called.calls[0].arguments.starts_with('{'));
    let models = client.call(&Ask::Models, &how()).map_err(|(error, _)| error).unwrap();
    assert!(!reply(&models).text.is_empty());
}

#[test]
fn ten_megabytes_in_one_event_are_too_large_unless_allowed() {
    let listener = Listener::open();
    let answer =
        asked(&at(&listener), streams("hi"), &faulty("answer-size=10000000")).map_err(|(error, _)| error).unwrap();
    let (_, end) = deltas(&answer);
    assert_eq!(end.unwrap_err().status, Status::TooLarge);
}
