//! The tests that need real databases, real HTTP and real processes. `tests/run` starts what they
//! need; one file per behaviour.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

mod accepting;
mod admin_api;
mod age;
mod app;
mod bench;
mod cli;
mod cluster;
mod database;
mod dead_letters;
mod desk;
mod desk_api;
mod faults;
mod hostile;
mod key_rotation;
mod kill;
mod lid_merge;
mod logs;
mod metrics;
mod migrations;
mod odd_bodies;
mod order_free;
mod outage;
mod outcomes;
mod postgres_pair;
mod process;
mod proxy;
mod queries;
mod queue_conformance;
mod rabbitmq_apart;
mod rabbitmq_check;
mod rabbitmq_node;
mod rabbitmq_outage;
mod rabbitmq_spool;
mod rabbitmq_tls;
mod rabbitmq_worker;
mod readiness;
mod release;
mod renormalize;
mod repeating;
mod replay_job;
mod retention;
mod rolling_update;
mod rows;
mod scrape;
mod server;
mod silence;
mod status_watch;
mod traces;
mod wait;
mod webhooks_command;
