//! YandexGPT.

use std::time::Duration;

use aipool::body::reply::{Delta, Finish};
use aipool::clients::ask::{Ask, Chat, Count, Embed, Message, Role, Tool};
use aipool::clients::config::ClientTuning;
use aipool::clients::kind::Kind;
use aipool::clients::unchecked_config::UncheckedConfig;
use aipool::clients::{CallOptions, Client};
use aipool::error::{Detail, Status};
use serde_json::json;

use crate::rig::*;
use crate::support::Listener;

const COMPLETION: &str = "/yandex/foundationModels/v1/completion";

fn given(listener: &Listener) -> UncheckedConfig {
    UncheckedConfig {
        base_url: text(&format!("{}/yandex/foundationModels/v1", listener.http)),
        operations_url: text(&format!("{}/yandex/operations", listener.http)),
        api_key: text("sandbox-key"),
        folder: text("b1gsandbox"),
        ..UncheckedConfig::default()
    }
}

fn at(listener: &Listener) -> Client {
    client_with(
        Kind::Yandex,
        &given(listener),
        ClientTuning { poll_interval: Duration::from_millis(1), ..ClientTuning::default() },
    )
}

fn how() -> CallOptions {
    CallOptions::default()
}

fn told_well(client: &Client, chat: Chat, how: &CallOptions) -> (String, Vec<Delta>, aipool::body::reply::Reply) {
    let answer = asked(client, chat, how).map_err(|(error, _)| error).unwrap();
    let (parts, end) = deltas(&answer);
    end.unwrap();
    (told(&parts), parts, reply(&answer))
}

#[test]
fn a_hundred_calls_use_one_connection() {
    let listener = Listener::open();
    let client = at(&listener);
    for _ in 0..100 {
        assert_eq!(answered(&client, says("раз"), &how()).finish, Finish::Stop);
    }
    assert_eq!(listener.count("connections_opened"), 1);
}

#[test]
fn lines_that_hold_all_so_far_are_told_as_parts() {
    let listener = Listener::open();
    let client = at(&listener);
    let whole = answered(&client, says("раз two три"), &how());
    assert!(whole.usage.total > 0 && whole.usage.reasoning >= 0, "{:?}", whole.usage);
    for split in ["", "split=1", "split=3"] {
        let (text, parts, reply) = told_well(&client, streams("раз two три"), &faulty(split));
        assert_eq!((text, reply.usage), (whole.text.clone(), whole.usage), "{split}");
        assert!(parts.iter().filter(|part| matches!(part, Delta::Text(_))).count() > 1);
        assert_eq!(parts.last(), Some(&Delta::Done));
    }
}

#[test]
fn a_filter_that_rewrites_the_text_replaces_it() {
    let listener = Listener::open();
    let (text, parts, reply) = told_well(&at(&listener), streams("раз два три"), &faulty("content-filter"));
    assert!(parts.iter().any(|part| matches!(part, Delta::Replace(_))), "{parts:?}");
    assert_eq!((text, reply.finish), (reply.text.clone(), Finish::Filter));
}

#[test]
fn tools_go_round_without_ids() {
    let listener = Listener::open();
    let client = at(&listener);
    let tools = vec![Tool { name: "weather".into(), parameters: json!({"type": "object"}), ..Tool::default() }];
    for stream in [false, true] {
        let chat = Chat { tools: tools.clone(), stream, ..says("погода?") };
        let (_, _, first) = told_well(&client, chat.clone(), &how());
        assert_eq!((first.finish, first.calls[0].name.as_str()), (Finish::Tool, "weather"));
        let mut messages = chat.messages.clone();
        messages.push(Message { role: Role::Assistant, calls: first.calls.clone(), ..Message::default() });
        let content = "{\"t\": 1}".to_owned();
        messages.push(Message { role: Role::Tool, name: "weather".into(), content, ..Message::default() });
        assert_eq!(told_well(&client, Chat { messages, ..chat }, &how()).2.finish, Finish::Stop);
    }
}

#[test]
fn a_job_is_asked_about_until_it_is_done_over_unavailable_answers() {
    let listener = Listener::open();
    listener.set("yandex.polls=3&yandex.poll-503=2");
    let client = at(&listener);
    let reply = answered(&client, Chat { job: true, ..says("раз") }, &how());
    assert_eq!(reply.finish, Finish::Stop);
    assert!(!reply.text.is_empty());
    assert_eq!(listener.counter("requests:/yandex/foundationModels/v1/completionAsync"), 1);
    let (error, reply) = refused(&client, Chat { job: true, ..says("раз") }, &faulty("operation-error"));
    assert_eq!(error.status, Status::Provider, "{error:?}");
    assert!(!reply.unwrap().problem.text.is_empty());
}

