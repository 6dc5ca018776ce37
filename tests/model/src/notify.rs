//! What `tokio::sync::Notify` promises: a permit kept for who comes next, none lost with who gives up, and calls to all who wait.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use shuttle::sync::Mutex;

#[derive(Default)]
pub struct Notify(Mutex<State>);

#[derive(Default)]
struct State {
    permit: bool,
    /// Calls to all so far.
    calls: u64,
    /// Who waits, the longest first.
    waiting: VecDeque<Waiting>,
    /// Tickets of those who were given a permit and have not looked yet.
    given: Vec<u64>,
    tickets: u64,
}

struct Waiting {
    ticket: u64,
    waker: Option<Waker>,
}

pub struct Notified<'a> {
    notify: &'a Notify,
    calls: u64,
    stage: Stage,
}

enum Stage {
    New,
    Waiting(u64),
    Done,
}

impl Notify {
    pub fn new() -> Notify {
        Notify::default()
    }

    pub fn notify_one(&self) {
        let mut state = self.0.lock().unwrap();
        let Some(first) = state.waiting.pop_front() else {
            state.permit = true;
            return;
        };
        state.given.push(first.ticket);
        drop(state);
        first.waker.into_iter().for_each(Waker::wake);
    }

    pub fn notify_waiters(&self) {
        let mut state = self.0.lock().unwrap();
        state.calls += 1;
        let all = std::mem::take(&mut state.waiting);
        drop(state);
        all.into_iter().filter_map(|waiting| waiting.waker).for_each(Waker::wake);
    }

    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, calls: self.0.lock().unwrap().calls, stage: Stage::New }
    }
}

impl Notified<'_> {
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.get_mut().look(None).is_ready()
    }

    fn look(&mut self, waker: Option<&Waker>) -> Poll<()> {
        let mut state = self.notify.0.lock().unwrap();
        match self.stage {
            Stage::Done => return Poll::Ready(()),
            Stage::New if state.calls == self.calls && !state.permit => {
                state.tickets += 1;
                let ticket = state.tickets;
                state.waiting.push_back(Waiting { ticket, waker: waker.cloned() });
                self.stage = Stage::Waiting(ticket);
                return Poll::Pending;
            }
            // A call to all leaves the permit to others.
            Stage::New if state.calls == self.calls => state.permit = false,
            Stage::New => {}
            Stage::Waiting(ticket) => {
                if let Some(waiting) = state.waiting.iter_mut().find(|waiting| waiting.ticket == ticket) {
                    waiting.waker = waker.cloned().or(waiting.waker.take());
                    return Poll::Pending;
                }
                state.given.retain(|given| *given != ticket);
            }
        }
        self.stage = Stage::Done;
        Poll::Ready(())
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.get_mut().look(Some(cx.waker()))
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Stage::Waiting(ticket) = self.stage else { return };
        let mut state = self.notify.0.lock().unwrap();
        state.waiting.retain(|waiting| waiting.ticket != ticket);
        let unused = state.given.contains(&ticket);
        state.given.retain(|given| *given != ticket);
        drop(state);
        if unused {
            self.notify.notify_one();
        }
    }
}
