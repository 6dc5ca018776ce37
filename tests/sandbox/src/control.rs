//! Calls by which a test steers the sandbox and reads its counters.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode, Uri};

use crate::listener::Listener;
use crate::reply::{self, Reply, query};
use crate::sandbox::Sandbox;

pub const PREFIX: &str = "/control/";

/// How long a call waits for its event.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn answer(sandbox: &Arc<Sandbox>, request: &Request<Incoming>) -> Reply {
    let path = request.uri().path();
    let call = path.strip_prefix(PREFIX).unwrap_or_default();
    let (call, name) = call.split_once('/').unwrap_or((call, ""));
    let allow = match (call, name) {
        ("listeners", "") => "POST",
        ("release", _) if !name.is_empty() => "POST",
        ("stats" | "wait-connections-open", "") => "GET",
        ("wait-held" | "wait-gone", _) if !name.is_empty() => "GET",
        _ => return reply::not_found(path),
    };
    let expected = if allow == "POST" { Method::POST } else { Method::GET };
    if request.method() != expected {
        return reply::method_not_allowed(allow);
    }
    let outcome = match call {
        "listeners" => listeners(sandbox),
        "release" => Ok(release(sandbox, name)),
        "stats" => stats(sandbox, request.uri()),
        "wait-held" => wait_held(sandbox, name, request.uri()).await,
        "wait-gone" => wait_gone(sandbox, name).await,
        _ => wait_connections_open(sandbox, request.uri()).await,
    };
    outcome.unwrap_or_else(|refusal| refusal)
}

/// A reply, or the one that says why there is none.
type Outcome = Result<Reply, Reply>;

fn listeners(sandbox: &Arc<Sandbox>) -> Outcome {
    let listener = sandbox.listen(0, 0).map_err(|error| {
        let message = format!("Cannot listen: {error}");
        reply::error(StatusCode::INTERNAL_SERVER_ERROR, &message, None, None)
    })?;
    let (id, http, https) = (listener.id, listener.http_url(), listener.https_url());
    Ok(ok(format!("id={id}\nhttp={http}\nhttps={https}\n")))
}

fn release(sandbox: &Sandbox, name: &str) -> Reply {
    let released = sandbox.holds.named(name).release();
    ok(format!("released={released}\n"))
}

fn stats(sandbox: &Sandbox, uri: &Uri) -> Outcome {
    Ok(ok(listener(sandbox, uri)?.stats.to_string()))
}

async fn wait_held(sandbox: &Sandbox, name: &str, uri: &Uri) -> Outcome {
    let count = number(uri, "count")?.unwrap_or(1);
    let hold = sandbox.holds.named(name);
    let held = patiently(hold.wait_held(|held| held >= count)).await?;
    Ok(ok(format!("held={held}\n")))
}

async fn wait_gone(sandbox: &Sandbox, name: &str) -> Outcome {
    let hold = sandbox.holds.named(name);
    let held = patiently(hold.wait_held(|held| held == 0)).await?;
    Ok(ok(format!("held={held}\n")))
}

async fn wait_connections_open(sandbox: &Sandbox, uri: &Uri) -> Outcome {
    let max = number(uri, "max")?.unwrap_or(0);
    let stats = &listener(sandbox, uri)?.stats;
    patiently(stats.connections_open_at_most(max)).await?;
    let open = stats.connections_open.get();
    Ok(ok(format!("connections_open={open}\n")))
}

async fn patiently<T>(event: impl Future<Output = T>) -> Result<T, Reply> {
    tokio::time::timeout(PATIENCE, event).await.map_err(|_| {
        let message = format!("Not within {} s", PATIENCE.as_secs());
        reply::error(StatusCode::GATEWAY_TIMEOUT, &message, None, None)
    })
}

fn listener(sandbox: &Sandbox, uri: &Uri) -> Result<Arc<Listener>, Reply> {
    let id = number(uri, "id")?.unwrap_or(0);
    usize::try_from(id).ok().and_then(|id| sandbox.listener(id)).ok_or_else(|| {
        let message = format!("No listener has the id {id}");
        reply::error(StatusCode::NOT_FOUND, &message, Some("id"), None)
    })
}

fn number(uri: &Uri, name: &str) -> Result<Option<u64>, Reply> {
    query(uri, name)
        .map(|value| {
            let message = || format!("Not a number: {name}={value}");
            value.parse().map_err(|_| reply::bad_request(&message(), Some(name)))
        })
        .transpose()
}

fn ok(text: String) -> Reply {
    reply::text(StatusCode::OK, text)
}