#[test]
fn embeddings_counts_and_models_are_there() {
    let listener = Listener::open();
    let client = at(&listener);
    let ask = |ask: &Ask| reply(&client.call(ask, &how()).map_err(|(error, _)| error).unwrap());
    let inputs = vec!["раз".to_owned(), "два".to_owned(), "три".to_owned()];
    assert_eq!(ask(&Ask::Embed(Embed { inputs: inputs.clone(), ..Embed::default() })).embeddings.len(), 3);
    assert_eq!(ask(&Ask::Count(Count { inputs, ..Count::default() })).counts.len(), 3);
    assert!(ask(&Ask::Models).text.contains("gpt://"));
}

#[test]
fn an_oauth_token_and_a_machines_own_are_exchanged_once() {
    for (path, oauth) in
        [("iam/v1/tokens", "y0_token"), ("computeMetadata/v1/instance/service-accounts/default/token", "")]
    {
        let listener = Listener::open();
        let auth_url = text(&format!("{}/yandex/{path}", listener.http));
        let given = UncheckedConfig { api_key: text(""), oauth_token: text(oauth), auth_url, ..given(&listener) };
        let client = client(Kind::Yandex, given);
        for _ in 0..3 {
            answered(&client, says("раз"), &how());
        }
        assert_eq!(listener.counter("yandex.token_calls"), 1, "{path}");
    }
}

#[test]
fn the_two_kinds_of_429_are_told_apart() {
    let listener = Listener::open();
    let once = |faults: &str| CallOptions { retries: Some(0), ..faulty(faults) };
    let (error, _) = refused(&at(&listener), says("раз"), &once("error=yandex-gauge"));
    assert_eq!((error.status, error.detail), (Status::RateLimited, Detail::Concurrency));
    let listener = Listener::open();
    let (error, _) = refused(&at(&listener), says("раз"), &once("error=yandex-rate"));
    assert_eq!((error.status, error.detail), (Status::RateLimited, Detail::None));
    // A slot is free soon: the call is tried again, and the others go on.
    let listener = Listener::open();
    let client = at(&listener);
    listener.arm(COMPLETION, "error=yandex-gauge", 1);
    answered(&client, says("раз"), &how());
    assert_eq!(listener.counter(&format!("requests:{COMPLETION}")), 2);
}

#[test]
fn each_refusal_has_its_class() {
    let listener = Listener::open();
    let rows = [
        ("yandex-billing", Status::Quota, Detail::None),
        ("yandex-context", Status::Provider, Detail::ContextOverflow),
        ("yandex-key-expired", Status::Auth, Detail::None),
        ("yandex-internal", Status::Provider, Detail::ServerError),
        ("yandex-unavailable", Status::Provider, Detail::Overloaded),
    ];
    let client =
        client_with(Kind::Yandex, &given(&listener), ClientTuning { breaks_after: 0, ..ClientTuning::default() });
    for (name, status, detail) in rows {
        let how = CallOptions { retries: Some(0), ..faulty(&format!("error={name}")) };
        let (error, reply) = refused(&client, says("раз"), &how);
        assert_eq!((error.status, error.detail), (status, detail), "{name}");
        assert!(!reply.unwrap().problem.text.is_empty(), "{name}");
    }
}

#[test]
fn an_error_line_inside_a_stream_is_a_failure() {
    let listener = Listener::open();
    let answer =
        asked(&at(&listener), streams("раз два три"), &faulty("error-event=2")).map_err(|(error, _)| error).unwrap();
    let (_, end) = deltas(&answer);
    let error = end.unwrap_err();
    assert!(matches!(error.status, Status::Provider | Status::RateLimited), "{error:?}");
    assert!(!reply(&answer).problem.text.is_empty());
}

#[test]
fn a_stream_cut_at_any_byte_is_truncated_or_complete() {
    let listener = Listener::open();
    let client = at(&listener);
    let whole = answered(&client, says("раз two"), &how()).text;
    let mut complete = 0;
    for at in 0..6000 {
        let Ok(answer) = asked(&client, streams("раз two"), &faulty(&format!("end-at={at}"))) else { continue };
        let (parts, end) = deltas(&answer);
        match end {
            Ok(()) => complete += 1,
            Err(error) => {
                assert_eq!(error.status, Status::Truncated, "{at}: {error:?}");
                assert!(whole.starts_with(&told(&parts)), "{at}");
            }
        }
        if complete == 3 {
            return;
        }
    }
    panic!("complete {complete} times");
}

#[test]
fn it_speaks_as_openai_does_too() {
    let listener = Listener::open();
    let base = text(&format!("{}/yandex/v1", listener.http));
    let client = client(Kind::YandexOpenAi, UncheckedConfig { base_url: base, ..given(&listener) });
    let whole = answered(&client, says("раз два"), &how());
    assert_eq!(whole.finish, Finish::Stop);
    assert_eq!(told_well(&client, streams("раз два"), &how()).0, whole.text);
}
