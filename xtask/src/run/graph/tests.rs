use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

/// Nodes by their needs and memory.
fn nodes(all: &[(&[usize], u64)]) -> Vec<Node> {
    all.iter().map(|(needs, memory)| Node { needs: needs.to_vec(), memory: *memory }).collect()
}

/// Runs nodes for a while each, those in `bad` fail, and returns their ends and the most that ran at once.
fn check(
    nodes: &[Node],
    jobs: usize,
    memory: u64,
    fail_fast: bool,
    bad: &[usize],
) -> (Vec<String>, usize) {
    let (now, most, order) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let limits = Limits { jobs, memory: &|| memory, fail_fast };
    let ends = run(
        nodes,
        &limits,
        |_| false,
        |node| {
            order.lock().unwrap().push(node);
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(30));
            now.fetch_sub(1, Ordering::SeqCst);
            if bad.contains(&node) { Err(anyhow!("{node} is bad")) } else { Ok(node) }
        },
    );
    let text = |it: &End<usize>| match it {
        End::Done(_) => "done".to_owned(),
        End::Failed(err, _) => err.to_string(),
        End::Blocked => "blocked".to_owned(),
        End::NotStarted => "not started".to_owned(),
    };
    let order = order.into_inner().unwrap();
    for (at, node) in order.iter().enumerate() {
        for need in &nodes[*node].needs {
            assert!(order[..at].contains(need), "{order:?}");
        }
    }
    (ends.iter().map(text).collect(), most.into_inner())
}

const CHAINS: &[(&[usize], u64)] = &[(&[], 0), (&[0], 0), (&[1], 8), (&[0], 0), (&[3], 8)];

#[test]
fn nodes_run_at_once_as_far_as_they_may() {
    let nodes = nodes(CHAINS);
    assert_eq!(check(&nodes, 4, 16, false, &[]), (vec!["done".to_owned(); 5], 2));
    assert_eq!(check(&nodes, 1, 16, false, &[]).1, 1);
}

#[test]
fn memory_is_a_limit_but_for_one_alone() {
    let all = nodes(&[(&[], 8), (&[], 8), (&[], 8)]);
    assert_eq!(check(&all, 3, 16, false, &[]).1, 2);
    assert_eq!(check(&all, 3, 4, false, &[]), (vec!["done".to_owned(); 3], 1));
}

#[test]
fn a_failure_blocks_what_needs_it() {
    let ends = check(&nodes(CHAINS), 2, 16, false, &[1]).0;
    assert_eq!(ends, ["done", "1 is bad", "blocked", "done", "done"]);
    let ends = check(&nodes(CHAINS), 2, 16, false, &[0]).0;
    assert_eq!(ends, ["0 is bad", "blocked", "blocked", "blocked", "blocked"]);
}

#[test]
fn the_first_failure_may_be_the_last_thing() {
    let ends = check(&nodes(CHAINS), 1, 16, true, &[1]).0;
    assert_eq!(ends, ["done", "1 is bad", "not started", "not started", "not started"]);
}

#[test]
fn a_panic_is_a_failure() {
    let limits = Limits { jobs: 2, memory: &|| 0, fail_fast: false };
    let all = nodes(&[(&[], 0), (&[0], 0)]);
    let ends = run(&all, &limits, |_: &()| false, |_| panic!("on purpose"));
    let End::Failed(err, _) = &ends[0] else { panic!("{ends:?}") };
    assert_eq!(err.to_string(), "a thread panicked");
}
