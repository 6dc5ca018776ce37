//! How connections end: by age, idleness, a server's hint, the last session, the pool; and which get no new stream.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aipool::config::{ConnectionCaps, ConnectionConfig, HttpVersion, Limits, PoolConfig, SessionConfig};
use aipool::connections::Checkout;
use aipool::error::{Detail, Phase, Status};
use aipool::events::CloseReason;
use aipool::pool::{ConnectionPool, PoolHandle};
use tokio::task::yield_now;

use crate::memory::{HTTP1, HTTP2, Memory, Plan, World};
use crate::queue::{got, waits};
use crate::rig::{Rig, caps, limits};
use crate::support::PATIENCE;

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn the_next_connection_is_opened_at_four_fifths_of_the_streams() {
    let rig = Rig::new(0, caps(64, 64), Plan { most_streams: 10, ..HTTP2 });
    let origin = rig.origin(0);
    rig.wait(origin.get("/")).unwrap();
    let mut leases = Vec::new();
    for count in 1..=10 {
        let Ok(Checkout::Now(lease)) = origin.checkout() else { panic!("request {count} waited for a dial") };
        leases.push(lease);
        let occupancy = origin.group().occupancy();
        let ahead = occupancy.dialing + occupancy.standing - 1;
        assert_eq!(ahead, usize::from(count >= 8), "{count} of 10 streams in use");
        if count == 8 {
            rig.until("the next one", || origin.group().occupancy().standing == 2 && rig.world.counts.live.get() == 2);
        }
    }
    drop(leases);
    rig.comes_to_rest();
}

#[test]
fn idle_connections_close_after_the_idle_limit() {
    for plan in [HTTP1, HTTP2] {
        let rig = Rig::new(0, ConnectionCaps { idle: SHORT, ..caps(64, 64) }, plan);
        let origin = rig.origin(0);
        rig.wait(origin.get("/")).unwrap();
        rig.until("idled out", || rig.closed(CloseReason::Idle) == 1);
        rig.comes_to_rest();
        assert_eq!(rig.stats().now.standing, 0);
    }
}

#[test]
fn a_servers_keep_alive_hint_is_kept() {
    // No time between two requests may do: a connection that the server is about to close is not kept at all.
    let rig = Rig::new(0, caps(64, 64), Plan { keep_alive: Some("timeout=1, max=100"), ..HTTP1 });
    let origin = rig.origin(0);
    rig.wait(origin.get("/")).unwrap();
    rig.until("gone before the server does it", || rig.closed(CloseReason::Idle) == 1);
    rig.comes_to_rest();
}

#[test]
fn a_server_that_keeps_no_time_gets_no_second_request() {
    let rig = Rig::new(0, caps(64, 64), Plan { keep_alive: Some("timeout=0"), ..HTTP1 });
    let origin = rig.origin(0);
    rig.wait(origin.get("/")).unwrap();
    assert!(!rig.wait(origin.get("/")).unwrap().report.reused);
    rig.until("both gone", || rig.closed(CloseReason::ServerClosed) == 2);
    rig.comes_to_rest();
}

#[test]
fn with_steady_traffic_old_connections_are_replaced_before_they_go() {
    for (threads, plan) in [(0, HTTP1), (2, HTTP1), (0, HTTP2), (2, HTTP2)] {
        let rig = Rig::new(threads, ConnectionCaps { lifetime: Some(SHORT), ..caps(4, 4) }, plan);
        let origin = rig.origin(0);
        rig.wait(origin.get("/")).unwrap();
        rig.wait(async {
            while rig.closed(CloseReason::Lifetime) < 5 {
                match origin.checkout().unwrap() {
                    Checkout::Now(lease) => drop(lease),
                    Checkout::Later(_) => panic!("a request waited for a dial; {:?}", rig.stats()),
                }
                yield_now().await;
            }
        });
        rig.comes_to_rest();
        let stats = rig.stats();
        assert_eq!(stats.closed.iter().sum::<u64>(), stats.closed[CloseReason::Lifetime.index()], "{stats:?}");
    }
}

#[test]
fn a_connection_lives_on_while_its_name_leads_to_it() {
    let lifetime = Duration::from_millis(300);
    let rig = Rig::new(0, ConnectionCaps { lifetime: Some(lifetime), ..caps(4, 4) }, Plan { addressed: true, ..HTTP1 });
    let origin = rig.origin(0);
    rig.wait(origin.get("/")).unwrap();
    rig.until("asked whether it may", || rig.world.counts.asked.get() == 1);
    assert!(rig.wait(origin.get("/")).unwrap().report.reused);
    rig.world.moved.store(true, Ordering::SeqCst);
    rig.until("replaced", || rig.closed(CloseReason::Lifetime) == 1);
    rig.comes_to_rest();
    assert!(rig.world.counts.asked.get() >= 2);
    assert_eq!((rig.stats().opened, rig.stats().now.standing), (2, 1));
}

