//! The bench's peers in Rust: three ways to call reqwest from threads that block.

mod harness;
mod histogram;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use harness::Plan;
use reqwest::{Certificate, Client, Version};
use tokio::runtime::{Builder, Runtime};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const POST_BYTES: usize = 500;
const REPLY_BYTES: usize = 1024;

fn main() -> Result<()> {
    let plan = Plan::from_args()
        .ok_or("usage: peers reqwest|waiter-drives|guard-drives URL CA_FILE HTTP THREADS WARMUP SECONDS REQUESTS")?;
    let runtime = runtime(&plan.peer)?;
    let client = client(&plan)?;
    let body = [b'x'; POST_BYTES];
    let version = if plan.http == 2 { Version::HTTP_2 } else { Version::HTTP_11 };
    plan.run(|| runtime.block_on(post(&client, &plan.url, &body, version)).expect("the server answers"));
    Ok(())
}

fn runtime(peer: &str) -> Result<Arc<Runtime>> {
    let mut builder = match peer {
        "reqwest" => Builder::new_multi_thread(),
        "waiter-drives" | "guard-drives" => Builder::new_current_thread(),
        _ => return Err(format!("{peer}: no such peer").into()),
    };
    let runtime = Arc::new(builder.enable_io().enable_time().build()?);
    if peer == "guard-drives" {
        let driven = runtime.clone();
        std::thread::spawn(move || driven.block_on(pending::<()>()));
        // The guard takes the driver first; who comes later waits beside it.
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(runtime)
}

/// The limits and connections of libaipool's own default.
fn client(plan: &Plan) -> Result<Client> {
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a TLS provider is installed already")?;
    let authority = Certificate::from_pem(&std::fs::read(&plan.ca_file)?)?;
    let builder = Client::builder()
        .tls_certs_only([authority])
        .no_proxy()
        .timeout(Duration::from_secs(60))
        .connect_timeout(Duration::from_secs(10));
    let builder = if plan.http == 2 { builder.http2_prior_knowledge() } else { builder.http1_only() };
    Ok(builder.build()?)
}

async fn post(client: &Client, url: &str, body: &[u8], expected: Version) -> Result<()> {
    let request = client.post(url).header("content-type", "application/json").body(body.to_vec());
    let response = request.send().await?;
    let (status, version) = (response.status(), response.version());
    let body = response.bytes().await?;
    if status != 200 || version != expected || body.len() != REPLY_BYTES {
        return Err(format!("{version:?} {status}, {} bytes", body.len()).into());
    }
    Ok(())
}
