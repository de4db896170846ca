//! What must not compile: `tests/faults/dry_runs.rs` compiles this module, and looks for the errors that
//! the comments name.

use std::path::Path;

use crate::{
    image::leftovers,
    run::{
        files,
        process::{self, Change, Permit},
    },
};

fn a_change_is_not_run(cmd: &Change) {
    let _ = process::read(cmd); //~ E0308
    let _ = process::attached(cmd); //~ E0308
}

fn no_file_is_written_or_removed(path: &Path) {
    let _ = files::write(path, b""); //~ E0061
    let _ = files::remove_tree(path); //~ E0061
}

fn nothing_is_swept(docker: &crate::tools::docker::Docker) {
    let _ = leftovers::sweep(docker, &docker.root); //~ E0061
}

fn nobody_makes_a_permit() -> Permit {
    Permit(()) //~ E0423
}
