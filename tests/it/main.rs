//! The tests that need real databases, real HTTP and real processes. `tests/run` starts what they
//! need; one file per behaviour.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on has failed")]

mod accepting;
mod app;
mod cli;
mod cluster;
mod database;
mod dead_letters;
mod faults;
mod hostile;
mod kill;
mod lid_merge;
mod migrations;
mod odd_bodies;
mod order_free;
mod outage;
mod outcomes;
mod process;
mod proxy;
mod queries;
mod queue_conformance;
mod rabbitmq_apart;
mod rabbitmq_check;
mod rabbitmq_node;
mod rabbitmq_spool;
mod rabbitmq_worker;
mod renormalize;
mod repeating;
mod rows;
mod server;
mod wait;
mod webhooks_command;
