//! Work, counted by the code itself: how often its parts run (`-C instrument-coverage`, for this crate
//! and its dependencies) and the bytes that it allocates. No machine's speed is in it.
//!
//!     RUSTFLAGS='-C instrument-coverage --cfg work_counted' CARGO_TARGET_DIR=target/counted \
//!         cargo test --bin xtask hostile::work -- --test-threads 1

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering},
};

use super::readers;
use crate::check::tests::mutations::PIECES;

struct Counting;

static ALLOCATED: AtomicU64 = AtomicU64::new(0);

// SAFETY: the system's allocator does the work.
#[expect(unsafe_code, reason = "an allocator that counts")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as u64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

unsafe extern "C" {
    /// The counters of `-C instrument-coverage`, between two symbols of the linker.
    #[link_name = "__start___llvm_prf_cnts"]
    static FIRST: u64;
    #[link_name = "__stop___llvm_prf_cnts"]
    static END: u64;
}

/// Returns the work so far.
fn work() -> u64 {
    let (first, end) = (&raw const FIRST, &raw const END);
    let count = (end.addr() - first.addr()) / size_of::<u64>();
    // SAFETY: the linker puts the counters between the two; no other thread runs.
    #[expect(unsafe_code, reason = "counters of the compiler")]
    let counters = (0..count).map(|at| unsafe { first.add(at).read_volatile() });
    // Copied bytes run no counter: sixteen of them are a step.
    counters.sum::<u64>() + ALLOCATED.load(Ordering::Relaxed) / 16
}

fn work_of(read: fn(&str), text: &str) -> u64 {
    let before = work();
    read(text);
    work() - before
}

/// Pieces whose repetition once cost more than its length, or may.
const MORE: &[&str] = &[
    "a",
    "1",
    "_",
    "a\n",
    "a ",
    "\t\n",
    "- a\n",
    "a: ",
    "a:\n ",
    "a=b\n",
    "export A=b\n",
    "export A=$A$A\n",
    "RUN a\n",
    "RUN <<E\n",
    "RUN a \\\n",
    "\\\n# a\n",
    "a && ",
    "if a; then ",
    "case a in ",
    "{ a; ",
    "(a",
    "1<",
    "<",
    "<b>",
    "<b></x>",
    "<p><div>",
    "</p>",
    "<table><td>",
    "<h1>",
    "<svg>",
    "<!--",
    "<a href=x ",
    "<a b=c",
    "&lt;",
    "&#x41;",
    "*a_ ",
    "![",
    "[a](",
    "[a]: b\n",
    "`a``",
    "> ",
    "1. ",
    "| a ",
    "|-",
    "$$",
    "~~",
    "<x y=\"",
    "ghp_",
    "AKIA",
    "https://a:b",
    "https://x/t/",
    "@",
    ":@",
    "-----BEGIN PRIVATE KEY-----\n",
    "# check: allow file-name -- a\n",
    "and ",
    "(a or ",
    "[a,",
    "{\"a\":",
    "[{},",
    "{\"id\": \"\"},",
    "&a [*a,",
    "? a\n",
    "\u{1b}[",
    "\r",
    "\u{fffd}",
    "#9 0.1 a\n",
    "#9 ERROR a\n",
    "\n\n",
    "-a+b\n",
    "numpy==1\n",
    "    - numpy==1 --hash=sha256:0\n",
    "*a*/",
    "[!a]",
    "**/",
    "diff --git a/x b/x\n",
];

const SIZE: usize = 8_000;

/// Returns texts with the piece in the example's middle, and alone.
fn texts(seed: &str, piece: &str, size: usize) -> [String; 2] {
    let middle = seed.char_indices().nth(seed.chars().count() / 2).map_or(0, |it| it.0);
    let repeated = piece.repeat(size / piece.len());
    [format!("{}{repeated}{}", &seed[..middle], &seed[middle..]), repeated]
}

#[test]
fn doubling_the_input_at_most_triples_the_work() {
    let mut found = Vec::new();
    for reader in readers::all() {
        for piece in PIECES.iter().chain(MORE).filter(|it| !it.is_empty()) {
            let sizes = [SIZE, 2 * SIZE].map(|size| texts(&reader.seed, piece, size));
            for (one, two) in sizes[0].iter().zip(&sizes[1]) {
                let (less, more) = (work_of(reader.read, one), work_of(reader.read, two));
                if more > 3 * less {
                    found.push(format!("{}: {piece:?}: {less}, {more}", reader.name));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