#[test]
fn no_connection_lives_longer_than_six_lives() {
    let rig = Rig::new(0, ConnectionCaps { lifetime: Some(SHORT), ..caps(4, 4) }, Plan { addressed: true, ..HTTP2 });
    let origin = rig.origin(0);
    rig.wait(origin.get("/")).unwrap();
    rig.until("replaced", || rig.closed(CloseReason::Lifetime) == 1);
    let asked = rig.world.counts.asked.get();
    assert!((1..=6).contains(&asked), "asked {asked} times");
}

#[test]
fn a_replacement_that_fails_leaves_the_old_connection() {
    let rig = Rig::new(0, ConnectionCaps { lifetime: Some(SHORT), ..caps(4, 4) }, HTTP1);
    let origin = rig.origin(0);
    rig.wait(origin.get("/")).unwrap();
    rig.world.fail_dials(1);
    rig.until("the dial that fails", || rig.stats().failed == 1);
    // One that did not fail may have been quicker.
    let opened = rig.stats().opened;
    let Ok(Checkout::Now(lease)) = origin.checkout() else { panic!("it still serves") };
    drop(lease);
    rig.comes_to_rest();
    assert_eq!((rig.stats().opened, rig.stats().now.standing), (opened, 1));
}

#[test]
fn the_last_session_takes_idle_connections_along() {
    for plan in [HTTP1, HTTP2] {
        let rig = Rig::new(0, caps(64, 64), plan);
        let (origin, another) = (rig.origin(0), rig.origin(0));
        rig.wait(origin.get("/")).unwrap();
        drop(origin);
        rig.comes_to_rest();
        assert_eq!(rig.stats().now.standing, 1, "another session holds it");
        let busy = rig.wait(another.lease()).unwrap();
        drop(another);
        assert_eq!(rig.world.counts.live.get(), 1, "a request is under way");
        drop(busy);
        rig.until("closed", || rig.closed(CloseReason::NoSession) == 1);
        rig.world.counts.live.wait_until(|live| live == 0);
    }
}

#[test]
fn a_freed_pool_closes_all_it_had() {
    for (threads, plan) in [(0, HTTP1), (2, HTTP1), (0, HTTP2), (2, HTTP2)] {
        let world = World::new(plan);
        let connector = std::sync::Arc::new(Memory(world.clone()));
        let config = PoolConfig { threads, ..PoolConfig::default() };
        let maker = Box::new(move |_: &ConnectionConfig| Ok(connector.clone() as std::sync::Arc<_>));
        let pool = PoolHandle::owner(ConnectionPool::with_connector(config, maker).unwrap());
        let http_version = if plan.http2 { HttpVersion::Http2 } else { HttpVersion::Http1 };
        let connection = ConnectionConfig { http_version, ..ConnectionConfig::default() };
        for origin in 0..3 {
            let config = SessionConfig { connection: connection.clone(), ..SessionConfig::default() };
            let session = pool.get_session(&format!("http://origin{origin}.test"), Some(config)).unwrap();
            assert_eq!(session.request(crate::support::get("/")).unwrap().body, "ok");
        }
        assert_eq!(world.counts.live.get(), 3);
        drop(pool);
        world.counts.live.wait_until(|live| live == 0);
    }
}

#[test]
fn a_closing_pool_cuts_off_who_warms_its_connections() {
    let connector = std::sync::Arc::new(Memory(World::new(Plan { gated: true, ..HTTP1 })));
    let maker = Box::new(move |_: &ConnectionConfig| Ok(connector.clone() as std::sync::Arc<_>));
    let pool = PoolHandle::owner(ConnectionPool::with_connector(PoolConfig::default(), maker).unwrap());
    let session = crate::support::session(&pool, "http://origin.test");
    let warming = session.clone();
    let warmed = std::thread::spawn(move || warming.warm(1, PATIENCE));
    crate::support::until("it warms", || session.stats().in_flight == 1);
    assert_eq!(pool.close_all(0).unwrap_err().detail, Detail::DrainLimit);
    let error = warmed.join().unwrap().unwrap_err();
    assert_eq!((error.status, error.detail), (Status::Closed, Detail::DrainLimit), "{error}");
}

