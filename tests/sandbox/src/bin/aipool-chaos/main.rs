//! The chaos proxy of the Rust tests as a process of its own: steered by lines, or by a storm that goes by a seed.

#[allow(dead_code, reason = "the other half of it is used by the Rust tests")]
#[path = "../../../../support/chaos.rs"]
mod chaos;
#[allow(dead_code, reason = "the Rust tests wait for counts, and a process is only steered")]
#[path = "../../../../support/counter.rs"]
mod counter;
mod order;
mod storm;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lexopt::prelude::*;

use crate::chaos::Chaos;
use crate::order::Order;
use crate::storm::Storm;

type Error = Box<dyn std::error::Error + Send + Sync>;

const HELP: &str = include_str!("help.txt");

/// How long `counter` waits, which nobody here asks it to.
const PATIENCE: Duration = Duration::from_secs(10);

struct Args {
    seed: u64,
    storm: Option<Duration>,
    targets: Vec<String>,
}

fn main() -> ExitCode {
    match parse().and_then(|args| args.map_or_else(|| say(HELP), |args| serve(&args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell if stderr itself is gone.
            let _ = writeln!(io::stderr(), "aipool-chaos: {error}");
            ExitCode::FAILURE
        }
    }
}

/// None where help was asked for.
fn parse() -> Result<Option<Args>, Error> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut args = Args { seed: now.as_secs(), storm: None, targets: Vec::new() };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("seed") => args.seed = parser.value()?.parse()?,
            Long("storm") => args.storm = Some(Duration::from_millis(parser.value()?.parse()?)),
            Short('h') | Long("help") => return Ok(None),
            Value(target) => args.targets.push(target.string()?),
            _ => return Err(arg.unexpected().into()),
        }
    }
    if args.targets.is_empty() { Err("no URL; see --help".into()) } else { Ok(Some(args)) }
}

/// Starts a proxy before each target, says where they are, and obeys until stdin ends.
fn serve(args: &Args) -> Result<(), Error> {
    let proxies: Arc<Vec<_>> = Arc::new(args.targets.iter().map(|target| Chaos::seeded(target, args.seed)).collect());
    for (target, proxy) in args.targets.iter().zip(proxies.iter()) {
        if target.starts_with("https:") {
            say(&format!("https={}\n", proxy.https()))?;
        } else {
            say(&format!("http={}\n", proxy.http()))?;
        }
    }
    say(&format!("seed={}\nready\n", args.seed))?;
    if let Some(every) = args.storm {
        let (proxies, mut storm) = (Arc::clone(&proxies), Storm::new(args.seed));
        std::thread::spawn(move || {
            while obey(&proxies, &storm.order()).is_ok() {
                std::thread::sleep(every);
            }
        });
    }
    for line in io::stdin().lock().lines() {
        if let Err(error) = obey(&proxies, &line?) {
            say(&format!("error {error}\n"))?;
        }
    }
    say(&format!("connections={}\n", proxies.iter().map(|proxy| proxy.counts.accepted.get()).sum::<usize>()))
}

/// Does as a line says, and says it.
fn obey(proxies: &[Chaos], line: &str) -> Result<(), Error> {
    let order = Order::parse(line)?;
    for proxy in proxies {
        order.change(proxy);
    }
    say(&format!("weather {line}\n"))
}

fn say(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}
