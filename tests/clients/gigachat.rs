//! GigaChat.

use std::sync::Arc;
use std::time::Duration;

use aipool::body::reply::{Delta, Finish};
use aipool::clients::ask::{Ask, Chat, Count, Embed, Message, Raw, Role, Tool};
use aipool::clients::config::ClientTuning;
use aipool::clients::kind::Kind;
use aipool::clients::unchecked_config::UncheckedConfig;
use aipool::clients::{CallOptions, Client};
use aipool::config::LimitOverrides;
use aipool::error::{Delivery, Detail, Status};
use aipool::queue::Completion;
use serde_json::json;

use crate::rig::*;
use crate::support::{Listener, PATIENCE, at_once, joined, release, unique, until, wait_held};

/// `client:secret` in base64.
const KEY: &str = "Y2xpZW50OnNlY3JldA==";
const CHAT: &str = "/gigachat/api/v1/chat/completions";

fn given(listener: &Listener) -> UncheckedConfig {
    UncheckedConfig {
        base_url: text(&format!("{}/gigachat/api/v1", listener.http)),
        auth_url: text(&format!("{}/gigachat/oauth", listener.http)),
        api_key: text(KEY),
        model: text("GigaChat-2-Max"),
        ..UncheckedConfig::default()
    }
}

fn at(listener: &Listener) -> Client {
    client(Kind::GigaChat, given(listener))
}

/// Of a legal entity, whose requests go ten at a time.
fn company(listener: &Listener) -> Client {
    client(Kind::GigaChat, UncheckedConfig { scope: text("GIGACHAT_API_CORP"), ..given(listener) })
}

fn how() -> CallOptions {
    CallOptions::default()
}

#[test]
fn a_chat_is_answered_whole_and_as_a_stream_in_both_token_forms() {
    for form in ["access_token", "tok"] {
        let listener = Listener::open();
        listener.set(&format!("gigachat.token-form={form}"));
        let client = at(&listener);
        let whole = answered(&client, says("раз два три"), &how());
        assert_eq!((whole.finish, whole.id.as_str()), (Finish::Stop, ""));
        assert!(whole.model.starts_with("GigaChat-2-Max:") && whole.usage.cached >= 0, "{whole:?}");
        let answer = asked(&client, streams("раз два три"), &how()).map_err(|(error, _)| error).unwrap();
        let (parts, end) = deltas(&answer);
        end.unwrap();
        assert_eq!((told(&parts), parts.last()), (whole.text.clone(), Some(&Delta::Done)));
        for _ in 0..3 {
            answered(&client, says("ещё"), &how());
        }
        assert_eq!(listener.counter("gigachat.token_calls"), 1, "{form}: one token serves all");
    }
}

#[test]
fn a_cold_start_of_a_hundred_makes_one_token_request() {
    let listener = Listener::open();
    listener.set("gigachat.concurrency=1000");
    let client = Arc::new(company(&listener));
    let calls = at_once(100, {
        let client = client.clone();
        move |_| answered(&client, says("раз"), &CallOptions::default()).finish
    });
    assert!(joined(calls).into_iter().all(|finish| finish == Finish::Stop));
    assert_eq!(listener.counter("gigachat.token_calls"), 1);
}

#[test]
fn a_thousand_calls_with_an_expired_token_make_one_token_request_and_no_failure() {
    let listener = Listener::open();
    let client = Arc::new(company(&listener));
    answered(&client, says("раз"), &how());
    listener.expire_tokens();
    let queue = client.inner().pool().unwrap().queue();
    for tag in 0..1000 {
        client.submit(&Ask::Chat(Box::new(says("раз"))), &how(), &queue, tag).unwrap();
    }
    let mut ends = Vec::new();
    while ends.len() < 1000 {
        queue.wait(PATIENCE).unwrap();
        queue.take(100, |_, completion| {
            if let Completion::Done(outcome, answer) = completion {
                ends.push(outcome.map(|()| reply(&answer.unwrap()).finish));
            }
            Ok(())
        });
    }
    assert!(ends.into_iter().all(|end| end.unwrap() == Finish::Stop));
    assert_eq!(listener.counter("gigachat.token_calls"), 2);
}

#[test]
fn two_streams_on_a_personal_key_wait_for_each_other_and_both_complete() {
    let listener = Listener::open();
    let client = Arc::new(at(&listener));
    let both = joined(at_once(2, move |_| {
        let answer = asked(&client, streams("раз два три"), &faulty("drip=5")).map_err(|(error, _)| error).unwrap();
        let (parts, end) = deltas(&answer);
        end.unwrap();
        told(&parts)
    }));
    assert_eq!(both[0], both[1]);
    assert_eq!(listener.counter("gigachat.running_max"), 1);
    assert_eq!(listener.counter(&format!("status:{CHAT}:429")), 0);
}

