//! 1C:Naparnik.

use std::sync::Arc;
use std::time::Duration;

use aipool::body::reply::{Delta, Finish};
use aipool::clients::ask::{Chat, Message, Role, Tool};
use aipool::clients::config::ClientTuning;
use aipool::clients::kind::Kind;
use aipool::clients::unchecked_config::UncheckedConfig;
use aipool::clients::{CallOptions, Client};
use aipool::error::{Detail, Status};
use serde_json::json;

use crate::rig::*;
use crate::support::{Listener, at_once, joined};

const MESSAGES: &str = "/naparnik/chat_api/v1/conversations/*/messages";

fn at(listener: &Listener) -> Client {
    client(Kind::Naparnik, given(listener))
}

fn given(listener: &Listener) -> UncheckedConfig {
    let base_url = text(&format!("{}/naparnik", listener.http));
    UncheckedConfig { base_url, api_key: text("sandbox-token"), ..UncheckedConfig::default() }
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
fn a_talk_goes_on_by_its_state() {
    let listener = Listener::open();
    let client = at(&listener);
    for stream in [false, true] {
        let (text, parts, first) = told_well(&client, Chat { stream, ..says("раз") }, &how());
        assert_eq!((text.as_str(), first.finish), (first.text.as_str(), Finish::Stop), "{parts:?}");
        assert!(first.text.starts_with("Ход 1."), "{}", first.text);
        assert!(first.usage.context > 0);
        let (_, _, next) = told_well(&client, Chat { state: first.state.clone(), stream, ..says("два") }, &how());
        assert!(next.text.starts_with("Ход 2."), "{}", next.text);
        // Or by the state of the last answer in the talk.
        let mut messages = says("раз").messages;
        let (content, state) = (first.text.clone(), first.state.clone());
        messages.push(Message { role: Role::Assistant, content, state, ..Message::default() });
        messages.extend(says("три").messages);
        let (_, _, next) = told_well(&client, Chat { messages, stream, ..Chat::default() }, &how());
        assert!(next.text.starts_with("Ход 2.") || next.text.starts_with("Ход 3."), "{}", next.text);
        assert!(next.text.contains("три") && !next.text.contains("раз"), "{}", next.text);
    }
    let last = listener.last("/naparnik/chat_api/v1/conversations/");
    assert_eq!(last["headers"]["content-type"], "application/json");
    assert_eq!(last["headers"]["authorization"], "sandbox-token");
}

#[test]
fn the_services_own_tools_are_accepted_and_not_told() {
    let listener = Listener::open();
    let client = at(&listener);
    for stream in [false, true] {
        let (text, parts, reply) = told_well(&client, Chat { stream, ..says("search стандарт") }, &how());
        assert_eq!((reply.finish, text.as_str()), (Finish::Stop, reply.text.as_str()));
        assert!(!parts.iter().any(|part| matches!(part, Delta::Tool { .. })), "{parts:?}");
    }
    assert_eq!(listener.counter(&format!("requests:{MESSAGES}")), 4);
}

#[test]
fn the_callers_tools_are_handed_to_it_and_their_results_go_back() {
    let listener = Listener::open();
    let client = at(&listener);
    let tools = vec![Tool { name: "weather".into(), parameters: json!({"type": "object"}), ..Tool::default() }];
    for stream in [false, true] {
        let chat = Chat { tools: tools.clone(), stream, ..says("погода?") };
        let (_, _, first) = told_well(&client, chat.clone(), &how());
        assert_eq!((first.finish, first.calls[0].name.as_str()), (Finish::Tool, "weather"));
        let result = Message {
            role: Role::Tool,
            name: "weather".into(),
            call_id: first.calls[0].id.clone(),
            content: "тепло".into(),
            ..Message::default()
        };
        let next = Chat { messages: vec![result], state: first.state.clone(), ..chat };
        assert_eq!(told_well(&client, next, &how()).2.finish, Finish::Stop);
    }
}

#[test]
fn every_oddity_of_its_streams_tells_the_text_once() {
    let listener = Listener::open();
    let client = at(&listener);
    let plain = answered(&client, says("раз два"), &how()).text;
    for fault in ["delta-string", "repeat-delta", "think", "two-messages", "done", "split=1"] {
        let (text, _, reply) = told_well(&client, streams("раз два"), &faulty(fault));
        assert_eq!((text.as_str(), reply.text.as_str()), (plain.as_str(), plain.as_str()), "{fault}");
    }
}

#[test]
fn heartbeats_alone_do_not_keep_a_call_alive() {
    let listener = Listener::open();
    let mut how = faulty("heartbeats=5");
    how.limits.first_event = Some(Some(Duration::from_millis(200)));
    how.limits.between_events = Some(Some(Duration::from_millis(200)));
    let outcome = asked(&at(&listener), streams("раз"), &how);
    let error = match outcome {
        Err((error, _)) => error,
        Ok(answer) => deltas(&answer).1.unwrap_err(),
    };
    assert_eq!(error.status, Status::Timeout, "{error:?}");
    assert!(matches!(error.detail, Detail::FirstEventLimit | Detail::BetweenEventsLimit), "{error:?}");
}

#[test]
fn a_wait_named_in_words_is_the_accounts() {
    let listener = Listener::open();
    let client =
        client_with(Kind::Naparnik, &given(&listener), ClientTuning { paced: false, ..ClientTuning::default() });
    let (error, reply) =
        refused(&client, says("раз"), &CallOptions { retries: Some(0), ..faulty("error=naparnik-rate,seconds=7") });
    assert_eq!(error.status, Status::RateLimited);
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)), "{reply:?}");
}

#[test]
fn calls_on_one_conversation_take_turns() {
    let listener = Listener::open();
    let client = Arc::new(at(&listener));
    let state = answered(&client, says("раз"), &how()).state;
    let both = joined(at_once(2, move |_| {
        told_well(&client, Chat { state: state.clone(), ..streams("два") }, &faulty("drip=2")).2.finish
    }));
    assert_eq!(both, [Finish::Stop, Finish::Stop]);
    assert_eq!(listener.counter(&format!("status:{MESSAGES}:423")), 0);
}

#[test]
fn a_stream_cut_at_any_byte_is_truncated_or_complete() {
    let listener = Listener::open();
    let client = at(&listener);
    let whole = answered(&client, says("раз"), &how()).text;
    let mut complete = 0;
    for at in 0..4000 {
        let outcome = asked(&client, streams("раз"), &faulty(&format!("end-at={at}")));
        let Ok(answer) = outcome else { continue };
        let (parts, end) = deltas(&answer);
        match end {
            Ok(()) => complete += 1,
            Err(error) => {
                assert!(matches!(error.status, Status::Truncated | Status::Provider), "{at}: {error:?}");
                assert!(whole.starts_with(&told(&parts)), "{at}: {}", told(&parts));
            }
        }
        if complete == 3 {
            return;
        }
    }
    panic!("complete {complete} times");
}
