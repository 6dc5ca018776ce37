//! Tasks that threads outside hand in. Whoever drives starts them as it begins; who drives already is woken, once for all that come
//! meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use tokio::sync::Notify;

use crate::driver::TaskGuard;
use crate::lock::lock;

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
    tasks: Vec<CountedTask>,
    /// The runtime has ended.
    closed: bool,
}

impl Submissions {
    /// Hands one in, from any thread: it ends here where the runtime has.
    pub fn push(&self, task: CountedTask) {
        let mut pending = lock(&self.pending);
        if !pending.closed {
            pending.tasks.push(task);
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

    /// Starts what was handed in: within the runtime, by who begins to drive.
    pub fn start(&self) {
        for task in self.take(false) {
            tokio::spawn(task);
        }
    }

    /// Starts what is handed in while somebody drives: a task of the runtime's own.
    pub async fn start_all(&self) {
        loop {
            self.came.notified().await;
            self.start();
        }
    }

    /// Takes no more; what was not started is dropped.
    pub fn close(&self) {
        drop(self.take(true));
    }

    fn take(&self, closes: bool) -> Vec<CountedTask> {
        let mut pending = lock(&self.pending);
        pending.closed |= closes;
        std::mem::take(&mut pending.tasks)
    }
}
