//! A few library threads for what blocks by nature (name look-ups): never the thread that drives the I/O.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::lock::lock;
use crate::sys;

/// A dead resolver holds a thread for up to half a minute: few are not enough, and idle ones end.
const MOST: usize = 32;
const IDLE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub struct Workers {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

/// Runs `job` on a worker thread and gives its result back.
pub async fn offload<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    sys::process_state::<Workers>().submit(Box::new(move || {
        // Whoever asked may have given up while the job was in the queue: others wait behind it.
        if !done.is_closed() {
            let _ = done.send(job());
        }
    }))?;
    result.await.map_err(|_| io::Error::other("the worker thread ended"))
}

impl Workers {
    fn submit(&'static self, job: Job) -> io::Result<()> {
        let mut queue = lock(&self.queue);
        queue.jobs.push_back(job);
        if queue.idle < queue.jobs.len() && queue.threads < MOST {
            queue.threads += 1;
            if let Err(error) = sys::spawn_thread("aipool-worker", || self.work()) {
                queue.threads -= 1;
                // Others will get to the job; with none, it must not wait for ever.
                if queue.threads == 0 {
                    queue.jobs.pop_back();
                    return Err(error);
                }
            }
        }
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    fn work(&self) {
        let mut queue = lock(&self.queue);
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                drop(queue);
                // A job that panics drops its sender: the waiter gets an error, the thread goes on.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                queue = lock(&self.queue);
                continue;
            }
            queue.idle += 1;
            let (woken, wait) = self.wake.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            queue.idle -= 1;
            if wait.timed_out() && queue.jobs.is_empty() {
                queue.threads -= 1;
                return;
            }
        }
    }
}