#[test]
fn files_that_are_slow_to_read_hold_up_nobody_who_wants_another_session() {
    let connector = std::sync::Arc::new(Memory(World::new(HTTP1)));
    let (reads, reading) = std::sync::mpsc::channel();
    let (read, slow) = std::sync::mpsc::channel::<()>();
    let slow = std::sync::Mutex::new(slow);
    let maker = Box::new(move |config: &ConnectionConfig| {
        if config.http_version == HttpVersion::Http1 {
            reads.send(()).unwrap();
            let _ = slow.lock().unwrap().recv_timeout(PATIENCE);
        }
        Ok(connector.clone() as std::sync::Arc<_>)
    });
    let pool = PoolHandle::owner(ConnectionPool::with_connector(PoolConfig::default(), maker).unwrap());
    let connection = ConnectionConfig { http_version: HttpVersion::Http1, ..ConnectionConfig::default() };
    let wanted = SessionConfig { connection, ..SessionConfig::default() };
    std::thread::scope(|scope| {
        let get = || pool.get_session("http://slow.test", Some(wanted.clone())).unwrap().id();
        let both = [scope.spawn(get), scope.spawn(get)];
        (0..2).for_each(|_| reading.recv_timeout(PATIENCE).unwrap());
        pool.get_session("http://other.test", None).unwrap();
        assert_eq!(pool.stats().sessions, 1, "nothing has been read yet");
        (0..2).for_each(|_| read.send(()).unwrap());
        let [one, other] = both.map(|got| got.join().unwrap());
        assert_eq!(one, other);
    });
    assert_eq!((pool.stats().sessions, pool.stats().sessions_created), (2, 2));
}

#[test]
fn a_silent_connection_gets_no_new_stream_until_something_is_read_from_it() {
    let rig = Rig::new(0, caps(64, 64), HTTP2);
    let origin = rig.origin(0);
    rig.wait(origin.get("/")).unwrap();
    let slow = origin.get("/hold");
    let [slow] = rig.wait(async { [tokio::spawn(slow)] });
    rig.until("held", || rig.world.counts.requests.get() == 2);
    let impatient = Limits { first_byte: Some(SHORT), ..limits() };
    let silent = rig.wait(origin.exchange("/silent", 0, impatient).run(pin!(std::future::pending()))).unwrap_err();
    assert_eq!((silent.error.status, silent.error.detail), (Status::Timeout, Detail::FirstByteLimit));
    let other = rig.wait(origin.get("/")).unwrap();
    assert_eq!((other.report.reused, rig.stats().now.standing), (false, 2), "nothing new on the silent one");
    // It speaks again: the fuller one is preferred again.
    rig.world.answers_pass.add_permits(1);
    let first = rig.wait(slow).unwrap().unwrap().report.connection;
    let next = rig.wait(origin.lease()).unwrap();
    assert_eq!(next.connection().id, first);
    drop(next);
    rig.comes_to_rest();
    assert_eq!(rig.closed(CloseReason::Suspect), 0);
}

#[test]
fn a_silent_connection_is_closed_with_its_last_stream() {
    let rig = Rig::new(0, caps(64, 64), HTTP2);
    let origin = rig.origin(0);
    rig.wait(origin.get("/")).unwrap();
    // Longer than the server takes for what it still has to say about the stream before.
    let impatient = Limits { first_byte: Some(Duration::from_millis(200)), ..limits() };
    let silent = rig.wait(origin.exchange("/silent", 0, impatient).run(pin!(std::future::pending()))).unwrap_err();
    assert_eq!(silent.error.detail, Detail::FirstByteLimit);
    rig.until("closed", || rig.closed(CloseReason::Suspect) == 1);
    rig.comes_to_rest();
    assert!(!rig.wait(origin.get("/")).unwrap().report.reused);
}

#[test]
fn who_waits_for_a_silent_connection_is_served_when_something_is_read_from_it() {
    // No second connection is allowed.
    let rig = Rig::new(0, caps(1, 1), HTTP2);
    let origin = rig.origin(0);
    rig.wait(origin.get("/")).unwrap();
    let drips = origin.get("/drips");
    let [drips] = rig.wait(async { [tokio::spawn(drips)] });
    rig.until("begun", || rig.world.counts.requests.get() == 2);
    let impatient = Limits { first_byte: Some(Duration::from_millis(200)), ..limits() };
    rig.wait(origin.exchange("/silent", 0, impatient).run(pin!(std::future::pending()))).unwrap_err();
    let mut waiting = waits(&origin);
    assert!(got(&mut waiting).is_none());
    // A piece of the first stream's body, which goes on.
    rig.world.answers_pass.add_permits(1);
    let lease = rig.wait(waiting.served()).unwrap();
    assert!(lease.reused() && !drips.is_finished());
    rig.world.answers_pass.add_permits(1);
    assert_eq!(rig.wait(drips).unwrap().unwrap().body, "drip drop");
    drop((lease, waiting));
    rig.comes_to_rest();
}

#[test]
fn a_connection_whose_tokens_flow_is_not_suspected_for_a_limit_of_the_whole() {
    let rig = Rig::new(0, caps(64, 64), HTTP2);
    let origin = rig.origin(0);
    rig.world.answers_pass.add_permits(1);
    let impatient = Limits { total: Some(Duration::from_millis(200)), ..limits() };
    let late = rig.wait(origin.exchange("/drips", 0, impatient).run(pin!(std::future::pending()))).unwrap_err();
    assert_eq!((late.error.detail, late.error.phase), (Detail::TotalLimit, Phase::Body));
    assert!(rig.wait(origin.get("/")).unwrap().report.reused);
    rig.comes_to_rest();
    assert_eq!(rig.closed(CloseReason::Suspect), 0);
}
