//! Clients of AI providers against the sandbox, over real sockets.

mod support;

#[path = "clients/gigachat.rs"]
mod gigachat;
#[path = "clients/openai.rs"]
mod openai;
#[path = "clients/resilience.rs"]
mod resilience;
#[path = "clients/rig.rs"]
mod rig;
