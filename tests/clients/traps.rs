//! What is easy to get wrong with these providers, trap by trap; docs/clients.md tells of each.

use std::sync::Arc;
use std::time::Duration;

use aipool::body::reply::{Delta, Finish};
use aipool::clients::kind::Kind;
use aipool::clients::unchecked_config::UncheckedConfig;
use aipool::clients::{CallOptions, Client};
use aipool::error::{Detail, Status};

use crate::rig::*;
use crate::support::{Listener, at_once, joined};

/// `client:secret` in base64.
const KEY: &str = "Y2xpZW50OnNlY3JldA==";

fn gigachat(listener: &Listener, scope: &str) -> Client {
    let given = UncheckedConfig {
        base_url: text(&format!("{}/gigachat/api/v1", listener.http)),
        auth_url: text(&format!("{}/gigachat/oauth", listener.http)),
        api_key: text(KEY),
        scope: text(scope),
        ..UncheckedConfig::default()
    };
    client(Kind::GigaChat, given)
}

fn yandex(listener: &Listener) -> Client {
    let base_url = text(&format!("{}/yandex/foundationModels/v1", listener.http));
    let given = UncheckedConfig {
        base_url,
        api_key: text("sandbox-key"),
        folder: text("b1gsandbox"),
        ..UncheckedConfig::default()
    };
    client(Kind::Yandex, given)
}

fn naparnik(listener: &Listener) -> Client {
    let base_url = text(&format!("{}/naparnik", listener.http));
    client(Kind::Naparnik, UncheckedConfig { base_url, api_key: text("sandbox-token"), ..UncheckedConfig::default() })
}

fn openai(listener: &Listener) -> Client {
    let base_url = text(&format!("{}/v1", listener.http));
    client(
        Kind::OpenAi,
        UncheckedConfig { base_url, api_key: text("k"), model: text("sandbox-1"), ..UncheckedConfig::default() },
    )
}

fn how() -> CallOptions {
    CallOptions::default()
}

#[test]
fn trap_1_a_token_ends_in_milliseconds_or_in_seconds() {
    for form in ["access_token", "tok"] {
        let listener = Listener::open();
        listener.set(&format!("gigachat.token-form={form}"));
        let client = gigachat(&listener, "GIGACHAT_API_PERS");
        (0..3).for_each(|_| drop(answered(&client, says("раз"), &how())));
        assert_eq!(listener.counter("gigachat.token_calls"), 1, "{form}");
    }
}

#[test]
fn trap_2_a_user_agent_is_always_sent_and_a_403_for_it_renews_no_token() {
    let listener = Listener::open();
    let client = gigachat(&listener, "GIGACHAT_API_PERS");
    answered(&client, says("раз"), &how());
    for path in ["/gigachat/oauth", "/gigachat/api/v1/chat/completions"] {
        assert!(listener.last(path)["headers"]["user-agent"].as_str().unwrap().starts_with("aipool/"), "{path}");
    }
    refused(&client, says("раз"), &faulty("error=gigachat-permission"));
    assert_eq!(listener.counter("gigachat.token_calls"), 1);
}

#[test]
fn trap_3_a_personal_key_has_one_place_and_a_companys_ten_to_the_streams_end() {
    for (scope, most) in [("GIGACHAT_API_PERS", 1), ("GIGACHAT_API_B2B", 10)] {
        let listener = Listener::open();
        let client = Arc::new(gigachat(&listener, scope));
        let streams = at_once(20, move |_| {
            let answer = asked(&client, streams("раз"), &faulty("drip=1")).map_err(|(error, _)| error).unwrap();
            deltas(&answer).1.map(|()| reply(&answer).finish)
        });
        assert!(joined(streams).into_iter().all(|end| end.unwrap() == Finish::Stop));
        assert!(listener.counter("gigachat.running_max") <= most, "{scope}");
        assert_eq!(listener.counter("status:/gigachat/api/v1/chat/completions:429"), 0);
    }
}

#[test]
fn trap_4_a_cold_start_makes_one_token_request() {
    let listener = Listener::open();
    let client = Arc::new(gigachat(&listener, "GIGACHAT_API_CORP"));
    joined(at_once(30, move |_| answered(&client, says("раз"), &CallOptions::default())));
    assert_eq!(listener.counter("gigachat.token_calls"), 1);
}

#[test]
fn trap_5_yandex_repeats_the_text_in_each_line_and_quotes_its_numbers() {
    let listener = Listener::open();
    let answer = asked(&yandex(&listener), streams("раз два"), &how()).map_err(|(error, _)| error).unwrap();
    let (parts, end) = deltas(&answer);
    end.unwrap();
    let reply = reply(&answer);
    assert_eq!(told(&parts), reply.text);
    assert!(reply.usage.total > 0);
}

#[test]
fn trap_6_a_429_of_places_is_not_a_429_of_rate() {
    for (error, detail) in [("yandex-gauge", Detail::Concurrency), ("yandex-rate", Detail::None)] {
        let listener = Listener::open();
        let how = CallOptions { retries: Some(0), ..faulty(&format!("error={error}")) };
        let (error, _) = refused(&yandex(&listener), says("раз"), &how);
        assert_eq!((error.status, error.detail), (Status::RateLimited, detail));
    }
}

#[test]
fn trap_7_naparnik_takes_an_exact_content_type_and_a_bare_token() {
    let listener = Listener::open();
    answered(&naparnik(&listener), says("раз"), &how());
    let last = listener.last("/naparnik/chat_api/v1/conversations/");
    assert_eq!(last["headers"]["content-type"], "application/json");
    assert_eq!(last["headers"]["authorization"], "sandbox-token");
}

#[test]
fn trap_8_heartbeats_are_no_sign_of_life() {
    let listener = Listener::open();
    let mut how = faulty("heartbeats=5");
    how.limits.first_event = Some(Some(Duration::from_millis(150)));
    let error = match asked(&naparnik(&listener), streams("раз"), &how) {
        Err((error, _)) => error,
        Ok(answer) => deltas(&answer).1.unwrap_err(),
    };
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::FirstEventLimit));
}

#[test]
fn trap_9_a_stream_is_not_begun_again_after_its_first_part() {
    let listener = Listener::open();
    let answer = asked(&openai(&listener), streams("one two three"), &faulty("cut-after=2"))
        .map_err(|(error, _)| error)
        .unwrap();
    let (parts, end) = deltas(&answer);
    end.unwrap_err();
    assert!(!parts.contains(&Delta::Done));
    assert_eq!(listener.counter("requests:/v1/chat/completions"), 1);
}

#[test]
fn trap_10_a_stream_that_ends_without_a_word_is_truncated() {
    let listener = Listener::open();
    let rows: [(&Client, &str); 3] = [
        (&openai(&listener), "end-after=2"),
        (&yandex(&listener), "end-after=1"),
        (&gigachat(&listener, "GIGACHAT_API_CORP"), "end-after=1"),
    ];
    for (client, fault) in rows {
        let answer = asked(client, streams("раз два три"), &faulty(fault)).map_err(|(error, _)| error).unwrap();
        let (_, end) = deltas(&answer);
        assert_eq!(end.unwrap_err().status, Status::Truncated, "{fault}");
    }
}
