//! The fault campaign: whole installations under load, to which one kind of thing happens in each round.
//! Afterwards every webhook that was answered 202 is in the ledger once, and the rows are those of an
//! undisturbed run; or it was destroyed with the queue, and `status` tells how many were.
//!
//! `tests/faults` runs it; a few short rounds run with all tests.

mod account;
mod clock;
mod disk;
mod failover;
mod files;
mod followers;
mod history;
mod kind;
mod nodes;
mod pages;
mod process;
mod rights;
mod rotation;
mod round;
mod schedule;
mod servers;
mod strangers;
mod watch;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use self::account::{Account, table};
use self::kind::Kind;
use self::round::{Length, Round};
use self::schedule::schedule;
use self::servers::Servers;
use crate::asked;

/// Rounds of the campaign that runs with all tests, and what happens in them.
const ROUNDS: u64 = 1;
const KINDS: &str = "mixed";

#[tokio::test(flavor = "multi_thread")]
async fn campaign() {
    let (rounds, seed) = (asked("FAULTS_ROUNDS", ROUNDS), asked("FAULTS_SEED", 1));
    let is_asked = std::env::var("FAULTS_ROUNDS").is_ok();
    let length = if is_asked { Length::Full } else { Length::Short };
    let kinds = std::env::var("FAULTS_KINDS").unwrap_or_else(|_| KINDS.to_owned());
    let kinds = possible(Kind::named(&kinds).unwrap_or_else(|unknown| panic!("{unknown}")));
    let mut servers = Servers::default();
    let mut accounts: BTreeMap<&'static str, Account> = BTreeMap::new();
    let mut failed = Vec::new();
    for (number, (kind, seed)) in schedule(&kinds, rounds, seed).into_iter().enumerate() {
        println!("round {}: {} of seed {seed}", number + 1, kind.name());
        let account = run(kind, Round::new(seed, length), &servers).await;
        if account.is_failed() {
            println!("FAILED {}: tests/faults {}", account.problems.join("; "), again(kind, seed));
            failed.push(again(kind, seed));
            // Nobody knows in which state the round has left them.
            servers = Servers::default();
        }
        accounts.entry(kind.name()).or_default().add(&account);
    }
    println!("\n{}", table(&accounts));
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// What repeats a round.
fn again(kind: Kind, seed: u64) -> String {
    format!("--kinds {} --rounds 1 --seed {seed}", kind.name())
}

/// Those that this machine allows.
fn possible(kinds: Vec<Kind>) -> Vec<Kind> {
    let (possible, left_out): (Vec<Kind>, Vec<Kind>) =
        kinds.into_iter().partition(|kind| kind.is_possible());
    for kind in left_out {
        println!("left out, because it needs root, mounts or network namespaces: {}", kind.name());
    }
    possible
}

/// A round that can't go on has failed, and the campaign goes on.
async fn run(kind: Kind, mut round: Round, servers: &Servers) -> Account {
    let running = Box::pin(kind.run(&mut round, servers));
    let account = AssertUnwindSafe(running).catch_unwind().await;
    let mut account = account.unwrap_or_else(|_| Account::broken_off());
    account.failed_rounds = u64::from(account.is_failed());
    println!("  {}", account.line());
    account
}

/// `tests/faults --list`.
#[test]
fn kinds_are_listed() {
    let kinds = Kind::all();
    let names: std::collections::BTreeSet<&str> = kinds.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), kinds.len(), "each has a name of its own");
    for kind in kinds {
        println!("{:24}{}", kind.name(), kind.line());
    }
}

/// A short round of each of these runs with all tests; of most others the smallest case is a test elsewhere.
macro_rules! short_rounds {
    ($($(#[$attribute:meta])* $test:ident: $name:literal),+ $(,)?) => {
        mod short {
            $(
                $(#[$attribute])*
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() { super::one_round($name).await; }
            )+
        }
    };
}

short_rounds!(
    disk_full: "disk-full",
    failing_writes: "failing-writes",
    eio: "eio",
    tables_replaced: "tables-replaced",
    queue_removed: "queue-removed",
    clock_jump: "clock-jump",
    #[ignore = "takes minutes: tests/run --all"]
    node_partition: "node-partition",
    #[ignore = "takes minutes: tests/run --all"]
    boot_race: "boot-race",
);

async fn one_round(name: &str) {
    for kind in possible(Kind::named(name).unwrap()) {
        let servers = Servers::default();
        let account = run(kind, Round::new(1, Length::Short), &servers).await;
        assert!(!account.is_failed(), "{:?}", account.problems);
    }
}
