//! A server of one test's own, made by the scripts in `tests/servers`; it can be struck and mended.

use std::process::Command;

use tempfile::TempDir;

/// A running database or broker. `tests/run` stops those that a test leaves behind.
pub struct Server {
    kind: &'static str,
    /// Where it answers, with its administrator.
    pub url: String,
    folder: TempDir,
}

impl Server {
    /// Starts `postgres`, `mariadb` or `rabbitmq` on a free port.
    pub fn start(kind: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Self { kind, url: String::new(), folder };
        let url = server.order("start").trim().to_owned();
        Self { url, ..server }
    }

    /// `kill`, `freeze`, `thaw`, `stop` or `resume`.
    pub fn order(&self, order: &str) -> String {
        let scripts = std::env::var("TEST_SERVERS_DIR").expect("run tests/run");
        let output = Command::new(format!("{scripts}/{}", self.kind))
            .args([order.as_ref(), self.folder.path().join("server").as_os_str()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Host and port of its URL.
    pub fn address(&self) -> String {
        let rest = self.url.split('@').next_back().unwrap();
        rest.split('/').next().unwrap().to_owned()
    }
}
