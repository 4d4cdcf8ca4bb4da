//! `[server]`: what the public listener takes, and from whom.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::reader::Reader;
use crate::server::connection::ConnectionLimits;
use crate::server::{Limits, large_bytes};

/// WAHA's agent drops an idle connection after about 4 s; closing first would break requests.
const IDLE_TIMEOUT_MS: RangeInclusive<u64> = 5_000..=86_400_000;
/// Below a minute most connections of a busy WAHA would be made anew.
const AGE_MAX_MS: RangeInclusive<u64> = 60_000..=86_400_000;

pub(super) fn read(reader: &mut Reader) -> Limits {
    let limits = Limits {
        body_bytes_max: reader.number("server.body_bytes_max", 1024, 1 << 30),
        body_rate_min: reader.number("server.body_rate_min_bytes", 0, 1 << 30),
        publish_timeout: reader.milliseconds("server.publish_timeout_ms"),
        memory_bytes_max: reader.number("server.memory_bytes_max", 1 << 20, 1 << 40),
        connection: connection(reader),
        trusted_proxies: trusted_proxies(reader, "server.trusted_proxies"),
    };
    let large_bytes = large_bytes(limits.memory_bytes_max);
    reader.check(
        "server.memory_bytes_max",
        large_bytes >= limits.body_bytes_max,
        format!(
            "three quarters of it, {large_bytes}, are for large bodies and must hold at least one of \
             server.body_bytes_max = {}",
            limits.body_bytes_max
        ),
    );
    limits
}

fn connection(reader: &mut Reader) -> ConnectionLimits {
    ConnectionLimits {
        connections_max: reader.number("server.connections_max", 16, 1 << 20),
        head_timeout: reader.milliseconds("server.head_timeout_ms"),
        body_timeout: reader.milliseconds("server.body_timeout_ms"),
        idle_timeout: reader.duration("server.idle_timeout_ms", IDLE_TIMEOUT_MS),
        write_timeout: reader.milliseconds("server.write_timeout_ms"),
        age_max: reader.duration("server.connection_age_max_ms", AGE_MAX_MS),
    }
}

/// Networks such as `10.0.0.0/8`, or single addresses.
pub(super) fn trusted_proxies(reader: &mut Reader, key: &str) -> Vec<IpNet> {
    let texts = reader.list(key);
    let network =
        |text: &String| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let networks: Vec<IpNet> = texts.iter().filter_map(network).collect();
    reader.check(
        key,
        networks.len() == texts.len(),
        "must be a list of networks such as 10.0.0.0/8 or addresses",
    );
    networks
}
