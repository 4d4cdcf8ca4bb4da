//! The tests that need real databases, real HTTP and real processes. `tests/run` starts what they
//! need; one file per behaviour.

mod accepting;
mod app;
mod database;
mod dead_letters;
mod kill;
mod migrations;
mod odd_bodies;
mod outage;
mod process;
mod queue_conformance;
mod rabbitmq_node;
mod repeating;
mod rows;
mod wait;
