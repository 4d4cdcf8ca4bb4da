//! Damage anywhere: bytes that flip, sectors and pages that are lost or hold something else.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::file::{QueueFile, WEBHOOKS, open_and_work_off, strike};

const SEEDS: u64 = 24;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_damaged_the_sum_comes_out() {
    let whole = QueueFile::filled().await;
    for seed in 0..SEEDS {
        let file = whole.copy();
        let mut rng = StdRng::seed_from_u64(seed);
        file.damage(|bytes| {
            for _ in 0..=seed % 3 {
                strike(bytes, &mut rng);
            }
        });
        let case = format!("seed {seed}");
        let outcome = open_and_work_off(&file, &case).await;
        outcome.assert_whole(WEBHOOKS + 20, &case);
        assert!(outcome.gone() <= 30, "{case}: {} gone", outcome.gone());
    }
}
