//! JupyterLab of `image-lab`, in a browser.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::Value;

use crate::{
    checkout::{Checkout, text},
    containers::{docker, empty_home},
    running::{Recipient, Running},
    tools,
};

const TESTS: &str = "missions/shown/environments/hello/tests";

#[test]
fn a_notebook_in_a_browser() {
    let checkout = Checkout::of_copy("shown");
    checkout.rows(&["image-build", "shown"]);
    let home = empty_home(&checkout);
    for name in ["cmb.ipynb", "firas.txt"] {
        fs::copy(checkout.path(&format!("{TESTS}/{name}")), home.join(name)).unwrap();
    }
    // Saving writes an existing file.
    fs::set_permissions(home.join("cmb.ipynb"), fs::Permissions::from_mode(0o666)).unwrap();

    let lab = Running::start(&checkout, &["image-lab", "shown", "--home", home.to_str().unwrap()]);
    let address = lab.wait_for("http://127.0.0.1:").expect("an address is printed");
    let container = container(&checkout);
    // In a folder that the next run can find: the checkout is removed with the test.
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
    let pictures = pictures.to_str().unwrap();
    let args = [&address, "cmb.ipynb", pictures, "Hello", "Python 3 (ipykernel)"];
    tools::look("e2e/browse_lab.py", &args);
    assert_ran(&fs::read_to_string(home.join("cmb.ipynb")).unwrap());

    lab.interrupt(Recipient::Group);
    assert_eq!(lab.finish(), Some(130));
    let inspect = docker(&["inspect", "--format", "{{.Id}}", &container]).output().unwrap();
    assert_eq!(text(&inspect).trim(), "", "the container is left");
}

/// Returns the id of the running lab's container.
fn container(checkout: &Checkout) -> String {
    let files = fs::read_dir(checkout.path("target/xtask/lab")).unwrap();
    let files: Vec<String> =
        files.map(|it| fs::read_to_string(it.unwrap().path()).unwrap()).collect();
    assert_eq!(files.len(), 1);
    files[0].clone()
}

/// Checks that every cell of the notebook has run, none failed, and the last ones show something.
fn assert_ran(notebook: &str) {
    let notebook: Value = serde_json::from_str(notebook).unwrap();
    let cells = notebook["cells"].as_array().unwrap();
    let code: Vec<&Value> = cells.iter().filter(|it| it["cell_type"] == "code").collect();
    assert!(code.iter().all(|it| it["execution_count"].is_number()), "{notebook}");
    let outputs = || code.iter().flat_map(|it| it["outputs"].as_array().unwrap());
    assert!(outputs().all(|it| it["output_type"] != "error" && it["name"] != "stderr"));
    assert!(outputs().any(|it| it["data"]["image/png"].is_string()), "no picture");
    assert!(outputs().any(|it| it.to_string().contains("T = 2.725")), "no result");
}
