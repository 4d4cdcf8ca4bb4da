//! The tests that need real databases, real HTTP and real processes. `tests/run` starts what they
//! need; one file per behaviour.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

mod accepting;
mod admin_api;
mod age;
mod app;
mod bench;
mod burials;
mod cli;
mod clocks;
mod cluster;
mod complex_bodies;
mod database;
mod dead_letters;
mod desk;
mod desk_api;
mod disk;
mod disk_outage;
mod faults;
mod folder_lock;
mod foreign_messages;
mod full_disk;
mod hostile;
mod key_rotation;
mod kill;
mod large_letters;
mod lid_merge;
mod logs;
mod metrics;
mod migrations;
mod migrations_cut_off;
mod migrations_foreign;
mod migrations_with_rows;
mod missing;
mod odd_bodies;
mod order_free;
mod outage;
mod outcomes;
mod postgres_pair;
mod private_files;
mod process;
mod proxy;
mod queries;
mod queue_conformance;
mod queue_damage;
mod queue_disk_full;
mod rabbitmq_apart;
mod rabbitmq_boot_race;
mod rabbitmq_check;
mod rabbitmq_cluster;
mod rabbitmq_cluster_faults;
mod rabbitmq_deaf;
mod rabbitmq_lane_outage;
mod rabbitmq_lanes;
mod rabbitmq_management;
mod rabbitmq_memory;
mod rabbitmq_node;
mod rabbitmq_outage;
mod rabbitmq_rotation;
mod rabbitmq_spool;
mod rabbitmq_tls;
mod rabbitmq_worker;
mod readiness;
mod release;
mod renormalize;
mod repeating;
mod replay_job;
mod retention;
mod roles;
mod rolling_update;
mod rows;
mod scrape;
mod server;
mod silence;
mod small_disk;
mod spaces;
mod standby;
mod status_watch;
mod terminal;
mod traces;
mod wait;
mod webhooks_carry;
mod webhooks_command;

/// A number that an environment variable asks for.
fn asked(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
