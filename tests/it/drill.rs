//! The restore drills that people run, on SQLite and on PostgreSQL.

use std::path::PathBuf;
use std::process::Command;

/// Runs one; it says by itself what is wrong.
fn drill(kind: &str) {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/drill");
    let mut command = Command::new(script);
    command.arg(kind).env("WAHA_INGEST_TEST_BINARY", env!("CARGO_BIN_EXE_waha-ingest"));
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    eprintln!("{told}");
    assert!(output.status.success(), "{kind}");
    assert!(told.contains("NOT BALANCED") && told.contains("done"), "{told}");
}

#[test]
fn sqlite() {
    drill("sqlite");
}

#[test]
fn postgres() {
    drill("postgres");
}
