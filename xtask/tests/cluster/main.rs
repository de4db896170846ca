//! Hubs and tests as Jobs on a real cluster: the one that `KUBECONFIG` names, whose nodes pull from the registry `REGISTRY`.
//! `cargo xtask ci --cluster` runs these tests, and without a cluster they fail. All share the cluster and
//! the images, so one runs at a time; what was printed is in `target/xtask/cluster/`.

#![expect(clippy::disallowed_methods, reason = "tests start programs and write files")]

#[path = "../served.rs"]
mod served;
mod settings;
mod run;
mod images;
mod chart;
mod world;
mod kubectl;
mod deployment;
mod faults;
mod jobs;
