//! Slots, pace, retries, the breaker: what all clients share.

use std::sync::Arc;
use std::time::Duration;

use aipool::clients::ask::{Ask, Raw};
use aipool::clients::config::ClientTuning;
use aipool::clients::kind::Kind;
use aipool::clients::unchecked_config::UncheckedConfig;
use aipool::clients::{CallOptions, Client};
use aipool::error::{Delivery, Detail, Status};

use crate::rig::*;
use crate::support::{Listener, at_once, joined, release, unique, until, wait_held};

const CHAT: &str = "/v1/chat/completions";

fn at(listener: &Listener, key: &str, ways: ClientTuning) -> Client {
    let base_url = text(&format!("{}/v1", listener.http));
    let given =
        UncheckedConfig { base_url, api_key: text(key), model: text("sandbox-1"), ..UncheckedConfig::default() };
    client_with(Kind::OpenAi, &given, ways)
}

fn how() -> CallOptions {
    CallOptions::default()
}

#[test]
fn a_refusal_for_load_is_tried_again_in_each_form_of_advice() {
    for advice in ["retry-after-ms=1", "retry-after=0.001", "retry-after-date=0"] {
        let listener = Listener::open();
        let client = at(&listener, "k", ClientTuning::default());
        listener.arm(CHAT, &format!("error=openai-rate,{advice}"), 1);
        answered(&client, says("hi"), &how());
        assert_eq!(listener.counter(&format!("requests:{CHAT}")), 2, "{advice}");
    }
}

#[test]
fn a_used_up_quota_a_bad_credential_and_a_bad_request_are_asked_once() {
    for error in ["openai-insufficient-quota", "openai-auth", "openai-context", "deepseek-payment"] {
        let listener = Listener::open();
        let client = at(&listener, "k", ClientTuning::default());
        refused(&client, says("hi"), &faulty(&format!("error={error},retry-after=0")));
        assert_eq!(listener.counter(&format!("requests:{CHAT}")), 1, "{error}");
    }
}

#[test]
fn advice_to_wait_too_long_is_told_and_not_waited_for() {
    let listener = Listener::open();
    let client = at(&listener, "k", ClientTuning { paced: false, ..ClientTuning::default() });
    let (error, _) = refused(&client, says("hi"), &faulty("error=openai-rate,retry-after=500"));
    assert_eq!((error.status, error.retry_after), (Status::RateLimited, Some(Duration::from_secs(500))));
    assert!(error.retryable);
}

#[test]
fn slots_are_held_to_the_end_of_a_stream_by_all_clients_of_an_account() {
    let listener = Listener::open();
    let ways = || ClientTuning { max_concurrency: Some(1), ..ClientTuning::default() };
    let (first, second) = (at(&listener, "one", ways()), at(&listener, "one", ways()));
    let other = at(&listener, "other", ways());
    let name = unique("slots");
    let first_answer =
        asked(&first, streams("one two"), &faulty("no-done,linger")).map_err(|(error, _)| error).unwrap();
    let mut how = how();
    how.limits.queue = Some(Some(Duration::from_millis(30)));
    let (error, _) = refused(&second, says("hi"), &how);
    assert_eq!((error.status, error.detail, error.delivery), (Status::Timeout, Detail::QueueLimit, Delivery::NotSent));
    assert!(error.message.contains("1 of 1"), "{}", error.message);
    answered(&other, says("hi"), &CallOptions::default());
    let waiting = std::thread::spawn(move || answered(&second, says("hi"), &CallOptions::default()));
    first_answer.give_up();
    waiting.join().unwrap();
    drop(name);
}

