//! The hub on this machine, with the real image of `hello`.

use std::path::Path;

use crate::{
    checkout::{Checkout, run, text},
    containers::docker,
    running::{Recipient, Running},
    tools,
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

/// Removes the checkout's hub, however the test ends.
struct Down<'a>(&'a Checkout);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        self.0.run(&["hub-down", "--volumes", "--yes"]);
    }
}

/// Runs Python in a container, and returns what it prints.
fn python(container: &str, code: &str) -> String {
    text(&run(&mut docker(&["exec", container, "python3", "-c", code])))
}

#[test]
fn two_people_and_a_smoke_test_on_the_hub() {
    let checkout = Checkout::new();
    assert_eq!(checkout.run(&["image-all", "hello"]).status, Some(0));
    let _down = Down(&checkout);
    let up = checkout.run(&["hub-up", "--detach"]);
    assert_eq!(up.status, Some(0));
    let address = up.stdout.trim().to_owned();
    let id = address.trim_end_matches('/').rsplit('/').next().unwrap();
    let name = format!("science-platform-hub-{id}");
    let again = checkout.run(&["hub-up", "hello", "--detach"]);
    assert!(again.status == Some(0) && again.stderr.contains("nothing has changed"));

    let smoke = checkout.run(&["hub-smoke", "hello", "--json"]);
    assert_eq!(smoke.status, Some(0));
    for step in ["cell in hello", "cell in python3", "read the file"] {
        assert!(smoke.stdout.contains(&format!("\"{step}\"")), "{}", smoke.stdout);
    }
    assert!(!objects(&name).iter().any(|it| it.contains("smoke")), "{:?}", objects(&name));

    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hub");
    let password = checkout.path("target/xtask/hub/password");
    let (password, pictures) = (password.to_str().unwrap(), pictures.to_str().unwrap());
    let args =
        [&address, password, "hello", "welcome.ipynb", pictures, "Hello", "Python 3 (ipykernel)"];
    tools::look("e2e/browse_hub.py", &args);

    let (hub, ann) = (format!("{name}-hub"), format!("{name}-ann"));
    let status = checkout.run(&["hub-status", "--json"]);
    assert!(status.status == Some(0) && status.stdout.contains("\"ann\""));
    let mounts = run(&mut docker(&["inspect", "--format", "{{json .Mounts}}", &ann]));
    assert!(!text(&mounts).contains("docker.sock"), "{}", text(&mounts));
    let url = format!("http://{ann}:8888/{id}/user/ann/api/kernels");
    let ask = format!(
        "import urllib.request, urllib.error\ntry: urllib.request.urlopen('{url}')\nexcept urllib.error.HTTPError as it: print(it.code)"
    );
    assert_eq!(python(&hub, &ask).trim(), "403");
    let api = format!("import socket\nprint(socket.socket().connect_ex(('{name}', 8001)))");
    assert_eq!(python(&ann, &api).trim(), "111", "the proxy's port accepts connections");
    let environment = run(&mut docker(&["inspect", &hub]));
    assert!(!text(&environment).contains(&checkout.read("target/xtask/hub/password")));

    assert_eq!(checkout.run(&["hub-down"]).status, Some(0));
    assert!(!checkout.path("target/xtask/hub").exists());
    let homes = objects(&name);
    assert!(homes.iter().all(|it| it.contains("-home.hello.")), "{homes:?}");
    let mount = format!("{name}-home.hello.ann:/h");
    let kept = ["run", "--rm", "--no-healthcheck", "--entrypoint", "test", "--volume", &mount];
    run(&mut docker(
        &[&kept[..], &["science-platform/hello:latest", "-f", "/h/welcome.ipynb"]].concat(),
    ));
    assert_eq!(checkout.run(&["hub-down", "--volumes", "--yes"]).status, Some(0));
    assert_eq!(objects(&name), Vec::<String>::new());
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
