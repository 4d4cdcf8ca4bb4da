//! `check --ready`: asks a running process, through its admin listener, whether it is ready. For the
//! health check of a container that has no shell and no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use crate::cli::output::json_line;
use crate::config::Config;
use crate::http_client;

/// Longer than `/readyz` waits for what it depends on.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Prints what `/readyz` says; fails unless it is 200.
pub async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let address = config.admin_listen.context("admin.listen is off: nothing to ask")?;
    let url = format!("http://{}/readyz", reachable(address));
    let client = http_client::plain().timeout(ANSWER_MAX).build()?;
    let answer = client.get(&url).send().await.context("nothing answers at admin.listen")?;
    let is_ready = answer.status().is_success();
    json_line(&answer.text().await?);
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Who listens on every address is reached on the loopback one.
pub(in crate::cli) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_on_loopback() {
        let asked = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:9090"), "127.0.0.1:9090");
        assert_eq!(asked("[::]:9090"), "[::1]:9090");
        assert_eq!(asked("10.1.2.3:9090"), "10.1.2.3:9090");
    }
}
