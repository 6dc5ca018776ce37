//! Completion queues: requests that nobody waits for are submitted to one, and consumers take what became of them, in batches.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::abort::Abort;
use crate::answer::Answer;
use crate::body::pipe::{Pipe, ReadinessListener};
use crate::body::reader::Plan;
use crate::cancel::Cancel;
use crate::error::{Detail, Error, Result, Status};
use crate::lock::lock;
use crate::readiness::Readiness;
use crate::request::{Failure, Sink};
use crate::response::Response;
use crate::runtime::Runtime;
use crate::sync::{Mutex, MutexGuard, Notify, sleep};

/// Where no flag is to be had, it is asked for again so soon.
const UNTIL_A_FLAG: Duration = Duration::from_millis(10);

/// Where completions of one pool's requests gather.
pub struct Queue {
    /// Names the pool it belongs to.
    pub pool: u64,
    runtime: Runtime,
    state: Mutex<State>,
    /// Those who wait in `next`.
    consumers: Notify,
    abort: Abort,
}

#[derive(Default)]
struct State {
    /// Operations with something to tell, each once.
    ready: VecDeque<Arc<Operation>>,
    /// Accepted, and their one end not yet taken.
    accepted: usize,
    /// Takes no more operations.
    closed: bool,
    /// Nobody will take anything any more.
    freed: bool,
    /// Somebody wants a consumer back.
    woken: bool,
    readiness: Readiness,
}

impl State {
    fn has_news(&self) -> bool {
        self.woken || !self.ready.is_empty()
    }
}

/// One submitted request.
pub struct Operation {
    /// Itself: whoever tells of it holds it.
    me: Weak<Operation>,
    queue: Arc<Queue>,
    tag: u64,
    plan: Plan,
    pipe: Option<Arc<Pipe>>,
    runtime: Runtime,
    news: Mutex<News>,
}

/// What an operation has to tell.
#[derive(Default)]
struct News {
    headed: Option<Arc<Answer>>,
    readable: bool,
    writable: bool,
    ended: Option<(Result<()>, Option<Arc<Answer>>)>,
    /// It is among the ready ones.
    queued: bool,
}

impl News {
    /// The next completion, in the order in which things happen.
    fn next(&mut self) -> Option<Completion> {
        if let Some(answer) = self.headed.take() {
            return Some(Completion::Head(answer));
        }
        if std::mem::take(&mut self.readable) {
            return Some(Completion::Readable);
        }
        if std::mem::take(&mut self.writable) {
            return Some(Completion::Writable);
        }
        self.ended.take().map(|(outcome, answer)| Completion::Done(outcome, answer))
    }

    /// A completion that nobody could take: it is the next again.
    fn put_back(&mut self, completion: Completion) {
        match completion {
            Completion::Head(answer) => self.headed = Some(answer),
            Completion::Readable => self.readable = true,
            Completion::Writable => self.writable = true,
            Completion::Done(outcome, answer) => self.ended = Some((outcome, answer)),
        }
    }
}

/// One thing that happened to an operation.
pub enum Completion {
    /// A stream's head came; its body follows.
    Head(Arc<Answer>),
    /// There is something to read, after a read in vain.
    Readable,
    /// There is room in the upload, after a write in vain.
    Writable,
    /// The one end. With the response where it was no stream, and with what some failures carry.
    Done(Result<()>, Option<Arc<Answer>>),
}

/// How a wait for completions ended.
pub enum Waited {
    /// Some may be there.
    News,
    /// `wake` was called.
    Woken,
    /// The queue is closed, and all has been taken.
    Over,
    RanOut,
}

impl Queue {
    pub fn new(pool: u64, runtime: Runtime) -> Arc<Queue> {
        Arc::new(Queue { pool, runtime, state: Mutex::default(), consumers: Notify::new(), abort: Abort::default() })
    }

