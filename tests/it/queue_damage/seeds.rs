//! Damage anywhere: bytes that flip, sectors and pages that are lost or hold something else.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::file::{PAGE, QueueFile, WEBHOOKS, open_and_work_off};

const SEEDS: u64 = 24;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_damaged_the_sum_comes_out() {
    let whole = QueueFile::filled().await;
    for seed in 0..SEEDS {
        let file = whole.copy();
        let mut dice = StdRng::seed_from_u64(seed);
        file.damage(|bytes| {
            for _ in 0..=seed % 3 {
                strike(bytes, &mut dice);
            }
        });
        let case = format!("seed {seed}");
        let outcome = open_and_work_off(&file, &case).await;
        outcome.assert_whole(WEBHOOKS + 20, &case);
        assert!(outcome.gone() <= 30, "{case}: {} gone", outcome.gone());
    }
}

/// The first hundred bytes say what the file is, and which release's: those are not struck alone.
fn strike(bytes: &mut [u8], dice: &mut StdRng) {
    let pages = bytes.len() / PAGE;
    match dice.random_range(0..4) {
        0 => {
            let at = dice.random_range(100..bytes.len());
            bytes[at] ^= 1 << dice.random_range(0..8);
        }
        1 => {
            let page = dice.random_range(0..pages);
            bytes[page * PAGE..(page + 1) * PAGE].fill(0);
        }
        2 => {
            let sector = dice.random_range(1..bytes.len() / 512);
            dice.fill_bytes(&mut bytes[sector * 512..(sector + 1) * 512]);
        }
        _ => {
            let (from, to) = (dice.random_range(1..pages), dice.random_range(1..pages));
            bytes.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
        }
    }
}