#[test]
fn a_waiter_that_is_cancelled_takes_no_slot() {
    let listener = Listener::open();
    let client =
        Arc::new(at(&listener, "cancelled", ClientTuning { max_concurrency: Some(1), ..ClientTuning::default() }));
    let name = unique("cancel-slot");
    let holder = {
        let (client, name) = (client.clone(), name.clone());
        std::thread::spawn(move || answered(&client, says("hi"), &faulty(&format!("hold={name}"))))
    };
    wait_held(&name, 1);
    let cancel = aipool::cancel::Cancel::new().unwrap();
    let waiter = {
        let client = client.clone();
        std::thread::spawn(move || {
            refused(&client, says("hi"), &CallOptions { cancel: Some(cancel), ..CallOptions::default() }).0
        })
    };
    cancel.fire();
    assert_eq!(waiter.join().unwrap().status, Status::Cancelled);
    release(&name);
    holder.join().unwrap();
    answered(&client, says("hi"), &how());
}

#[test]
fn failures_in_a_row_open_the_breaker_and_a_probe_closes_it() {
    let listener = Listener::open();
    let client = at(&listener, "broken", ClientTuning { breaks_after: 3, retries: Some(0), ..ClientTuning::default() });
    for _ in 0..3 {
        let (error, _) = refused(&client, says("hi"), &faulty("status=500"));
        assert_eq!((error.status, error.detail), (Status::Provider, Detail::ServerError));
    }
    let (error, _) = refused(&client, says("hi"), &how());
    assert_eq!((error.detail, error.delivery), (Detail::CircuitOpen, Delivery::NotSent));
    let pause = error.retry_after.unwrap();
    assert!(pause <= Duration::from_secs(1));
    assert_eq!(listener.counter(&format!("requests:{CHAT}")), 3);
    // Until then each is refused without a request.
    until("the pause is over", || asked(&client, says("hi"), &how()).is_ok());
    assert_eq!(listener.counter(&format!("requests:{CHAT}")), 4);
    answered(&client, says("hi"), &how());
}

#[test]
fn a_server_that_is_silent_counts_as_one_that_fails() {
    let listener = Listener::open();
    let client = at(&listener, "silent", ClientTuning { breaks_after: 2, retries: Some(0), ..ClientTuning::default() });
    let mut silent = faulty("stall-head");
    silent.limits.first_byte = Some(Some(Duration::from_millis(20)));
    for _ in 0..2 {
        assert_eq!(refused(&client, says("hi"), &silent).0.detail, Detail::FirstByteLimit);
    }
    assert_eq!(refused(&client, says("hi"), &how()).0.detail, Detail::CircuitOpen);
}

#[test]
fn an_old_call_that_runs_out_says_nothing_of_the_one_that_tries() {
    let listener = Listener::open();
    let client =
        Arc::new(at(&listener, "old", ClientTuning { breaks_after: 1, retries: Some(0), ..ClientTuning::default() }));
    let held = |limit: u64| {
        let (client, name) = (client.clone(), unique("probed"));
        let mut how = faulty(&format!("hold={name}"));
        how.limits.first_byte = Some(Some(Duration::from_millis(limit)));
        let caller = std::thread::spawn(move || {
            loop {
                match asked(&client, says("hi"), &how) {
                    Err((error, _)) if error.detail == Detail::CircuitOpen => std::thread::yield_now(),
                    other => return other.map_err(|(error, _)| error.detail).err(),
                }
            }
        });
        wait_held(&name, 1);
        (name, caller)
    };
    let (_, old) = held(2000);
    refused(&client, says("hi"), &faulty("status=500"));
    let (name, tries) = held(20_000);
    assert_eq!(old.join().unwrap(), Some(Detail::FirstByteLimit));
    // Its failure would double the pause.
    match asked(&client, says("hi"), &how()) {
        Ok(_) => {}
        Err((error, _)) => assert!(error.retry_after.unwrap() <= Duration::from_secs(1), "{error:?}"),
    }
    release(&name);
    assert_eq!(tries.join().unwrap(), None);
}

#[test]
fn a_server_that_forbids_another_attempt_gets_none() {
    let listener = Listener::open();
    let client = at(&listener, "k", ClientTuning::default());
    refused(&client, says("hi"), &faulty("status=502,header=x-should-retry:false"));
    assert_eq!(listener.counter(&format!("requests:{CHAT}")), 1);
}