    /// Takes an operation on: from now on its end will be told, so there is room for it.
    pub fn accept(
        self: &Arc<Self>,
        tag: u64,
        plan: Plan,
        pipe: Option<Arc<Pipe>>,
        runtime: Runtime,
    ) -> Result<Arc<Operation>> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Error::new(Status::Closed, "queue: is closed; make another").detail(Detail::QueueClosed));
        }
        state.accepted += 1;
        let room = state.accepted;
        let more = room.saturating_sub(state.ready.len());
        state.ready.reserve(more);
        drop(state);
        let queue = self.clone();
        Ok(Arc::new_cyclic(|me| Operation { me: me.clone(), queue, tag, plan, pipe, runtime, news: Mutex::default() }))
    }

    /// Hands up to `most` completions to `take`, oldest operation first. One that `take` refuses stays.
    pub fn take(
        &self,
        most: usize,
        mut take: impl FnMut(u64, Completion) -> std::result::Result<(), Completion>,
    ) -> usize {
        let mut taken = 0;
        let mut state = lock(&self.state);
        while taken < most {
            let Some(operation) = state.ready.front().cloned() else { break };
            let mut news = lock(&operation.news);
            let Some(completion) = news.next() else {
                news.queued = false;
                state.ready.pop_front();
                continue;
            };
            let is_end = matches!(completion, Completion::Done(..));
            if let Err(refused) = take(operation.tag, completion) {
                news.put_back(refused);
                break;
            }
            taken += 1;
            if is_end {
                state.accepted -= 1;
            }
        }
        while state.ready.front().is_some_and(|operation| operation.has_nothing_left()) {
            state.ready.pop_front();
        }
        self.settle(state);
        taken
    }

    /// Waits until there may be something to take.
    pub fn wait(&self, limit: Duration) -> Result<Waited> {
        if limit.is_zero() {
            return Ok(self.look()?.unwrap_or(Waited::RanOut));
        }
        let waited = self.runtime.wait_at_most(self.news(), limit)?;
        waited.unwrap_or(Ok(Waited::RanOut))
    }

    async fn news(&self) -> Result<Waited> {
        loop {
            let mut told = std::pin::pin!(self.consumers.notified());
            told.as_mut().enable();
            if let Some(waited) = self.look()? {
                return Ok(waited);
            }
            told.await;
        }
    }

    fn look(&self) -> Result<Option<Waited>> {
        let mut state = lock(&self.state);
        if state.freed {
            return Err(Error::new(Status::Cancelled, "queue: was freed while it was waited for"));
        }
        if !state.ready.is_empty() {
            return Ok(Some(Waited::News));
        }
        if std::mem::take(&mut state.woken) {
            self.settle(state);
            return Ok(Some(Waited::Woken));
        }
        let over = self.is_over(&state);
        if over {
            // For all who wait, one after the other.
            self.consumers.notify_one();
        }
        Ok(over.then_some(Waited::Over))
    }

    /// Brings one waiting consumer back with nothing, or the next one that comes.
    pub fn wake(&self) {
        let mut state = lock(&self.state);
        state.woken = true;
        self.settle(state);
    }

    /// A pool that was freed takes no more requests, so its queue is as good as closed.
    fn is_over(&self, state: &State) -> bool {
        state.accepted == 0 && (state.closed || self.runtime.is_stopping())
    }

    /// Tells who waits that the pool was freed.
    pub fn pool_ended(&self) {
        self.settle(lock(&self.state));
        self.consumers.notify_waiters();
    }

    /// Takes no more operations; those accepted go on to their ends.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        self.settle(state);
        self.consumers.notify_waiters();
    }

    /// Its owner gave it up: operations under way are cut off, and what was not taken is freed.
    pub fn free(&self) {
        let mut state = lock(&self.state);
        (state.closed, state.freed) = (true, true);
        let untaken = std::mem::take(&mut state.ready);
        state.readiness = Readiness::default();
        drop(state);
        self.abort.fire();
        self.consumers.notify_waiters();
        for operation in untaken {
            operation.give_up();
        }
    }

    /// Ends when the queue is freed.
    pub async fn cut_off(&self) -> Error {
        self.abort.fired().await;
        Error::new(Status::Cancelled, "queue: was freed while the request was under way")
    }

    /// Keeps a flag that wakes when it is fired, in `place`: a signal handler can do no more than fire one.
    pub fn keep_a_flag(self: &Arc<Self>, place: impl Fn(u64) + Send + 'static) -> Result<()> {
        let mut flag = Cancel::for_one_wait()?;
        place(flag.cancel().id());
        self.runtime.watch_cancels();
        let queue = self.clone();
        self.runtime.spawn_background(async move {
            loop {
                tokio::select! {
                    () = flag.cancel().fired() => {}
                    _ = queue.cut_off() => return,
                }
                // A fired flag stays fired: the next wake needs another. Where a million are live, wakes wait until one is not.
                let Ok(fresh) = Cancel::for_one_wait() else {
                    sleep(UNTIL_A_FLAG).await;
                    continue;
                };
                place(fresh.cancel().id());
                flag = fresh;
                queue.wake();
            }
        });
        Ok(())
    }

    /// A descriptor of the caller's own that is readable exactly while there is something to take.
    #[cfg(unix)]
    pub fn descriptor(&self) -> Result<std::os::fd::OwnedFd> {
        let mut state = lock(&self.state);
        let descriptor = state.readiness.descriptor()?;
        self.settle(state);
        Ok(descriptor)
    }

    /// From now on `descriptor` is written to whenever the queue stops being empty; `None` ends that.
    #[cfg(unix)]
    pub fn notify(&self, descriptor: Option<std::os::fd::BorrowedFd<'_>>) -> Result<()> {
        let mut state = lock(&self.state);
        state.readiness.write_to(descriptor)?;
        self.settle(state);
        Ok(())
    }

    /// Brings the descriptors into line with what there is, and passes the wake on to one more consumer.
    fn settle(&self, mut state: MutexGuard<'_, State>) {
        let shows = state.has_news() || self.is_over(&state);
        state.readiness.set(shows);
        drop(state);
        if shows {
            self.consumers.notify_one();
        }
    }

    fn post(&self, operation: &Arc<Operation>, tell: impl FnOnce(&mut News)) {
        let mut state = lock(&self.state);
        if state.freed {
            drop(state);
            return operation.give_up();
        }
        let mut news = lock(&operation.news);
        tell(&mut news);
        if !std::mem::replace(&mut news.queued, true) {
            state.ready.push_back(operation.clone());
        }
        drop(news);
        self.settle(state);
    }
}

