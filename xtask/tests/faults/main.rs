//! Every task with real or stand-in programs, with each call failing in every way: a run is
//! recorded, and then run again in a copy of its scratch folder for each call and fault. Needs the
//! programs of the target `secrets`.

#![expect(clippy::disallowed_methods, reason = "tests start programs and write files")]

#[path = "../it/checkout.rs"]
#[allow(dead_code, reason = "shared with the target `it`")]
mod checkout;
#[path = "../it/stand_in/plan.rs"]
mod plan;
#[path = "../it/run.rs"]
#[allow(dead_code, reason = "shared with the target `it`")]
mod run;
#[allow(dead_code, reason = "shared with the target `secrets`")]
mod real;
mod world;
mod images;
mod secrets;
mod case;
mod judge;
mod tasks;
mod known;
mod dry_runs;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use case::{Case, FAULTS, Recording, Verdict};
use known::KNOWN;
use plan::Fault;
use tasks::Task;

#[test]
fn every_call_of_every_task_may_go_wrong() {
    let only = std::env::var("FAULTS_ONLY").unwrap_or_default();
    let tasks: Vec<Task> = tasks::all().into_iter().filter(|it| it.name.contains(&only)).collect();
    let recordings = in_parallel(&tasks, Recording::of);
    let mut seen = BTreeSet::new();
    let cases: Vec<Case<'_>> = recordings.iter().flat_map(|it| Case::of(it, &mut seen)).collect();
    let verdicts = in_parallel(&cases, |case| {
        let verdict = case.judge();
        if !verdict.violations.is_empty() {
            println!("{verdict}");
        }
        verdict
    });
    summary(&verdicts);
    let failed = verdicts.iter().filter(|it| !it.violations.is_empty());
    let unknown: Vec<String> = failed
        .filter(|it| !KNOWN.iter().any(|known| known.is_of(it.case)))
        .map(ToString::to_string)
        .collect();
    assert!(unknown.is_empty(), "{} cases fail\n{}", unknown.len(), unknown.join("\n"));
    let passes = |known: &&known::Known| {
        let of = verdicts.iter().filter(|it| known.is_of(it.case));
        of.clone().any(|it| it.violations.is_empty()) || only.is_empty() && of.count() == 0
    };
    let wrong: Vec<_> = KNOWN.iter().filter(passes).collect();
    assert!(wrong.is_empty(), "listed as known, but they pass or are no cases: {wrong:#?}");
    assert!(verdicts.len() >= 500 || !only.is_empty(), "{} cases are too few", verdicts.len());
}

/// Prints the number of cases by task and fault, and of violations by their kind.
fn summary(verdicts: &[Verdict<'_>]) {
    let mut counts: BTreeMap<&str, BTreeMap<Fault, usize>> = BTreeMap::new();
    for it in verdicts {
        *counts.entry(it.case.task.name).or_default().entry(it.case.fault).or_default() += 1;
    }
    println!("{:26}{}", "TASK", FAULTS.map(|it| format!("{it:?} ")).concat());
    for (task, counts) in &counts {
        let cells = FAULTS.map(|it| {
            let width = format!("{it:?}").len();
            format!("{:>width$} ", counts.get(&it).copied().unwrap_or_default())
        });
        println!("{task:26}{}", cells.concat());
    }
    let all = || verdicts.iter().flat_map(|it| &it.violations);
    let kinds =
        judge::KINDS.map(|kind| format!("{} {kind}", all().filter(|it| it.kind == kind).count()));
    println!("{} cases: {}", verdicts.len(), kinds.join(", "));
}

/// Runs four at a time: most of each is waiting for processes.
fn in_parallel<'a, T: Sync, R: Send>(items: &'a [T], work: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let idx = next.fetch_add(1, Ordering::SeqCst);
                    let Some(item) = items.get(idx) else { return };
                    let res = work(item);
                    done.lock().unwrap().push((idx, res));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(idx, _)| *idx);
    done.into_iter().map(|(_, res)| res).collect()
}
