//! What the queue holds and is held by, as little of it as it asks for.

pub mod body {
    pub mod pipe {
        use std::sync::atomic::{AtomicBool, Ordering};

        #[derive(Default)]
        pub struct Pipe(AtomicBool);

        impl Pipe {
            pub fn abandon(&self) {
                self.0.store(true, Ordering::SeqCst);
            }

            pub fn is_abandoned(&self) -> bool {
                self.0.load(Ordering::SeqCst)
            }
        }

        pub trait ReadinessListener: Send + Sync {
            fn on_ready(&self);
        }
    }

    pub mod reader {
        #[derive(Clone, Default)]
        pub struct Plan;
    }
}

pub mod response {
    #[derive(Debug)]
    pub struct Response;
}

pub mod answer {
    use std::sync::Arc;

    use crate::body::pipe::Pipe;
    use crate::body::reader::Plan;
    use crate::response::Response;
    use crate::runtime::Runtime;

    pub struct Answer {
        pub response: Response,
    }

    impl Answer {
        pub fn whole(response: Response, _: Plan) -> Answer {
            Answer { response }
        }

        pub fn of_failure(response: Response, plan: Plan, _: &crate::error::Error) -> Answer {
            Answer::whole(response, plan)
        }

        pub fn streaming(response: Response, _: Plan, _: Arc<Pipe>, _: Runtime) -> Answer {
            Answer { response }
        }
    }
}

pub mod request {
    use crate::error::Error;
    use crate::response::Response;

    pub struct Failure {
        pub error: Error,
        pub response: Option<Box<Response>>,
    }

    pub trait Sink: Send + Sync {
        fn headed(&self, response: Response);
        fn ended(&self, outcome: Result<Option<Response>, Failure>);
    }
}

pub mod cancel {
    use std::sync::Arc;

    use shuttle::lazy_static;
    use shuttle::sync::Mutex;

    use crate::error::Result;
    use crate::lock::lock;
    use crate::sync::Notify;

    lazy_static! {
        static ref FLAGS: Mutex<Vec<Arc<Flag>>> = Mutex::default();
    }

    #[derive(Default)]
    struct Flag {
        fired: Mutex<bool>,
        wake: Notify,
    }

    #[derive(Clone, Copy)]
    pub struct Cancel(u64);

    pub struct Hold(Cancel);

    impl Hold {
        pub fn cancel(&self) -> Cancel {
            self.0
        }
    }

    impl Cancel {
        pub fn for_one_wait() -> Result<Hold> {
            let mut flags = lock(&FLAGS);
            flags.push(Arc::default());
            Ok(Hold(Cancel(flags.len() as u64 - 1)))
        }

        pub fn from_id(id: u64) -> Cancel {
            Cancel(id)
        }

        pub fn id(self) -> u64 {
            self.0
        }

        fn flag(self) -> Arc<Flag> {
            lock(&FLAGS)[usize::try_from(self.0).unwrap()].clone()
        }

        pub fn fire(self) {
            let flag = self.flag();
            *lock(&flag.fired) = true;
            flag.wake.notify_waiters();
        }

        pub async fn fired(self) {
            let flag = self.flag();
            loop {
                let mut woken = std::pin::pin!(flag.wake.notified());
                woken.as_mut().enable();
                if *lock(&flag.fired) {
                    return;
                }
                woken.await;
            }
        }
    }
}

pub mod runtime {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Poll;
    use std::time::Duration;

    use shuttle::future::JoinHandle;

    use crate::error::Result;
    use crate::sync::{AtomicBool, Mutex, Ordering, sleep};

    /// Tasks that go on by themselves, whoever waits.
    #[derive(Clone, Default)]
    pub struct Runtime(Arc<Shared>);

    #[derive(Default)]
    struct Shared {
        stopping: AtomicBool,
        background: Mutex<Vec<JoinHandle<()>>>,
    }

    impl Runtime {
        pub fn stop(&self) {
            self.0.stopping.store(true, Ordering::SeqCst);
        }

        pub fn is_stopping(&self) -> bool {
            self.0.stopping.load(Ordering::SeqCst)
        }

        pub fn watch_cancels(&self) {}

        pub fn spawn_background(&self, task: impl Future<Output = ()> + Send + 'static) {
            let task = shuttle::future::spawn(task);
            self.0.background.lock().unwrap().push(task);
        }

        /// Waits for the end of what was spawned.
        pub fn join(&self) {
            let background = std::mem::take(&mut *self.0.background.lock().unwrap());
            background.into_iter().for_each(|task| shuttle::future::block_on(task).unwrap());
        }

        /// A limit below a second runs out at any time, others never.
        pub fn wait_at_most<F: Future>(&self, future: F, limit: Duration) -> Result<Option<F::Output>> {
            let (mut future, mut late) = (pin!(future), pin!(sleep(limit)));
            let runs_out = limit < Duration::from_secs(1);
            Ok(shuttle::future::block_on(std::future::poll_fn(|cx| {
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return Poll::Ready(Some(output));
                }
                if runs_out { late.as_mut().poll(cx).map(|()| None) } else { Poll::Pending }
            })))
        }
    }
}
