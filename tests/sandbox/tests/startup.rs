//! The program as a test starts it: what it says on stdout, and when it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn it_says_where_it_is_and_ends_with_stdin() {
    let mut sandbox = Command::new(env!("CARGO_BIN_EXE_aipool-sandbox"))
        .arg("--exit-with-stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(sandbox.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut value = |key: &str| {
        let line = lines.next().unwrap();
        line.strip_prefix(key).unwrap_or_else(|| panic!("{key} expected: {line}")).to_owned()
    };
    value("http=http://127.0.0.1:").parse::<u16>().unwrap();
    value("https=https://localhost:").parse::<u16>().unwrap();
    let pem = value("ca_pem=");
    let der = value("ca_der=");
    value("ready");
    assert!(std::fs::read_to_string(&pem).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(Path::new(&der).is_absolute());

    drop(sandbox.stdin.take());
    assert!(sandbox.wait().unwrap().success());
    assert!(!Path::new(&pem).exists());
}

#[test]
fn it_explains_itself_and_refuses_what_it_does_not_know() {
    let run = |arg: &str| Command::new(env!("CARGO_BIN_EXE_aipool-sandbox")).arg(arg).output().unwrap();
    let help = run("--help");
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("close-upload=N"));
    let refusal = run("--nonsense");
    assert!(!refusal.status.success());
    assert!(String::from_utf8_lossy(&refusal.stderr).contains("--nonsense"));
}