#[test]
fn a_pool_of_one_session_serves_a_client_that_needs_two() {
    let listener = Listener::open();
    let size = aipool::config::MaxSize::Limit(1);
    let pool = aipool::pool::ConnectionPool::new(aipool::config::PoolConfig { max_size: size, ..Default::default() });
    let session = aipool::config::SessionConfig::default();
    let config =
        aipool::clients::config::ClientConfig::new(Kind::GigaChat, &given(&listener), ClientTuning::default(), session)
            .unwrap();
    let client = Client::new(config, aipool::clients::PoolSource::Given(pool.unwrap())).unwrap();
    for _ in 0..3 {
        answered(&client, says("раз"), &how());
        listener.expire_tokens();
    }
}

#[test]
fn a_refused_token_is_renewed_once_and_a_fresh_ones_refusal_is_final() {
    let listener = Listener::open();
    let client = at(&listener);
    answered(&client, says("раз"), &how());
    listener.arm(CHAT, "status=401", 1);
    answered(&client, says("раз"), &how());
    assert_eq!(listener.counter("gigachat.token_calls"), 2);
    listener.arm(CHAT, "status=401", 5);
    let (error, _) = refused(&client, says("раз"), &how());
    assert_eq!((error.status, error.http_status), (Status::Auth, 401));
    assert_eq!(listener.counter("gigachat.token_calls"), 3);
}

#[test]
fn a_token_is_renewed_for_a_call_that_a_closing_pool_lets_finish() {
    let listener = Listener::open();
    let (pool, name) = (pool(), unique("closing"));
    let client = Arc::new(client_over(&pool, Kind::GigaChat, &given(&listener)));
    answered(&client, says("раз"), &how());
    listener.arm(CHAT, &format!("hold={name},status=401"), 1);
    let calling = client.clone();
    let call = std::thread::spawn(move || answered(&calling, says("раз"), &how()));
    wait_held(&name, 1);
    let closing = pool.clone();
    let closed = std::thread::spawn(move || closing.close_all(20_000));
    until("the sessions are closed", || pool.stats().sessions == 0);
    release(&name);
    assert_eq!(call.join().unwrap().finish, Finish::Stop);
    closed.join().unwrap().unwrap();
    assert_eq!(listener.counter("gigachat.token_calls"), 2);
}

#[test]
fn who_waits_too_long_is_told_for_what_and_how_long() {
    let listener = Listener::open();
    let client = at(&listener);
    listener.arm("/gigachat/oauth", "stall-head", 1);
    let limits = LimitOverrides { queue: Some(Some(Duration::from_millis(200))), ..LimitOverrides::default() };
    let (error, _) = refused(&client, says("раз"), &CallOptions { limits, ..how() });
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::QueueLimit));
    assert!(error.message.contains("200 ms ran out") && error.message.contains("token"), "{error}");
    let client = at(&Listener::open());
    let silent = asked(&client, streams("раз"), &faulty("stall=0")).map_err(|(error, _)| error).unwrap();
    let error = silent.next_delta(Duration::from_millis(50), |_| ()).unwrap_err();
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::WaitLimit));
    assert!(error.message.contains("50 ms without anything"), "{error}");
}

#[test]
fn a_page_and_a_refusal_without_a_word_of_tokens_renew_none() {
    let listener = Listener::open();
    let client = at(&listener);
    for (fault, detail) in
        [("error=gigachat-html-403", Detail::NotFound), ("error=gigachat-permission", Detail::Permission)]
    {
        let (error, reply) = refused(&client, says("раз"), &faulty(fault));
        assert_eq!((error.status, error.detail, error.http_status), (Status::Provider, detail, 403), "{fault}");
        assert!(reply.is_some());
    }
    assert_eq!(listener.counter("gigachat.token_calls"), 1);
}

#[test]
fn wrong_credentials_and_scopes_are_told_before_anything_is_asked() {
    let listener = Listener::open();
    let wrong = client(Kind::GigaChat, UncheckedConfig { api_key: text("Y2xpZW50Ondyb25n"), ..given(&listener) });
    let (error, _) = refused(&wrong, says("раз"), &how());
    assert_eq!((error.status, error.delivery), (Status::Auth, Delivery::NotSent), "{error:?}");
    listener.set("gigachat.scope=GIGACHAT_API_B2B");
    let (error, _) = refused(&at(&listener), says("раз"), &how());
    assert!(error.message.contains("scope"), "{}", error.message);
    assert_eq!(listener.counter(&format!("requests:{CHAT}")), 0);
    let bad = UncheckedConfig { scope: text("EVERYTHING"), ..given(&listener) };
    let session = aipool::config::SessionConfig::default();
    let config = aipool::clients::config::ClientConfig::new(Kind::GigaChat, &bad, ClientTuning::default(), session);
    let error =
        config.and_then(|config| Client::new(config, aipool::clients::PoolSource::Given(pool()))).err().unwrap();
    assert!(error.message.starts_with("scope:"), "{}", error.message);
}

