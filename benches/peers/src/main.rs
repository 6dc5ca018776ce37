//! The bench's peer in Rust: reqwest on its own threads, called from threads that block.

mod harness;
mod histogram;

use std::time::Duration;

use harness::Plan;
use reqwest::{Certificate, Client, Version};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const POST_BYTES: usize = 500;
const REPLY_BYTES: usize = 1024;

fn main() -> Result<()> {
    let plan =
        Plan::from_args().ok_or("usage: peers reqwest URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS")?;
    if plan.peer != "reqwest" {
        return Err(format!("{}: no such peer", plan.peer).into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_io().enable_time().build()?;
    let client = client(&plan)?;
    let body = [b'x'; POST_BYTES];
    let version = if plan.http == 1 { Version::HTTP_11 } else { Version::HTTP_2 };
    plan.run(|url| runtime.block_on(post(&client, url, &body, version)).expect("the server answers"));
    Ok(())
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
    let builder = match plan.http {
        0 => builder,
        1 => builder.http1_only(),
        _ => builder.http2_prior_knowledge(),
    };
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
