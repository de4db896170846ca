//! The hub on this machine, with the real image of `hello`.

use crate::{
    checkout::{Checkout, run, text},
    containers::docker,
    running::{Recipient, Running},
};

/// Returns the names of all objects with the label of the checkout's hub.
fn objects(name: &str) -> Vec<String> {
    let filter = format!("label=science-platform.hub={name}");
    let lists: [&[&str]; 3] = [
        &["container", "ls", "--all", "--format", "{{.Names}}"],
        &["volume", "ls", "--quiet"],
        &["network", "ls", "--format", "{{.Name}}"],
    ];
    let list = |it: &[&str]| text(&run(&mut docker(&[it, &["--filter", &filter]].concat())));
    lists.iter().flat_map(|it| list(it).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn what_cannot_start_leaves_nothing() {
    let checkout = Checkout::new();
    assert_eq!(checkout.run(&["image-all", "hello"]).status, Some(0));
    let socket = checkout.run(&["hub-up", "--detach", "--set", "HUB_SOCKET=/not/there.sock"]);
    assert!(socket.status == Some(2) && socket.stderr.contains("HUB_SOCKET"), "{}", socket.stderr);
    let hub = Running::start(&checkout, &["hub-up", "hello"]);
    let address = hub.wait_for("http://127.0.0.1:").expect("an address is printed");
    let id = address.trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
    hub.interrupt(Recipient::Group);
    assert_eq!(hub.finish(), Some(130));
    assert_eq!(objects(&format!("science-platform-hub-{id}")), Vec::<String>::new());
    assert!(!checkout.path("target/xtask/hub").exists());
    assert_eq!(checkout.run(&["hub-smoke"]).status, Some(1));
}
