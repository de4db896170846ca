//! Hubs with real Helm, 3 and 4, whose programs `helm3` and `helm4` are in the folder `HELMS`:
//! `cargo xtask ci` installs them, and without them these tests fail. `TRAITS_PYTHON` has the packages of `traits.in`.

#![expect(clippy::disallowed_methods, reason = "tests start programs and write files")]

#[path = "../served.rs"]
mod served;
mod scratch;
mod merge;
mod schema;
mod chart;
mod render;
mod traits;
