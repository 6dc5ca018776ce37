//! stub
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;
use crate::stats::Stats;
use hyper::StatusCode;
#[derive(Default)]
pub struct Operations;
impl Operations {
    #[allow(clippy::unused_self)]
    pub fn reset(&self) {}
}
pub fn answer(_: &Site, _: &Stats, call: &Call) -> Reply {
    reply::not_found(call.path())
}
pub fn failure(_: &str, status: StatusCode, _: &str) -> Reply {
    reply::failure(status)
}
pub fn refusal(_: &str, status: StatusCode, _: u16, _: &str) -> Reply {
    reply::failure(status)
}
