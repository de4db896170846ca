//! Harmful files: each run ends by itself, with a status of its own.

use std::{fmt::Write as _, fs};

use serde_json::json;

use crate::checkout::{Checkout, NOTEBOOK};

/// Work that grew with the square of the input would not end on these sizes.
#[test]
fn large_hostile_files_end() {
    let checkout = Checkout::new();
    checkout.git();
    let size = 300_000;
    let files = [
        ("missions/hello/environments/hello/hello.yml", "["),
        ("missions/hello/environments/hello/hello.pip", "https://a:b"),
        ("missions/hello/environments/hello/tests/notebooks", "**/[a"),
        ("missions/hello/Dockerfile.custom", "RUN <<E\n"),
        ("setup-env.template", "a\n"),
        ("x/.sops.yaml", "{\"a\":"),
        ("x/a.yaml", "- ["),
        ("x/tokens", "ghp_"),
        ("x/keys", "-----BEGIN PRIVATE KEY-----\n"),
        ("x/switches", "# check: allow file-name -- a\n"),
    ];
    for (name, piece) in files {
        checkout.file(name, &piece.repeat(size / piece.len()));
    }
    let cells = "{\"id\": \"\"},".repeat(size / 10);
    let notebook = NOTEBOOK.replace("[]", &format!("[{}]", cells.trim_end_matches(',')));
    checkout.file("x/a.ipynb", &notebook);
    let done = checkout.run(&["check"]).status(1);
    assert!(done.stdout.contains("x/a.ipynb:1: notebook-valid"), "{}", done.stderr);
}

/// Values that double line after line, in the files of settings.
#[test]
fn settings_that_would_take_all_memory() {
    let checkout = Checkout::new();
    let mut text = "export A0=aaaaaaaaaaaaaaaa\n".to_owned();
    for it in 0..60 {
        writeln!(text, "export A{}=$A{it}$A{it}", it + 1).unwrap();
    }
    checkout.file("setup-env", &text);
    let done = checkout.run(&["config"]).status(2);
    done.says("setup-env:14: cannot read").says("the value has more than 100000 bytes");
}

#[test]
fn a_setup_env_of_many_megabytes_is_not_read() {
    let checkout = Checkout::new();
    checkout.file("setup-env", &"# a\n".repeat(300_000));
    checkout.run(&["config"]).status(2).says("setup-env: large-file: this file has 1.2 MB");
}

/// Executed notebooks come from the image.
#[test]
fn a_report_of_hostile_notebooks_ends() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout.run(&["image-test"]).status(0);
    let pieces = ["<b></x>", "<svg>", "<table><td>", "*a_ ", "[a](", "\u{1b}["];
    let output = |mime: &str, piece: &str, size: usize| {
        let text = piece.repeat(size / piece.len());
        json!({ "output_type": "display_data", "data": { mime: text } })
    };
    let mimes = ["text/html", "text/markdown"];
    let outputs = pieces.map(|it| mimes.map(|mime| output(mime, it, 300_000)));
    let large = output("text/html", "<p>a</p>", 6_000_000);
    let cell = json!({ "cell_type": "code", "source": "", "outputs": outputs.concat() });
    let left_out = json!({ "cell_type": "code", "source": "", "outputs": [large] });
    let place = "target/xtask/test/hello/notebooks/hello/plot.ipynb";
    checkout.file(place, &json!({ "nbformat": 4, "cells": [cell, left_out] }).to_string());
    checkout.run(&["report"]).status(0);
    let page = checkout.read("target/xtask/report.html");
    assert!(page.contains("Left out: 6 MB."));
    // Not a file, and larger than any notebook.
    for make in [link, sparse] {
        make(&checkout, place);
        checkout.run(&["report"]).status(0);
        let page = checkout.read("target/xtask/report.html");
        assert!(page.contains("not a regular file") || page.contains("larger than 50 MB"));
    }
}

fn link(checkout: &Checkout, place: &str) {
    checkout.remove(place);
    checkout.file("../outside", "{}");
    std::os::unix::fs::symlink(checkout.dir().join("outside"), checkout.root().join(place))
        .unwrap();
}

