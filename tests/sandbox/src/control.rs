//! Calls by which a test steers the sandbox and reads its counters.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode, Uri};

use crate::faults::Faults;
use crate::listener::Listener;
use crate::reply::{self, Reply, query};
use crate::sandbox::Sandbox;
use crate::site::Site;

pub const PREFIX: &str = "/control/";

/// How long a call waits for its event.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn answer(sandbox: &Arc<Sandbox>, request: &Request<Incoming>) -> Reply {
    let path = request.uri().path();
    let call = path.strip_prefix(PREFIX).unwrap_or_default();
    let (call, name) = call.split_once('/').unwrap_or((call, ""));
    let allow = match (call, name) {
        ("listeners" | "set" | "arm" | "reset" | "expire-tokens", "") => "POST",
        ("release", _) if !name.is_empty() => "POST",
        ("stats" | "settings" | "counters" | "last" | "wait-connections-open", "") => "GET",
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
        "set" => set(sandbox, request.uri()),
        "settings" => site(sandbox, request.uri()).map(|site| ok(site.settings.lines())),
        "arm" => arm(sandbox, request.uri()),
        "reset" => reset(sandbox, request.uri()),
        "expire-tokens" => expire_tokens(sandbox, request.uri()),
        "counters" => counters(sandbox, request.uri()),
        "last" => last(sandbox, request.uri()),
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

/// Sets every name of the query but `id`.
fn set(sandbox: &Sandbox, uri: &Uri) -> Outcome {
    let site = site(sandbox, uri)?;
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()).filter(|(name, _)| name != "id") {
        site.settings.set(&name, &value).map_err(|message| reply::bad_request(&message, Some(&name)))?;
    }
    Ok(ok(site.settings.lines()))
}

fn arm(sandbox: &Sandbox, uri: &Uri) -> Outcome {
    let site = site(sandbox, uri)?;
    let path = query(uri, "path").ok_or_else(|| reply::bad_request("The query needs a path", Some("path")))?;
    let faults = query(uri, "faults").unwrap_or_default();
    Faults::parse(&faults).map_err(|message| reply::bad_request(&message, Some("faults")))?;
    site.armed.arm(&path, &faults, number(uri, "count")?.unwrap_or(1));
    Ok(ok(format!("armed={}\n", site.armed.left())))
}

fn reset(sandbox: &Sandbox, uri: &Uri) -> Outcome {
    site(sandbox, uri)?.reset();
    Ok(ok("reset=1\n".to_owned()))
}

fn expire_tokens(sandbox: &Sandbox, uri: &Uri) -> Outcome {
    let expired = site(sandbox, uri)?.tokens.expire_all();
    Ok(ok(format!("expired={expired}\n")))
}

/// All counters of a listener, or the one of that name, which is 0 if it is not there.
fn counters(sandbox: &Sandbox, uri: &Uri) -> Outcome {
    let site = site(sandbox, uri)?;
    let lines = format!("armed={}\n{}{}", site.armed.left(), site.ledger.lines(), site.permits.lines());
    let Some(name) = query(uri, "name") else { return Ok(ok(lines)) };
    let line = lines.lines().find(|line| line.rsplit_once('=').is_some_and(|(known, _)| known == name));
    Ok(ok(format!("{}\n", line.unwrap_or(&format!("{name}=0")))))
}

fn last(sandbox: &Sandbox, uri: &Uri) -> Outcome {
    let back = number(uri, "back")?.and_then(|back| usize::try_from(back).ok()).unwrap_or(0);
    let path = query(uri, "path");
    let last = site(sandbox, uri)?.ledger.last(path.as_deref(), back);
    last.map(|last| reply::json(StatusCode::OK, &last))
        .ok_or_else(|| reply::error(StatusCode::NOT_FOUND, "No such request has come", path.as_deref(), None))
}

fn site(sandbox: &Sandbox, uri: &Uri) -> Result<Arc<Site>, Reply> {
    Ok(Arc::clone(&listener(sandbox, uri)?.site))
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
