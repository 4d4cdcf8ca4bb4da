//! Whether a broker can be used, tried step by step; for `check`.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::uri::{AMQPScheme, AMQPUri};
use secrecy::SecretString;
use tokio::time::timeout;

use super::connection::{connect, uri};
use super::error::BrokerError;
use super::options::Options;
use super::topology::{Place, Topology};

/// Each step may take so long.
const STEP_MAX: Duration = Duration::from_secs(15);

/// The oldest release whose quorum queues have message time-outs and safe dead-lettering.
const OLDEST: (u32, u32) = (3, 10);

/// Connects, declares everything, and asks for what a worker needs. Says which version it is.
pub(super) async fn check(options: &Options, url: &SecretString) -> Result<String, BrokerError> {
    let uri = uri(url)?;
    let connection = within(connect(options, url)).await?;
    // Old ones refuse our arguments in words that don't say so.
    let version = version(uri).await;
    if let Some(version) = &version
        && is_too_old(version)
    {
        return Err(BrokerError::Settings(format!(
            "RabbitMQ {version} is too old: 3.10 is needed"
        )));
    }
    let topology = Topology::new(&options.prefix, &options.rungs, options.taps);
    let channel = within(async { Ok(connection.create_channel().await?) }).await?;
    within(topology.declare(&channel)).await?;
    let consume =
        BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
    let queue = topology.queue(Place::Dead);
    let consuming = channel.basic_consume(queue, "".into(), consume, FieldTable::default());
    within(async { Ok(consuming.await.map(drop)?) }).await?;
    Ok(version.unwrap_or_else(|| "of unknown version".to_owned()))
}

async fn within<T>(step: impl Future<Output = Result<T, BrokerError>>) -> Result<T, BrokerError> {
    timeout(STEP_MAX, step).await.unwrap_or(Err(BrokerError::Silent(STEP_MAX.as_secs())))
}

fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version < OLDEST)
}

/// What the broker says of itself when it is greeted; lapin keeps it to itself. None over TLS.
async fn version(uri: AMQPUri) -> Option<String> {
    if uri.scheme != AMQPScheme::AMQP {
        return None;
    }
    let asking = tokio::task::spawn_blocking(move || greet(&uri));
    version_in(&asking.await.ok()?.ok()?)
}

fn greet(uri: &AMQPUri) -> io::Result<Vec<u8>> {
    let address = (uri.authority.host.as_str(), uri.authority.port);
    let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, STEP_MAX)?;
    stream.set_read_timeout(Some(STEP_MAX))?;
    stream.write_all(b"AMQP\0\0\x09\x01")?;
    let mut head = [0; 7];
    stream.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    let mut start = Vec::new();
    stream.take(u64::from(length.min(64 << 10))).read_to_end(&mut start)?;
    Ok(start)
}

/// The long string named "version" in a table of server properties.
fn version_in(start: &[u8]) -> Option<String> {
    const NAME: &[u8] = b"\x07versionS";
    let at = start.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let length: [u8; 4] = start.get(at..at + 4)?.try_into().ok()?;
    let text = start.get(at + 4..at + 4 + u32::from_be_bytes(length) as usize)?;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        let start = b"..\x07productS\0\0\0\x08RabbitMQ\x07versionS\0\0\0\x063.10.8..";
        assert_eq!(version_in(start).as_deref(), Some("3.10.8"));
        assert_eq!(version_in(b"\x07versionS\0\0"), None);
        let old = ["3.9.29", "3.8", "4.1.0", "3.10.0", "odd"].map(is_too_old);
        assert_eq!(old, [true, true, false, false, false]);
    }
}
