//! AI services on loopback, each with its own protocol, and faults on demand.

mod answer;
mod args;
mod armed;
mod body;
mod connection;
mod control;
mod echo;
mod errors;
mod faults;
mod gigachat;
mod holds;
mod ids;
mod ledger;
mod limits;
mod listener;
mod lock;
mod naparnik;
mod ollama;
mod openai;
mod payload;
mod permits;
mod provider;
mod quirks;
mod quota;
mod reply;
mod router;
mod sandbox;
mod settings;
mod site;
mod stats;
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod tokens;
mod workdir;
mod yandex;

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::args::{Args, Invocation};
use crate::sandbox::Sandbox;
use crate::workdir::Workdir;

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let outcome = match args::parse(std::env::args_os()) {
        Ok(Invocation::Help) => write_stdout(args::HELP).map_err(Error::from),
        Ok(Invocation::Serve(args)) => serve(&args),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell if stderr itself is gone.
            let _ = writeln!(io::stderr(), "aipool-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let workdir = Workdir::open(args.dir.as_deref())?;
    let outcome = runtime.block_on(run(args, &workdir));
    runtime.shutdown_background();
    outcome
}

/// Starts the first listener, says so on stdout, and serves until told to stop.
async fn run(args: &Args, workdir: &Workdir) -> Result<(), Error> {
    let tls = tls::issue(workdir.path())?;
    let sandbox = Arc::new(Sandbox::new(tls));
    let first = sandbox.listen(args.http_port, args.https_port)?;
    write_stdout(&format!(
        "http={}\nhttps={}\nca_pem={}\nca_der={}\nready\n",
        first.http_url(),
        first.https_url(),
        workdir.path().join(tls::CA_PEM).display(),
        workdir.path().join(tls::CA_DER).display(),
    ))?;
    if args.exit_with_stdin {
        stdin_closed().await;
        return Ok(());
    }
    std::future::pending().await
}

/// Resolves at the end of stdin, which the parent's death brings about too.
async fn stdin_closed() {
    let (closed, wait) = oneshot::channel();
    // A thread of its own: a blocked read on the runtime's pool would hold up the exit.
    std::thread::spawn(move || {
        let mut chunk = [0; 256];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut chunk) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                _ => {}
            }
        }
        let _ = closed.send(());
    });
    let _ = wait.await;
}

fn write_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
