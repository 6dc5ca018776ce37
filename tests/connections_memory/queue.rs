//! Who waits is served in order, bounded by the caps, and by whatever comes free anywhere.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aipool::config::Limits;
use aipool::connections::{Checkout, Lease, Waiting};
use aipool::error::{Detail, Phase, Result, Status};
use aipool::events::CloseReason;

use crate::memory::{HTTP1, HTTP2, Plan};
use crate::rig::{Origin, Rig, caps, limits};
use crate::support::until;

pub fn waits(origin: &Origin) -> Waiting {
    match origin.checkout().unwrap() {
        Checkout::Later(waiting) => waiting,
        Checkout::Now(_) => panic!("there was one at once"),
    }
}

/// What a waiter has got by now.
pub fn got(waiting: &mut Waiting) -> Option<Result<Lease>> {
    match pin!(waiting.served()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

pub async fn leases(origin: &Origin, count: usize) -> Vec<Lease> {
    let mut waiting: Vec<_> = (0..count).map(|_| waits(origin)).collect();
    let mut leases = Vec::new();
    for waiting in &mut waiting {
        leases.push(waiting.served().await.unwrap());
    }
    leases
}

#[test]
fn ten_thousand_waiters_on_64_connections_are_served_in_order() {
    const WAITERS: usize = 10_000;
    for threads in [0, 2] {
        let rig = Rig::new(threads, caps(64, 64), HTTP1);
        let origin = rig.origin(0);
        let mut held = std::collections::VecDeque::from(rig.wait(leases(&origin, 64)));
        let mut waiting: Vec<_> = (0..WAITERS).map(|_| waits(&origin)).collect();
        assert_eq!(origin.group().occupancy().waiting, WAITERS);
        for (turn, next) in waiting.iter_mut().enumerate() {
            assert!(got(next).is_none(), "{turn} was served before its turn");
            drop(held.pop_front());
            let lease = got(next).expect("whose turn it is").unwrap();
            held.push_back(lease);
            assert_eq!(origin.group().occupancy().waiting, WAITERS - turn - 1, "one at a time");
        }
        drop((held, waiting));
        rig.comes_to_rest();
        assert_eq!((rig.stats().opened, rig.world.held.most()), (64, 64));
    }
}

#[test]
fn ten_thousand_requests_at_once_are_each_answered_once() {
    const REQUESTS: usize = 10_000;
    for threads in [0, 2] {
        let rig = Rig::new(threads, caps(64, 64), HTTP1);
        let origin = rig.origin(0);
        rig.wait(async {
            let requests: Vec<_> = (0..REQUESTS).map(|_| tokio::spawn(origin.get("/"))).collect();
            for request in requests {
                assert_eq!(request.await.unwrap().unwrap().body, "ok");
            }
        });
        rig.comes_to_rest();
        assert_eq!((rig.world.counts.requests.get(), rig.world.held.most()), (REQUESTS, 64));
    }
}

#[test]
fn who_gives_up_leaves_the_order_of_the_others() {
    let rig = Rig::new(0, caps(1, 1), HTTP1);
    let origin = rig.origin(0);
    let held = rig.wait(leases(&origin, 1));
    let mut waiting: Vec<_> = (0..500).map(|_| Some(waits(&origin))).collect();
    for (at, place) in waiting.iter_mut().enumerate() {
        if at % 5 != 0 {
            *place = None;
        }
    }
    assert_eq!(origin.group().occupancy().waiting, 100);
    drop(held);
    for mut patient in waiting.into_iter().flatten() {
        assert!(got(&mut patient).expect("the next in order").is_ok());
    }
    rig.comes_to_rest();
}

#[test]
fn a_lease_that_nobody_collects_goes_to_the_next() {
    let rig = Rig::new(0, caps(1, 1), HTTP1);
    let origin = rig.origin(0);
    let held = rig.wait(leases(&origin, 1));
    let (first, mut second) = (waits(&origin), waits(&origin));
    drop(held);
    assert!(got(&mut second).is_none());
    // It has been served and does not know yet.
    drop(first);
    assert!(got(&mut second).expect("what the first left").is_ok());
    rig.comes_to_rest();
}

#[test]
fn a_full_queue_says_how_full_everything_is() {
    let rig = Rig::new(0, aipool::config::ConnectionCaps { queue: 3, ..caps(64, 512) }, HTTP1);
    let origin = rig.origin(0);
    let held = rig.wait(async {
        let mut held = Vec::new();
        for _ in 0..64 {
            held.push(origin.lease().await.unwrap());
        }
        held
    });
    let waiting: Vec<_> = (0..3).map(|_| waits(&origin)).collect();
    let error = origin.checkout().err().expect("a full queue");
    assert_eq!((error.status, error.detail, error.retryable), (Status::Limit, Detail::QueueFull, true));
    assert!(error.message.contains("64 of 64 connections to the origin in use, 3 waiting"), "{error}");
    drop((waiting, held));
    rig.comes_to_rest();
}

#[test]
fn a_failed_dial_fails_those_it_was_begun_for_and_not_who_came_later() {
    for plan in [HTTP1, HTTP2] {
        let rig = Rig::new(0, caps(64, 64), Plan { gated: true, ..plan });
        let origin = rig.origin(0);
        rig.world.fail_dials(1);
        let mut first = waits(&origin);
        rig.until("the dial", || rig.world.counts.dials.get() == 1);
        let mut later = waits(&origin);
        // HTTP/2: the second shares the dial that is under way; HTTP/1.1: it has its own, which succeeds.
        rig.world.dials_pass.add_permits(1);
        let error = rig.wait(first.served()).err().expect("its dial failed");
        assert_eq!((error.status, error.phase), (Status::Connect, Phase::Connect));
        assert!(got(&mut later).is_none());
        rig.world.dials_pass.add_permits(1);
        rig.wait(later.served()).expect("a dial of its own");
        assert_eq!(rig.world.counts.dials.get(), 2);
        drop((first, later));
        rig.comes_to_rest();
    }
}

#[test]
fn a_herd_whose_dials_fail_dials_two_or_three_times() {
    // Of an unknown server and of an HTTP/2 one: one dial serves all.
    for plan in [Plan { https: true, ..HTTP1 }, HTTP2] {
        let rig = Rig::new(0, caps(64, 64), Plan { gated: true, ..plan });
        let origin = rig.origin(0);
        rig.world.fail_dials(usize::MAX);
        let mut herd: Vec<_> = (0..50).map(|_| waits(&origin)).collect();
        rig.world.dials_pass.add_permits(50);
        rig.wait(async {
            for waiting in &mut herd {
                assert_eq!(waiting.served().await.err().expect("its dial failed").status, Status::Connect);
            }
        });
        assert!(rig.world.counts.dials.get() <= 3, "{} dials, {plan:?}", rig.world.counts.dials.get());
        rig.comes_to_rest();
    }
}

#[test]
fn a_group_at_the_total_cap_gets_the_connection_that_idled_longest() {
    let rig = Rig::new(0, caps(4, 4), HTTP1);
    let origins: Vec<_> = (0..3).map(|number| rig.origin(number)).collect();
    rig.wait(async {
        for origin in [&origins[0], &origins[1], &origins[1]] {
            drop(origin.lease().await.unwrap());
        }
    });
    // Two of the second origin's: the one is held, the other idles, for a shorter time than the first origin's.
    let held = rig.wait(async {
        let mut held = vec![origins[1].lease().await.unwrap(), origins[1].lease().await.unwrap()];
        held.pop();
        vec![held.pop().unwrap(), origins[0].lease().await.unwrap(), origins[0].lease().await.unwrap()]
    });
    assert_eq!(rig.stats().now.standing, 4);
    drop(held);
    let before = origins[1].group().occupancy().standing;
    let third = rig.wait(origins[2].lease()).unwrap();
    rig.until("one had to go", || rig.closed(CloseReason::Limit) == 1);
    assert_eq!(origins[1].group().occupancy().standing, before - 1, "the longest idle");
    drop(third);
    rig.comes_to_rest();
    assert!(rig.world.held.most() <= 4);
}

#[test]
fn caps_hold_while_three_origins_fight_for_four_places() {
    for (threads, plan) in [(0, HTTP1), (2, HTTP1), (0, Plan { most_streams: 2, ..HTTP2 })] {
        let rig = Rig::new(threads, caps(3, 4), plan);
        let origins: Vec<_> = (0..3).map(|number| rig.origin(number)).collect();
        rig.wait(async {
            let requests: Vec<_> = (0..600).map(|number| tokio::spawn(origins[number % 3].get("/"))).collect();
            for request in requests {
                request.await.unwrap().expect("an answer");
            }
        });
        rig.comes_to_rest();
        assert_eq!(rig.world.counts.requests.get(), 600);
        assert!(rig.world.held.most() <= 4 && rig.world.held.most_to_one() <= 3);
    }
}

#[test]
fn a_connection_that_becomes_idle_makes_room_for_who_starves() {
    for plan in [HTTP1, HTTP2] {
        let rig = Rig::new(0, caps(1, 1), plan);
        let (busy, starving) = (rig.origin(0), rig.origin(1));
        let held = rig.wait(busy.lease()).unwrap();
        let mut waiting = waits(&starving);
        // Nothing is idle now: the look for room finds none.
        rig.wait(async { tokio::task::yield_now().await });
        drop(held);
        rig.wait(waiting.served()).expect("the place of the other");
        drop(waiting);
        rig.comes_to_rest();
        assert_eq!((rig.closed(CloseReason::Limit), rig.world.held.most()), (1, 1));
    }
}

#[test]
fn who_starved_and_gave_up_keeps_no_place_from_the_next() {
    let rig = Rig::new(0, caps(1, 1), HTTP1);
    let origins: Vec<_> = (0..3).map(|number| rig.origin(number)).collect();
    let held = rig.wait(origins[0].lease()).unwrap();
    let (gives_up, mut patient) = (waits(&origins[1]), waits(&origins[2]));
    drop(gives_up);
    held.failed(CloseReason::Error);
    drop(rig.wait(patient.served()).expect("the place that came free"));
    rig.comes_to_rest();
    assert_eq!(rig.world.held.most(), 1);
}

#[test]
fn who_starved_and_gave_up_costs_the_others_no_connection() {
    let rig = Rig::new(0, caps(1, 1), HTTP1);
    let origins: Vec<_> = (0..2).map(|number| rig.origin(number)).collect();
    let held = rig.wait(origins[0].lease()).unwrap();
    drop(waits(&origins[1]));
    drop(held);
    rig.wait(origins[0].get("/")).unwrap();
    rig.comes_to_rest();
    assert_eq!((rig.closed(CloseReason::Limit), rig.stats().opened), (0, 1));
}

#[test]
fn all_who_wait_for_an_unknown_server_connect_at_once_when_it_speaks_http1() {
    let rig = Rig::new(0, caps(64, 64), Plan { https: true, gated: true, ..HTTP1 });
    let origin = rig.origin(0);
    let mut herd: Vec<_> = (0..50).map(|_| waits(&origin)).collect();
    rig.until("the first dial", || rig.world.counts.dials.get() == 1);
    assert_eq!(origin.group().occupancy().dialing, 1, "one dial tells what it is: {:?}", rig.stats());
    rig.world.dials_pass.add_permits(1);
    // No more pass, and yet all that are needed are under way.
    rig.until("a dial for each", || rig.world.counts.dials.get() == 50);
    rig.world.dials_pass.add_permits(49);
    let leases = rig.wait(async {
        let mut leases = Vec::new();
        for waiting in &mut herd {
            leases.push(waiting.served().await.unwrap());
        }
        leases
    });
    drop((leases, herd));
    rig.comes_to_rest();
    // Remembered: the next group of this server fans out from the start.
    drop(origin);
    rig.until("nothing is left", || rig.connections.permits_taken() == 0);
    let again = rig.origin(0);
    let herd: Vec<_> = (0..50).map(|_| waits(&again)).collect();
    assert_eq!(again.group().occupancy().dialing, 50);
    rig.world.dials_pass.add_permits(50);
    drop(herd);
    rig.until("all dialed", || again.group().occupancy().dialing == 0);
    rig.comes_to_rest();
}

#[test]
fn who_waits_when_the_last_session_closes_shares_what_stands() {
    for plan in [HTTP1, Plan { most_streams: 1, ..HTTP2 }] {
        let rig = Rig::new(0, caps(1, 1), plan);
        let origin = rig.origin(0);
        let held = rig.wait(leases(&origin, 1));
        let waiting: Vec<_> = (0..20).map(|_| waits(&origin)).collect();
        drop(origin);
        drop(held);
        for mut waiting in waiting {
            assert!(got(&mut waiting).expect("the next in order").is_ok());
        }
        rig.until("no session, no connection", || rig.world.counts.live.get() == 0);
        assert_eq!((rig.stats().opened, rig.closed(CloseReason::NoSession)), (1, 1));
    }
}

#[test]
fn a_dial_that_failed_sets_no_limit_to_the_pause_before_the_next() {
    let rig = Rig::new(0, caps(64, 64), HTTP1);
    let origin = rig.origin(0);
    rig.world.fail_dials(2);
    // Of pauses up to 500 and 1000 ms.
    let impatient = Limits { connect: Some(Duration::from_millis(100)), ..limits() };
    let mut exchange = origin.exchange("/", 0, impatient);
    exchange.persistence.retries = 2;
    let response = rig.wait(exchange.run(pin!(pending()))).unwrap();
    assert_eq!((response.report.attempts, rig.world.counts.dials.get()), (3, 3));
    rig.comes_to_rest();
}

#[test]
fn a_dial_that_begins_behind_a_waiters_back_has_its_limit() {
    let rig = Rig::new(0, caps(1, 1), Plan { gated: true, ..HTTP1 });
    let origin = rig.origin(0);
    rig.world.dials_pass.add_permits(1);
    let held = rig.wait(leases(&origin, 1)).pop().unwrap();
    let connect = Some(Duration::from_millis(100));
    let mut exchange = origin.exchange("/", 0, Limits { total: None, queue: None, connect, ..limits() });
    let [waiting] = rig.wait(async { [tokio::spawn(async move { exchange.run(pin!(pending())).await })] });
    rig.until("it waits", || origin.group().occupancy().waiting == 1);
    held.failed(CloseReason::Error);
    rig.until("its dial, which is not let through", || rig.world.counts.dials.get() == 2);
    let error = rig.wait(waiting).unwrap().unwrap_err().error;
    assert_eq!((error.detail, error.phase), (Detail::ConnectLimit, Phase::Connect));
    rig.world.dials_pass.add_permits(1);
    rig.comes_to_rest();
}

#[test]
fn a_dial_that_never_began_ends_with_its_runtime() {
    let rig = Rig::new(0, caps(64, 64), HTTP1);
    let origin = rig.origin(0);
    let on_board = Arc::new(());
    let held = on_board.clone();
    rig.runtime.spawn_background(async move {
        pending::<()>().await;
        drop(held);
    });
    rig.runtime.stop();
    until("what was on board is dropped", || Arc::strong_count(&on_board) == 1);
    let mut waiting = waits(&origin);
    assert_eq!(origin.group().occupancy().dialing, 0);
    assert_eq!(got(&mut waiting).expect("an end").err().unwrap().detail, Detail::PoolClosed);
}