#[test]
fn a_user_and_a_static_token_sign_in_too() {
    let listener = Listener::open();
    let none = || text("");
    let user = UncheckedConfig { api_key: none(), user: text("user"), password: text("secret"), ..given(&listener) };
    answered(&client(Kind::GigaChat, user), says("раз"), &how());
    assert_eq!(listener.counter("gigachat.token_calls"), 1);
    let fixed = UncheckedConfig { api_key: none(), access_token: text("sandbox-static-token"), ..given(&listener) };
    answered(&client(Kind::GigaChat, fixed), says("раз"), &how());
    assert_eq!(listener.counter("gigachat.token_calls"), 1);
    // With a key beside it, a refused one gives way to the key's.
    let stale = UncheckedConfig { access_token: text("stale"), ..given(&listener) };
    answered(&client(Kind::GigaChat, stale), says("раз"), &how());
    assert_eq!(listener.counter("gigachat.token_calls"), 2);
}

#[test]
fn functions_go_round_with_their_state() {
    let listener = Listener::open();
    let client = at(&listener);
    let tools = vec![Tool { name: "weather".into(), parameters: json!({"type": "object"}), ..Tool::default() }];
    for stream in [false, true] {
        let chat = Chat { tools: tools.clone(), stream, ..says("погода?") };
        let answer = asked(&client, chat.clone(), &how()).map_err(|(error, _)| error).unwrap();
        deltas(&answer).1.unwrap();
        let first = reply(&answer);
        assert_eq!((first.finish, first.calls[0].name.as_str()), (Finish::Tool, "weather"));
        assert!(!first.state.is_empty() && first.calls[0].arguments.starts_with('{'), "{first:?}");
        let mut messages = chat.messages.clone();
        messages.push(Message {
            role: Role::Assistant,
            calls: first.calls.clone(),
            state: first.state.clone(),
            ..Message::default()
        });
        let content = "{\"t\": 1}".to_owned();
        messages.push(Message { role: Role::Tool, name: "weather".into(), content, ..Message::default() });
        let next = asked(&client, Chat { messages, ..chat }, &how()).map_err(|(error, _)| error).unwrap();
        deltas(&next).1.unwrap();
        assert_eq!(reply(&next).finish, Finish::Stop);
    }
}

#[test]
fn the_second_version_says_the_same_in_named_events_without_a_mark() {
    let listener = Listener::open();
    let base = text(&format!("{}/gigachat/api/v2", listener.http));
    let client = client(Kind::GigaChat, UncheckedConfig { base_url: base, ..given(&listener) });
    let whole = answered(&client, says("раз два три"), &how());
    assert_eq!(whole.finish, Finish::Stop);
    let answer = asked(&client, streams("раз два три"), &how()).map_err(|(error, _)| error).unwrap();
    let (parts, end) = deltas(&answer);
    end.unwrap();
    assert_eq!((told(&parts), reply(&answer).usage), (whole.text, whole.usage));
}

#[test]
fn embeddings_models_counts_files_and_the_balance_are_there() {
    let listener = Listener::open();
    let client = at(&listener);
    let ask = |ask: &Ask| client.call(ask, &how()).map_err(|(error, _)| error).unwrap();
    let inputs = vec!["раз".to_owned(), "два".to_owned()];
    let embedded = reply(&ask(&Ask::Embed(Embed { inputs: inputs.clone(), ..Embed::default() })));
    assert_eq!(embedded.embeddings.len(), 2);
    assert!(reply(&ask(&Ask::Models)).text.contains("GigaChat"));
    let counted = reply(&ask(&Ask::Count(Count { inputs, ..Count::default() })));
    assert_eq!(counted.counts.len(), 2);
    let get = |url: &str| Raw {
        method: http::Method::GET,
        url: url.into(),
        body: bytes::Bytes::new(),
        content_type: String::new(),
    };
    assert!(ask(&Ask::Raw(get("balance"))).body().unwrap().starts_with(b"{\"balance\""));
    let form = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\ncontent-type: text/plain\r\n\r\n\
                hello\r\n--b\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\ngeneral\r\n--b--\r\n";
    let post = Raw { method: http::Method::POST, body: form.into(), ..get("files") };
    let post = Raw { content_type: "multipart/form-data; boundary=b".into(), ..post };
    let file: serde_json::Value = serde_json::from_slice(ask(&Ask::Raw(post)).body().unwrap()).unwrap();
    let content = ask(&Ask::Raw(get(&format!("files/{}/content", file["id"].as_str().unwrap()))));
    assert_eq!(&content.body().unwrap()[..], b"hello");
}

#[test]
fn a_stream_cut_at_any_byte_is_truncated_or_complete() {
    for version in ["v1", "v2"] {
        let listener = Listener::open();
        let base = text(&format!("{}/gigachat/api/{version}", listener.http));
        let client = client(Kind::GigaChat, UncheckedConfig { base_url: base, ..given(&listener) });
        let whole = answered(&client, says("раз two"), &how()).text;
        let mut complete = 0;
        for at in 0..3000 {
            let Ok(answer) = asked(&client, streams("раз two"), &faulty(&format!("end-at={at}"))) else { continue };
            let (parts, end) = deltas(&answer);
            match end {
                Ok(()) => complete += 1,
                Err(error) => {
                    assert_eq!(error.status, Status::Truncated, "{version} {at}: {error:?}");
                    assert!(whole.starts_with(&told(&parts)), "{version} {at}");
                }
            }
            if complete == 3 {
                break;
            }
        }
        assert_eq!(complete, 3, "{version}");
    }
}
