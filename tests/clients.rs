//! Clients of AI providers against the sandbox, over real sockets.

mod support;

#[path = "clients/gigachat.rs"]
mod gigachat;
#[path = "clients/naparnik.rs"]
mod naparnik;
#[path = "clients/openai.rs"]
mod openai;
#[path = "clients/resilience.rs"]
mod resilience;
#[path = "clients/rig.rs"]
mod rig;
#[path = "clients/secrets.rs"]
mod secrets;
#[path = "clients/traps.rs"]
mod traps;
#[path = "clients/yandex.rs"]
mod yandex;
