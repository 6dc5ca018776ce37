//! A warm, bounded, observable pool of HTTP sessions for AI clients, behind a C ABI.
//!
//! The Rust API is internal: async inside, blocking at the doors, free to change. The C API is the promise.
//!
//! One call from C to the socket and back:
//! 1. [`ffi::session`] checks the arguments and copies them into a [`request::Request`].
//! 2. [`session::SessionHandle`] has [`route`] find the connections, makes a [`request::Exchange`], and waits for it in [`runtime`].
//! 3. [`request`] runs it: `supervise` ends it at a limit or a cancel, `attempts` follows redirects and retries, `send` goes over one
//!    connection after the other until a head has come.
//! 4. [`connections`] lends a connection for that: an idle one, a stream of a shared one, or one that is dialled.
//! 5. [`transport`] dials (names, TCP, proxies, TLS) and speaks HTTP over the socket.
//! 6. What came goes up as a value: a [`response::Response`], in its caller's hands an [`answer::Answer`]; a stream's body through a
//!    [`body::pipe::Pipe`].
//!
//! A client of a provider stands before that: [`clients::Client`] has its [`clients::service::Service`] write the call, and then sends
//! it over a session as any caller would. Who waits for nothing submits, and a [`queue::Queue`] tells what became of it.
//!
//! The modules, top to ground; none imports from above itself:
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | 1 | [`ffi`] | the C boundary: parse, call, map |
//! | 2 | [`clients`] | clients of AI providers |
//! | 3 | [`pool`] | sessions by key, least recently used first out, and the global pool |
//! | 3 | [`pool_stats`] | a pool's numbers |
//! | 3 | [`session`] | a base URL and an identity, shared by handles; requests in tasks of their own |
//! | 3 | [`queue`] | completion queues: what became of requests that nobody waits for |
//! | 3 | [`route`] | over which connections a session's requests go |
//! | 3 | [`request`] | the life of one request: limits, attempts, redirects, retries |
//! | 3 | [`response`] | what came of a request |
//! | 3 | [`answer`] | a response in its caller's hands, read whole or while it comes |
//! | 3 | [`connections`] | the pool's connections: caps, queue, dials, streams, idle and lifetime |
//! | 3 | [`address`] | one request's URL taken apart |
//! | 3 | [`base_url`] | session keys, and how a relative URL joins them |
//! | 4 | [`transport`] | one connection: names, TCP, proxies, TLS, HTTP |
//! | 4 | [`body`] | bytes between the wire and a caller: pipes, uploads, events, parts of an AI's answer |
//! | 5 | [`runtime`] | threads enter it to wait, tasks run on it |
//! | 5 | [`driver`] | which thread drives the I/O: a waiter or the guard |
//! | 5 | [`submissions`] | tasks that other threads hand to it |
//! | 5 | [`cancel`] | sticky flags, fired from any thread or signal handler |
//! | 5 | [`abort`] | one-shot abort: ends all that waits for it |
//! | 5 | [`readiness`] | readiness for foreign event loops: descriptors |
//! | 5 | [`workers`] | a few threads for what blocks by nature |
//! | 6 | [`config`] | options, checked |
//! | 6 | [`error`] | what a failure says: its class, where it happened, whether the server can have seen the request |
//! | 7 | [`stats`] | counters of what happened |
//! | 7 | [`events`] | the ring of the last events |
//! | 7 | [`metrics`] | Prometheus text and histograms |
//! | 7 | [`flags`] | flags that are fired once |
//! | 7 | [`slots`] | numbered slots that are reused but never freed |
//! | 7 | [`lock`] | locks that a panic elsewhere does not spoil |
//! | 7 | [`sync`] | what threads share and wait on; `tests/model` has its own in place of it |
//! | 7 | [`fork_gate`] | keeps name look-ups and forks apart |
//! | 7 | [`sys`] | the operating system's own words: process root, fork, signals, wake-ups |

pub mod abort;
pub mod address;
pub mod answer;
pub mod base_url;
pub mod body;
pub mod cancel;
pub mod clients;
pub mod config;
pub mod connections;
pub mod driver;
pub mod error;
pub mod events;
pub mod ffi;
pub mod flags;
pub mod fork_gate;
pub mod lock;
pub mod metrics;
pub mod pool;
pub mod pool_stats;
pub mod queue;
pub mod readiness;
pub mod request;
pub mod response;
pub mod route;
pub mod runtime;
pub mod session;
pub mod slots;
pub mod stats;
pub mod submissions;
pub mod sync;
pub mod sys;
pub mod transport;
pub mod workers;