fn sparse(checkout: &Checkout, place: &str) {
    checkout.remove(place);
    fs::File::create(checkout.root().join(place)).unwrap().set_len(3_000_000_000).unwrap();
}

/// Numbers that look random and are the same in every run: xorshift64*,
/// <https://doi.org/10.1145/2845077>.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % n
    }

    /// Returns `bytes` with some of them changed, repeated or removed.
    fn mutated(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut res = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let start = self.below(res.len() + 1);
            let end = start + self.below((res.len() - start).min(60) + 1);
            let pieces: [&[u8]; 8] = [b"", b"\0", b"\xff", b"\n", b"{[", b"\x1b]0;", b"\"", b"$A"];
            let piece = match self.below(3) {
                0 => res[start..end].repeat(3),
                _ => pieces[self.below(8)].to_vec(),
            };
            res.splice(start..end, piece);
        }
        res
    }
}

/// Runs each task that reads such a file; `FUZZ_SECONDS` and `FUZZ_SEED` as in `src/hostile.rs`.
#[test]
fn mutated_files_and_the_exit_status() {
    let number = |name: &str| std::env::var(name).ok().map(|it| it.parse::<u64>().unwrap());
    let seed = number("FUZZ_SEED").unwrap_or(11);
    let limit = number("FUZZ_SECONDS").map(std::time::Duration::from_secs);
    let started = std::time::Instant::now();
    let mut random = Random(seed.max(1));
    let checkout = Checkout::new();
    checkout.git();
    checkout.run(&["image-all"]).status(0);
    let state = checkout.stand_in("state.json");
    let receipts = checkout.root().join("target/xtask/receipts/hello");
    let receipt = fs::read_dir(receipts).unwrap().next().unwrap().unwrap().file_name();
    let receipt = format!("target/xtask/receipts/hello/{}", receipt.to_str().unwrap());
    let environment = "missions/hello/environments/hello";
    let executed = "target/xtask/test/hello/notebooks/hello/plot.ipynb";
    checkout.file(executed, NOTEBOOK);
    checkout.file("setup-env", "export ENVIRONMENT=dev\nexport A=\"$ENVIRONMENT\"\n");
    let files: &[(&str, &[&[&str]])] = &[
        ("setup-env", &[&["config"], &["list"]]),
        ("setup-env.template", &[&["config"], &["check"]]),
        (&format!("{environment}/hello.pip"), &[&["check"], &["why", "numpy"]]),
        (
            &format!("{environment}/hello-frozen.yml"),
            &[&["freeze", "--check"], &["why", "numpy"], &["diff"]],
        ),
        (&format!("{environment}/tests/plot.ipynb"), &[&["check"], &["check", "--fix"]]),
        ("missions/hello/Dockerfile.custom", &[&["image-update", "--check"], &["explain"]]),
        ("missions/hello/.dockerignore", &[&["explain"], &["-n", "image-all"]]),
        (&receipt, &[&["report"], &["explain"], &["image-push"]]),
        (executed, &[&["report"]]),
        ("target/xtask/test/hello/receipt.json", &[&["report"]]),
    ];
    let mut cases = 0;
    while limit.map_or(cases < 60, |it| started.elapsed() < it) {
        let (name, tasks) = files[cases % files.len()];
        let args = tasks[random.below(tasks.len())];
        let path = checkout.root().join(name);
        let before = fs::read(&path).unwrap();
        let text = random.mutated(&before);
        fs::write(&path, &text).unwrap();
        let done = checkout.run(args);
        let shown = format!(
            "{name}, {args:?}, seed {seed}, case {cases}: {:?}",
            text.escape_ascii().to_string()
        );
        assert!(matches!(done.code(), Some(0..=3)), "{shown}\n{}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{shown}\n{}", done.stderr);
        fs::write(&path, before).unwrap();
        checkout.state("state.json", &state);
        cases += 1;
    }
}