#[test]
fn an_unpooled_client_makes_its_session_anew_where_it_was_closed() {
    let listener = Listener::open();
    let client = at(&listener, "own", ClientTuning { pooled: false, ..ClientTuning::default() });
    answered(&client, says("hi"), &how());
    let theirs = client.session(false).unwrap();
    answered(&client, says("hi"), &how());
    assert_eq!(listener.count("connections_opened"), 1);
    client.inner().pool().unwrap().close_all(1000).unwrap();
    assert!(theirs.is_closed());
    answered(&client, says("hi"), &how());
}

#[test]
fn a_wait_that_is_known_to_be_too_long_is_told_at_once() {
    let listener = Listener::open();
    let client = at(&listener, "long", ClientTuning { retries: Some(0), ..ClientTuning::default() });
    refused(&client, says("hi"), &faulty("error=openai-rate,retry-after=500"));
    let (error, _) = refused(&client, says("hi"), &CallOptions { limits: limits_of_queue(50), ..how() });
    assert_eq!((error.status, error.delivery), (Status::RateLimited, Delivery::NotSent));
    assert!(error.retry_after.unwrap() > Duration::from_secs(400));
    assert_eq!(listener.counter(&format!("requests:{CHAT}")), 1);
}

fn limits_of_queue(millis: u64) -> aipool::config::LimitOverrides {
    aipool::config::LimitOverrides { queue: Some(Some(Duration::from_millis(millis))), ..Default::default() }
}

#[test]
fn a_refusal_whose_body_stalls_is_a_refusal() {
    let listener = Listener::open();
    let client = at(&listener, "stalls", ClientTuning { retries: Some(0), ..ClientTuning::default() });
    for chat in [says("hi"), streams("hi")] {
        let (error, reply) = refused(&client, chat, &faulty("error=openai-auth,stall=20"));
        assert_eq!((error.status, error.http_status), (Status::Auth, 401));
        assert!(reply.is_some());
    }
}

#[test]
fn a_credential_goes_nowhere_else() {
    let (listener, elsewhere) = (Listener::open(), Listener::open());
    let client = at(&listener, "k", ClientTuning::default());
    let raw = |url: String| {
        let raw = Raw { method: http::Method::GET, url, body: bytes::Bytes::new(), content_type: String::new() };
        client.call(&Ask::Raw(raw), &how()).err().unwrap().0
    };
    let error = raw(format!("{}/v1/models", elsewhere.http));
    assert_eq!((error.status, error.delivery), (Status::InvalidArgument, Delivery::NotSent));
    // A redirect is an answer, not an address.
    let error = raw(format!("{}/redirect?to={}/v1/models", listener.http, elsewhere.http));
    assert_eq!((error.status, error.http_status), (Status::Provider, 302));
    assert_eq!(elsewhere.count("requests"), 0);
}

#[test]
fn a_quota_is_used_up_and_hardly_overdrawn_by_twenty_callers() {
    // A minute takes half a second here.
    let ran = |paced: bool| {
        let listener = Listener::open();
        listener.set("quota=60/500");
        let client =
            Arc::new(at(&listener, "quota", ClientTuning { paced, retries: Some(10), ..ClientTuning::default() }));
        let callers = at_once(20, move |_| {
            let mut how = CallOptions::default();
            how.limits.queue = Some(Some(Duration::from_secs(20)));
            (0..30).filter(|_| asked(&client, says("hi"), &how).is_ok()).count()
        });
        let well: usize = joined(callers).into_iter().sum();
        (well as u64, listener.counter(&format!("status:{CHAT}:429")))
    };
    let (well, wasted) = ran(true);
    println!("paced: {well} answered, {wasted} refused");
    assert_eq!(well, 600);
    assert!(wasted * 100 <= well, "{wasted} of {well} wasted");
    let (well, wasted) = ran(false);
    println!("not paced: {well} answered, {wasted} refused");
}
