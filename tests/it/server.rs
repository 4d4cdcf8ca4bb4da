//! A server of one test's own, made by the scripts in `tests/servers`; it can be struck and mended.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A running database, broker or network; it ends with the test, before its folder goes, by which `tests/run`
/// finds those of tests that were killed.
pub struct Server {
    kind: &'static str,
    /// Where it answers, with its administrator.
    pub url: String,
    folder: TempDir,
}

impl Server {
    /// Starts a MySQL or a MariaDB, whichever the tests run on.
    pub fn mysql() -> Self {
        let is_mysql = std::env::var("TEST_MYSQL_SERVER").is_ok_and(|kind| kind == "mysql");
        Self::start(if is_mysql { "mysql" } else { "mariadb" })
    }

    /// Starts `postgres`, `mariadb`, `mysql`, `rabbitmq` on a free port, or a `network`.
    pub fn start(kind: &'static str) -> Self {
        Self::start_with(kind, &[])
    }

    /// The same, with settings that its script takes from the environment.
    pub fn start_with(kind: &'static str, settings: &[(&str, &OsStr)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { kind, url: String::new(), folder };
        let url = run(server.command("start").envs(settings.iter().copied()));
        url.trim().clone_into(&mut server.url);
        server
    }

    /// `kill`, `freeze`, `thaw`, `stop`, `resume`, or what else its script can do.
    pub fn order(&self, order: &str) {
        run(&mut self.command(order));
    }

    /// An order that takes more; returns what is printed.
    pub fn order_with(&self, order: &str, more: &[&str]) -> String {
        run(self.command(order).args(more))
    }

    fn command(&self, order: &str) -> Command {
        let scripts = std::env::var("TEST_SERVERS_DIR").expect("run tests/run");
        let mut command = Command::new(format!("{scripts}/{}", self.kind));
        command.args([order.as_ref(), self.home().as_os_str()]);
        command
    }

    /// Where its files are.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    /// Host and port of its URL.
    pub fn address(&self) -> String {
        let rest = self.url.split('@').next_back().unwrap();
        rest.split('/').next().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that is dead already is no matter.
        let _ = self.command("kill").output();
    }
}

/// Runs a server's script; returns what it prints.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
