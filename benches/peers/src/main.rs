//! The bench's peer in Rust: reqwest on its own threads, called from threads that block (reqwest), from tasks (reqwest-async),
//! or for streams (reqwest-streams).

mod figures;
mod flight;
mod harness;
mod histogram;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use harness::Plan;
use reqwest::{Certificate, Client, Version};
use tokio::sync::Semaphore;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const POST_BYTES: usize = 500;
const REPLY_BYTES: usize = 1024;
const BODY: [u8; POST_BYTES] = [b'x'; POST_BYTES];
/// reqwest has no limit of its own; this is libaipool's default.
const MOST_CONNECTIONS: usize = 64;

fn main() -> Result<()> {
    let plan = Plan::from_args().ok_or("usage: peers PEER URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_io().enable_time().build()?;
    let client = client(&plan)?;
    let version = if plan.http == 1 { Version::HTTP_11 } else { Version::HTTP_2 };
    match plan.peer.as_str() {
        "reqwest" => plan.run(|url| runtime.block_on(post(&client, url, version)).expect("the server answers")),
        "reqwest-async" => runtime.block_on(in_flight(&plan, client, version)),
        "reqwest-streams" => runtime.block_on(streams::run(&plan, client)),
        other => return Err(format!("{other}: no such peer").into()),
    }
    Ok(())
}

async fn in_flight(plan: &Plan, client: Client, version: Version) {
    let permits = if plan.http == 1 { MOST_CONNECTIONS } else { Semaphore::MAX_PERMITS };
    let shared = Arc::new((client, plan.url.clone(), Semaphore::new(permits)));
    let request = move || {
        let shared = shared.clone();
        async move {
            let (client, url, permits) = &*shared;
            let _permit = permits.acquire().await.expect("it is never closed");
            post(client, url, version).await.expect("the server answers");
        }
    };
    flight::run(plan, request).await;
}

/// The limits and connections of libaipool's own default.
fn client(plan: &Plan) -> Result<Client> {
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a TLS provider is installed already")?;
    let authority = Certificate::from_pem(&std::fs::read(&plan.ca_file)?)?;
    let builder = Client::builder().tls_certs_only([authority]).no_proxy().connect_timeout(Duration::from_secs(10));
    let builder = match plan.http {
        0 => builder,
        1 => builder.http1_only(),
        _ => builder.http2_prior_knowledge(),
    };
    Ok(builder.build()?)
}

async fn post(client: &Client, url: &str, expected: Version) -> Result<()> {
    let request = client.post(url).header("content-type", "application/json").body(BODY.to_vec());
    let request = request.timeout(Duration::from_secs(60));
    let response = request.send().await?;
    let (status, version) = (response.status(), response.version());
    let body = response.bytes().await?;
    if status != 200 || version != expected || body.len() != REPLY_BYTES {
        return Err(format!("{version:?} {status}, {} bytes", body.len()).into());
    }
    Ok(())
}
