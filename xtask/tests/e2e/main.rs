//! The README's commands on the real mission, with a real engine, registry, PyPI and Debian.
//! `cargo xtask ci` runs it; `cargo test` does not. Each test has a checkout of its own, and all
//! share the engine: one with the images of `hello` runs at a time, one with a copy of `hello`, and one with
//! other missions of its own. A test that waits for another one takes a thread: give them one each.

#![expect(clippy::disallowed_methods, reason = "tests start programs and write files")]

#[path = "../documents.rs"]
mod documents;
mod checkout;
mod running;
mod containers;
mod seed;
mod prune;
mod publish;
mod rebuild;
mod missions;
mod leaks;
mod hub;
mod extras;
mod jupyterlab;
mod hostile;
mod mutations;
mod carrying;
mod clis;
mod completion;
mod tools;
mod cut_off;
mod spy;
mod local_hub;
mod local_registry;
mod receipts;
mod second_engine;
mod relock;
mod report;
mod docs;
mod first_hour;
mod interrupt;
mod lab;
mod doctor;
mod disks;
mod private_engine;
mod conda;
