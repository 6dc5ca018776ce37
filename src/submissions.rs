//! Tasks that threads outside hand in. Whoever drives starts them as it begins; who drives already is woken, once for all that come
//! meanwhile.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use tokio::sync::Notify;

use crate::driver::TaskGuard;
use crate::lock::lock;

/// So many are started at once, and run into their first waits before others are: what a beginning needs is not held by a thousand
/// at a time.
const AT_ONCE: usize = 16;

/// A task that counts as unfinished until its end.
pub struct CountedTask {
    pub future: Pin<Box<dyn Future<Output = ()> + Send>>,
    pub count: TaskGuard,
}

impl Future for CountedTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.future.as_mut().poll(cx)
    }
}

/// Tasks that nobody has started yet.
#[derive(Default)]
pub struct Submissions {
    pending: Mutex<Pending>,
    came: Notify,
}

#[derive(Default)]
struct Pending {
    tasks: VecDeque<CountedTask>,
    /// The runtime has ended.
    closed: bool,
}

impl Submissions {
    /// Hands one in, from any thread: it ends here where the runtime has.
    pub fn push(&self, task: CountedTask) {
        let mut pending = lock(&self.pending);
        if !pending.closed {
            pending.tasks.push_back(task);
            return;
        }
        // Unlocked first: who hears of its end may submit again.
        drop(pending);
        drop(task);
    }

    /// Wakes whoever drives.
    pub fn wake(&self) {
        self.came.notify_one();
    }

    /// Starts what was handed in: within the runtime, by who begins to drive. Of a great many, the first.
    pub fn start(&self) {
        let tasks = {
            let mut pending = lock(&self.pending);
            let count = pending.tasks.len();
            if count <= AT_ONCE {
                std::mem::take(&mut pending.tasks)
            } else {
                self.wake();
                pending.tasks.drain(..AT_ONCE).collect()
            }
        };
        for task in tasks {
            tokio::spawn(task);
        }
    }

    /// Starts what is handed in while somebody drives: a task of the runtime's own.
    pub async fn start_all(&self) {
        loop {
            self.came.notified().await;
            self.start();
            tokio::task::yield_now().await;
        }
    }

    /// Takes no more; what was not started is dropped.
    pub fn close(&self) {
        let left = {
            let mut pending = lock(&self.pending);
            pending.closed = true;
            std::mem::take(&mut pending.tasks)
        };
        drop(left);
    }
}
