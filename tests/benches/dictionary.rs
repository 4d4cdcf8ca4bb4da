//! Trains the dictionary that stored bodies are packed with, on simulated webhooks of every engine and age, and
//! measures it on others. Equal seeds and one version of zstd give equal bytes.
//!
//! `tests/figures dictionary` measures the one that is shipped; with `--write FILE` a new one is trained and
//! written there, to be added to `src/body_codec/dictionaries.rs`. One that was released is never changed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use waha_ingest::body_codec::{Dictionaries, PackCheck, PackedBody, Packer, SHIPPED, unpack};
use waha_ingest::simulate::{Age, Families, Plan, history};

/// Bytes of a dictionary: twice as many gained 3 % on what is stored.
const DICTIONARY_BYTES: usize = 112_640;
/// zstd's trainer asks for about a hundred times the dictionary.
const SAMPLES_BYTES: usize = 100 * DICTIONARY_BYTES;
/// Seeds of what is trained on; of what is measured on.
const TRAINED: std::ops::Range<u64> = 1_000..1_012;
const MEASURED: std::ops::Range<u64> = 2_000..2_003;
/// Times that all bodies are packed for a figure.
const ROUNDS: u32 = 5;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    if arguments.next().as_deref() == Some("--write") {
        let file = arguments.next().expect("--write FILE");
        let dictionary = trained();
        std::fs::write(&file, &dictionary).expect("the file can be written");
        println!("{file}: {} bytes", dictionary.len());
        return;
    }
    measure();
}

/// The bodies of some seeds, with the engine that would send each.
fn bodies(seeds: std::ops::Range<u64>, messages: u32) -> impl Iterator<Item = (String, Vec<u8>)> {
    let plans = seeds.flat_map(move |seed| {
        [Age::Autumn, Age::Spring, Age::Old].map(|age| Plan {
            seed,
            age,
            messages,
            families: Families::ALL,
            ..Plan::default()
        })
    });
    plans.flat_map(|plan| history(&plan)).map(|sent| (engine(&sent.body), sent.body))
}

/// The last one that the body names, which is that of its environment. Not by a reader of JSON: some bodies hold
/// what none takes.
fn engine(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let told = text.rsplit_once("\"engine\":\"").and_then(|(_, rest)| rest.split_once('"'));
    told.map_or("not told", |(engine, _)| engine).to_owned()
}

/// As many samples of each seed and age, so that none is left out when there are enough.
fn trained() -> Vec<u8> {
    let per_plan = SAMPLES_BYTES / (3 * TRAINED.count());
    let mut samples = Vec::new();
    for seed in TRAINED {
        for age in [Age::Autumn, Age::Spring, Age::Old] {
            let plan = Plan { seed, age, families: Families::ALL, ..Plan::default() };
            let mut bytes = 0;
            let some = history(&plan).map(|sent| sent.body).take_while(|body| {
                bytes += body.len();
                bytes <= per_plan
            });
            samples.extend(some);
        }
    }
    let bytes: usize = samples.iter().map(Vec::len).sum();
    println!("{} samples, {bytes} bytes", samples.len());
    zstd::dict::from_samples(&samples, DICTIONARY_BYTES).expect("there are enough samples")
}

/// Lengths and times of the bodies of an engine.
#[derive(Default)]
struct Figures {
    count: usize,
    plain: usize,
    zstd: usize,
    packed: usize,
}

fn measure() {
    println!("dictionary {}, {} bytes", SHIPPED.id, SHIPPED.bytes.len());
    let bodies: Vec<(String, Vec<u8>)> = bodies(MEASURED, 1_000).collect();
    let mut figures = BTreeMap::<&str, Figures>::new();
    let mut packer = Packer::new(PackCheck::Never).expect("memory");
    for (engine, body) in &bodies {
        let zstd = zstd::bulk::compress(body, 3).expect("it can be packed").len();
        let dense = packer.pack(body).bytes.len();
        for name in [engine, "all"] {
            let figures = figures.entry(name).or_default();
            figures.count += 1;
            figures.plain += body.len();
            figures.zstd += zstd;
            figures.packed += dense;
        }
    }
    println!(
        "{:<12}{:>8}{:>12}{:>12}{:>20}",
        "engine", "bodies", "plain B", "zstd B", "with dictionary B"
    );
    for (engine, figures) in &figures {
        let mean = |bytes: usize| bytes / figures.count;
        let Figures { count, plain, zstd, packed } = figures;
        println!(
            "{engine:<12}{count:>8}{:>12}{:>12}{:>20}",
            mean(*plain),
            mean(*zstd),
            mean(*packed)
        );
    }
    times(&bodies);
}

fn times(bodies: &[(String, Vec<u8>)]) {
    let dictionaries = Dictionaries::default();
    let mut packer = Packer::new(PackCheck::Never).expect("memory");
    let mut checked = Packer::new(PackCheck::Each).expect("memory");
    let stored: Vec<PackedBody<'_>> = bodies.iter().map(|(_, body)| packer.pack(body)).collect();
    let all = u32::try_from(bodies.len()).expect("few bodies") * ROUNDS;
    let each = |name: &str, mut step: Box<dyn FnMut(usize) + '_>| {
        let started = Instant::now();
        for _ in 0..ROUNDS {
            (0..bodies.len()).for_each(&mut step);
        }
        let mean: Duration = started.elapsed() / all;
        println!("{name:<24}{:>8.1} µs a body", mean.as_secs_f64() * 1e6);
    };
    each("pack", Box::new(|it| drop(packer.pack(&bodies[it].1))));
    each("pack and compare", Box::new(|it| drop(checked.pack(&bodies[it].1))));
    each("unpack", Box::new(|it| drop(unpack(&stored[it], &dictionaries).expect("it is whole"))));
}
