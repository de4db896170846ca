//! The real binary in a scratch checkout, with a stand-in for docker on a `PATH` that has little
//! else. A test is named after its row of LESSONS, if it has one.

#![expect(clippy::disallowed_methods, reason = "tests start programs and write files")]

#[path = "../documents.rs"]
mod documents;
#[path = "../served.rs"]
mod served;
mod checkout;
mod run;
mod server;
mod docs;
mod words;
mod messages;
mod flags;
mod requests;
mod terminal;
mod leaks;
mod progress;
mod hostile;
mod machine;
mod commands;
mod ci;
mod missions;
mod completing;
mod corpus;
mod checking;
mod building;
mod builders;
mod explaining;
mod matrix;
mod relocking;
mod outdated;
mod workflows;
mod upstream;
mod freezing;
mod frozen_specs;
mod shards;
mod testing;
mod carrying;
mod trying;
mod publishing;
mod registries;
mod local_registry;
mod receipts;
mod reusing;
mod containers;
mod running;
mod leftovers;
mod many;
mod hubs;
mod jobs;
