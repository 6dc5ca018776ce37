//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::Error;

pub const HELP: &str = include_str!("help.txt");

pub enum Invocation {
    Help,
    Serve(Args),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Args {
    pub dir: Option<PathBuf>,
    pub http_port: u16,
    pub https_port: u16,
    pub exit_with_stdin: bool,
}

/// Reads the command line; the first argument is the program's name.
pub fn parse(argv: impl IntoIterator<Item = OsString>) -> Result<Invocation, Error> {
    let mut args = Args::default();
    let mut parser = lexopt::Parser::from_iter(argv);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("dir") => args.dir = Some(parser.value()?.into()),
            Long("http-port") => args.http_port = parser.value()?.parse()?,
            Long("https-port") => args.https_port = parser.value()?.parse()?,
            Long("exit-with-stdin") => args.exit_with_stdin = true,
            Short('h') | Long("help") => return Ok(Invocation::Help),
            _ => return Err(arg.unexpected().into()),
        }
    }
    Ok(Invocation::Serve(args))
}
