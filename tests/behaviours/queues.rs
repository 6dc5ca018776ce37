//! Requests that nobody waits for: what becomes of them comes out of a queue.

use aipool::answer::{Answer, Read};
use aipool::error::Error;
use aipool::queue::{Completion, Queue, Waited};
use aipool::request::Request;
use support::PATIENCE;

use super::*;

/// One completion, when it comes.
fn next(queue: &Queue) -> (u64, Completion) {
    loop {
        let mut taken = None;
        queue.take(1, |tag, completion| {
            taken = Some((tag, completion));
            Ok(())
        });
        match taken {
            Some(taken) => return taken,
            None => assert!(matches!(queue.wait(PATIENCE).unwrap(), Waited::News)),
        }
    }
}

/// The end that comes next.
fn end(queue: &Queue) -> (u64, Result<(), Error>, Option<Arc<Answer>>) {
    match next(queue) {
        (tag, Completion::Done(outcome, answer)) => (tag, outcome, answer),
        _ => panic!("it is no end"),
    }
}

/// Closes the queue: it has nothing left to tell.
fn close(queue: &Queue) {
    queue.close();
    assert_eq!(queue.take(1, |_, completion| Err(completion)), 0);
    assert!(matches!(queue.wait(PATIENCE).unwrap(), Waited::Over));
}

pub fn submitted_requests_end_once_each_with_their_tag(over: Over) {
    let pool = pool(over);
    let (session, queue) = (session(&pool, &sandbox().http), pool.queue());
    let tags = [0, 7, u64::MAX];
    for (tag, bytes) in tags.into_iter().zip(["/bytes/1", "/bytes/2", "/bytes/3"]) {
        session.submit(get(bytes), &queue, tag).unwrap();
    }
    let mut came: Vec<_> = (0..3)
        .map(|_| {
            let (tag, outcome, answer) = end(&queue);
            outcome.unwrap();
            (answer.unwrap().body().unwrap().len(), tag)
        })
        .collect();
    came.sort_unstable();
    assert_eq!(came, [(1, tags[0]), (2, tags[1]), (3, tags[2])]);
    close(&queue);
}

pub fn cancelled_submission_ends_once_as_cancelled(over: Over) {
    let pool = pool(over);
    let (session, queue) = (session(&pool, &sandbox().http), pool.queue());
    let (cancel, name) = (Cancel::new().unwrap(), unique("cancelled"));
    let held = get(&format!("/hold/{name}"));
    session.submit(Request { cancel: Some(cancel), ..held }, &queue, 9).unwrap();
    wait_held(&name, 1);
    assert!(cancel.fire());
    let (tag, outcome, answer) = end(&queue);
    let error = outcome.unwrap_err();
    assert_eq!((tag, error.status, error.delivery), (9, Status::Cancelled, Delivery::MaybeSent), "{error:?}");
    assert!(answer.is_none());
    wait_gone(&name);
    close(&queue);
    assert!(cancel.free());
}

pub fn closing_takes_no_more_and_ends_after_the_last(over: Over) {
    let pool = pool(over);
    let (session, queue, name) = (session(&pool, &sandbox().http), pool.queue(), unique("closing"));
    session.submit(get(&format!("/hold/{name}")), &queue, 1).unwrap();
    wait_held(&name, 1);
    queue.close();
    let error = session.submit(get("/echo"), &queue, 2).unwrap_err();
    assert_eq!((error.status, error.detail, error.delivery), (Status::Closed, Detail::QueueClosed, Delivery::NotSent));
    assert!(matches!(queue.wait(Duration::ZERO).unwrap(), Waited::RanOut));
    support::release(&name);
    let (tag, outcome, answer) = end(&queue);
    outcome.unwrap();
    assert_eq!((tag, answer.unwrap().response.status.as_u16()), (1, 200));
    close(&queue);
}

pub fn requests_given_up_together_leave_the_pool_usable(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let lease = pool.acquire(&listener.http, None).unwrap();
    let (queue, name) = (pool.queue(), unique("given-up"));
    let held = get(&format!("/hold/{name}"));
    lease.submit(held.clone(), &queue, 1).unwrap();
    lease.submit(held.clone(), &queue, 2).unwrap();
    let streamed = lease.submit(streamed(held), &queue, 3);
    if !over.lacks(&streamed, STREAMS) {
        streamed.unwrap();
    }
    wait_held(&name, if over.reqwest() { 2 } else { 3 });
    queue.free();
    wait_gone(&name);
    assert_eq!(lease.submit(get("/echo"), &queue, 4).unwrap_err().status, Status::Closed);
    assert_eq!(queue.wait(PATIENCE).err().unwrap().status, Status::Cancelled);
    assert_eq!(lease.request(get("/echo")).unwrap().status, 200);
    drop(lease);
    until("nothing is in use", || {
        let stats = pool.stats();
        (stats.leased, stats.in_flight, stats.connections.now.in_use) == (0, 0, 0)
    });
}

pub fn wake_brings_a_waiter_back_with_nothing(over: Over) {
    let pool = pool(over);
    let queue = pool.queue();
    // Before anybody waits, and while somebody may.
    queue.wake();
    assert!(matches!(queue.wait(PATIENCE).unwrap(), Waited::Woken));
    let waiting = queue.clone();
    let waiter = std::thread::spawn(move || waiting.wait(PATIENCE).unwrap());
    queue.wake();
    assert!(matches!(waiter.join().unwrap(), Waited::Woken));
    assert!(matches!(queue.wait(Duration::ZERO).unwrap(), Waited::RanOut));
}

pub fn readable_comes_after_a_read_in_vain(over: Over) {
    let pool = pool(over);
    let (session, queue) = (session(&pool, &sandbox().http), pool.queue());
    let submitted = session.submit(chat("one two", "drip=50"), &queue, 5);
    if over.lacks(&submitted, STREAMS) {
        return close(&queue);
    }
    submitted.unwrap();
    let (tag, Completion::Head(stream)) = next(&queue) else { panic!("there is no head") };
    let (mut events, mut in_vain) = (0, 0);
    loop {
        match stream.next_event(Duration::ZERO, |_| ()).unwrap() {
            Read::Got(()) => events += 1,
            Read::End => break,
            Read::Nothing => {
                in_vain += 1;
                assert!(matches!(next(&queue), (5, Completion::Readable)));
            }
        }
    }
    assert_eq!((tag, events), (5, 7));
    assert!(in_vain > 0, "all of it was there at once");
    end(&queue).1.unwrap();
    close(&queue);
}
