//! The list of what can be configured of JupyterHub's classes.

use std::{env, fs, path::Path, process::Command};

use crate::scratch::{run, stdout};

/// `UPDATE_EXPECT=1` writes the list.
#[test]
fn traits_are_those_of_the_packages() {
    let python = env::var_os("TRAITS_PYTHON");
    let python = python.expect("`cargo xtask ci --only 'hubs with helm'` sets TRAITS_PYTHON");
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../common/hub/chart");
    let found = stdout(&run(Command::new(python).arg(chart.join("traits.py")), ""));
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(chart.join("traits.json"), &found).unwrap();
    }
    let listed = fs::read_to_string(chart.join("traits.json")).unwrap();
    assert_eq!(found, listed, "UPDATE_EXPECT=1 writes common/hub/chart/traits.json");
}
