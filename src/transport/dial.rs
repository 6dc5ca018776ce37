//! STUB until the network half is merged.
use crate::config::TimeLimit;
use crate::error::Phase;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub https: bool,
    pub host: String,
    pub port: u16,
}

#[derive(Clone, Copy, Debug)]
pub struct DialLimits {
    pub dns: TimeLimit,
    pub connect: TimeLimit,
    pub tls: TimeLimit,
}

pub trait Watch: Send + Sync {
    fn enter(&self, phase: Phase);
}
