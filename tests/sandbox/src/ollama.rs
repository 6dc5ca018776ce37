//! stub
use crate::reply::{self, Reply};
use crate::router::Call;
pub fn answer(call: &Call) -> Reply {
    reply::not_found(call.path())
}
