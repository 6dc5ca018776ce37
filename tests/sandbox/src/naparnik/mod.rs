//! stub
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;
#[derive(Default)]
pub struct Conversations;
impl Conversations {
    #[allow(clippy::unused_self)]
    pub fn reset(&self) {}
}
pub fn answer(_: &Site, call: &Call) -> Reply {
    reply::not_found(call.path())
}
