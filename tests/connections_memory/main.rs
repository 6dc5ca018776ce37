//! The pool's accounting, proved over servers in memory: who is served, in which order, over how many connections, and
//! that nothing is left over.

mod cancels;
mod cost;
mod lives;
mod memory;
mod queue;
mod rig;
mod servers;
#[path = "../support/mod.rs"]
mod support;
