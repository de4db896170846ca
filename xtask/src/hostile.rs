//! Harmful input: no reader of untrusted data panics, and the work of each grows with the size of
//! the input, not with its square.
//!
//! Formats that the scripts of images read, too, are read by both: see [`differential`].
//!
//! `cargo test` runs a fixed number of mutations from a fixed seed.
//! `FUZZ_SECONDS=600 cargo test --bin xtask hostile` continues for ten minutes; `FUZZ_SEED` chooses
//! others. Work is measured by the counters of the code itself: see [`work`].

mod readers;
#[cfg(read_twice)]
mod differential;
#[cfg(read_twice)]
mod generator;
#[cfg(work_counted)]
mod work;

use std::{
    env,
    panic::{self, AssertUnwindSafe},
    time::{Duration, Instant},
};

use crate::{
    check::tests::mutations::{PIECES, mutated},
    run::terminal,
    specs::frozen::tests::property::Random,
};

/// Number of mutations in a run without `FUZZ_SECONDS`.
const CASES: usize = 2000;

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|it| it.parse().unwrap())
}

#[test]
fn mutations_of_what_others_write() {
    let seed = setting("FUZZ_SEED").unwrap_or(11);
    let limit = setting("FUZZ_SECONDS").map(Duration::from_secs);
    let readers = readers::all();
    let mut random = Random(seed.max(1));
    let started = Instant::now();
    let mut cases = 0;
    while limit.map_or(cases < CASES, |it| started.elapsed() < it) {
        let reader = &readers[random.below(readers.len())];
        let mut text = mutated(&mut random, &reader.seed);
        if random.below(20) == 0 {
            text += &random.pick(PIECES).repeat(random.below(3000));
        }
        let read = panic::catch_unwind(AssertUnwindSafe(|| (reader.read)(&text)));
        assert!(read.is_ok(), "{}, seed {seed}, case {cases}:\n{text:?}", reader.name);
        cases += 1;
    }
    terminal::say(format_args!("{cases} cases"));
}