impl Operation {
    /// Asked while it is among the ready ones: false as long as it belongs there.
    fn has_nothing_left(&self) -> bool {
        let mut news = lock(&self.news);
        let left = news.headed.is_some() || news.readable || news.writable || news.ended.is_some();
        news.queued = left;
        !left
    }

    /// It was accepted and could not begin: there is no end to tell.
    pub fn never_began(&self) {
        let mut state = lock(&self.queue.state);
        state.accepted -= 1;
        self.queue.settle(state);
    }

    fn give_up(&self) {
        if let Some(pipe) = &self.pipe {
            pipe.abandon();
        }
    }

    pub fn body_side(&self) -> Arc<dyn ReadinessListener> {
        Arc::new(BodySide(self.me.clone()))
    }

    pub fn upload_side(&self) -> Arc<dyn ReadinessListener> {
        Arc::new(UploadSide(self.me.clone()))
    }

    fn post(&self, tell: impl FnOnce(&mut News)) {
        if let Some(operation) = self.me.upgrade() {
            self.queue.post(&operation, tell);
        }
    }
}

impl Sink for Operation {
    fn headed(&self, response: Response) {
        let Some(pipe) = self.pipe.clone() else { return };
        let answer = Arc::new(Answer::streaming(response, self.plan.clone(), pipe, self.runtime.clone()));
        self.post(|news| news.headed = Some(answer));
    }

    fn ended(&self, outcome: std::result::Result<Option<Response>, Failure>) {
        let (outcome, response) = match outcome {
            Ok(response) => (Ok(()), response),
            Err(Failure { error, response }) => (Err(error), response.map(|response| *response)),
        };
        let plan = self.plan.clone();
        let answer = response.map(|response| match &outcome {
            Ok(()) => Arc::new(Answer::whole(response, plan)),
            Err(error) => Arc::new(Answer::of_failure(response, plan, error)),
        });
        self.post(|news| news.ended = Some((outcome, answer)));
    }
}

// An operation is told of in two roles, by what it shares with its caller; weakly, for it holds them too.

struct BodySide(Weak<Operation>);

impl ReadinessListener for BodySide {
    fn on_ready(&self) {
        if let Some(operation) = self.0.upgrade() {
            operation.post(|news| news.readable = true);
        }
    }
}

struct UploadSide(Weak<Operation>);

impl ReadinessListener for UploadSide {
    fn on_ready(&self) {
        if let Some(operation) = self.0.upgrade() {
            operation.post(|news| news.writable = true);
        }
    }
}
