//! The registry on this machine: which clients reach it, and which run starts it.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    checkout::{Checkout, run, text},
    containers::docker,
};

const NAME: &str = "science-platform-registry";
const PASSWORD: &str = "target/xtask/registry.password";

/// Tries to move `hello:latest-sandbox`, like an installed or tested package could.
const PUT: &str = "
import sys, urllib.error, urllib.request
for address in sys.argv[1:]:
    url = f'http://{address}/v2/hello/manifests/latest-sandbox'
    kind = {'Content-Type': 'application/vnd.docker.distribution.manifest.v2+json'}
    put = urllib.request.Request(url, data=b'{}', method='PUT', headers=kind)
    try:
        print(urllib.request.urlopen(put, timeout=3).status)
    except urllib.error.HTTPError as err:
        print(err.code)
    except OSError:
        print('unreachable')
";

fn quickstart() -> Checkout {
    let checkout = Checkout::new();
    checkout.has_tested(&["--frozen"]);
    assert_eq!(checkout.run(&["quickstart"]).status, Some(0));
    checkout
}

/// Returns docker's description of the registry's container.
fn inspected() -> Value {
    let output = text(&run(&mut docker(&["container", "inspect", NAME])));
    serde_json::from_str::<Value>(&output).unwrap()[0].take()
}

/// Returns where it might answer: its address in its network, the host's in docker's, and the
/// published one.
fn addresses(inspected: &Value) -> Vec<String> {
    let networks = inspected["NetworkSettings"]["Networks"].as_object().unwrap();
    let own = networks.values().map(|it| format!("{}:5000", it["IPAddress"].as_str().unwrap()));
    let published = &inspected["NetworkSettings"]["Ports"]["5000/tcp"][0];
    let port = published["HostPort"].as_str().unwrap();
    let bridge = "{{(index .IPAM.Config 0).Gateway}}";
    let gateway = run(&mut docker(&["network", "inspect", "bridge", "--format", bridge]));
    let gateway = format!("{}:{port}", text(&gateway).trim());
    own.chain([gateway, format!("127.0.0.1:{port}")]).collect()
}

/// Returns the results of [`PUT`] in a container with this network.
fn from_container(network: &str, addresses: &[String]) -> Vec<String> {
    let mut put = docker(&["run", "--rm", "--network", network, "--entrypoint", "python3"]);
    let output = run(put.args(["science-platform/hello:latest", "-c", PUT]).args(addresses));
    text(&output).lines().map(str::to_owned).collect()
}

/// Returns the results of [`PUT`] in a build step with this network.
fn from_build_step(checkout: &Checkout, network: &str, addresses: &[String]) -> Vec<String> {
    checkout.write("target/put/put.py", PUT);
    let step = format!("RUN python3 /put.py {} > /tmp/put", addresses.join(" "));
    let from = "FROM science-platform/hello:latest\nCOPY put.py /put.py\n";
    checkout.write("target/put/Dockerfile", &format!("{from}{step}\n"));
    let dir = checkout.path("target/put");
    let build = ["build", "--quiet", "--no-cache", "--network", network, dir.to_str().unwrap()];
    // A newer docker builds with BuildKit by a plugin, which may be missing.
    let built = ["1", "0"].iter().find_map(|buildkit| {
        let output = docker(&build).env("DOCKER_BUILDKIT", buildkit).output().unwrap();
        output.status.success().then(|| text(&output))
    });
    let id = built.expect("the step is built");
    let cat = ["run", "--rm", "--entrypoint", "cat", id.trim(), "/tmp/put"];
    let said = text(&run(&mut docker(&cat)));
    run(&mut docker(&["image", "rm", id.trim()]));
    said.lines().map(str::to_owned).collect()
}

#[test]
fn out_of_reach_of_containers_and_build_steps() {
    let checkout = quickstart();
    let mode = fs::metadata(checkout.path(PASSWORD)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let addresses = addresses(&inspected());
    for network in ["bridge", "host"] {
        let from_step = if network == "bridge" { "default" } else { network };
        let said = [
            from_container(network, &addresses),
            from_build_step(&checkout, from_step, &addresses),
        ];
        for said in said {
            match network {
                "bridge" => assert_eq!(said, ["unreachable"; 3]),
                // The published address does answer there.
                _ => assert!(
                    said[2] == "401" && !said[..2].iter().any(|it| is_served(it)),
                    "{said:?}"
                ),
            }
        }
    }
    // No attempt moved the tag.
    assert_eq!(checkout.run(&["explain"]).status, Some(0));
    let rows = checkout.rows(&["image-all"]);
    rows.did_nothing();
}

fn is_served(status: &str) -> bool {
    !["401", "unreachable"].contains(&status)
}

/// Earlier versions started one without a password, on docker's own network.
#[test]
fn one_of_an_earlier_version_goes_before_anything_is_built() {
    let checkout = quickstart();
    run(&mut docker(&["rm", "--force", NAME]));
    let serve = "sed '/^auth:/,/path:/d' /etc/docker/registry/config.yml > /tmp/config.yml && exec docker-registry serve /tmp/config.yml";
    let volume = format!("{NAME}:/var/lib/registry");
    let flags = ["run", "--detach", "--label", "science-platform.role=registry", "--publish"];
    let more = ["127.0.0.1:5000:5000", "--volume", &volume, "--entrypoint", "bash"];
    let image = ["science-platform/registry:latest", "-c", serve];
    let id = text(&run(&mut docker(&[&flags[..], &more, &image].concat())));
    let ip = "{{.NetworkSettings.IPAddress}}";
    let ip = text(&run(&mut docker(&["inspect", "--format", ip, id.trim()])));
    let addresses = [format!("{}:5000", ip.trim())];
    // Its behaviour then: it refuses only what is not a manifest.
    let is_up = || from_container("bridge", &addresses) == ["400"];
    assert!((0..100).any(|_| is_up()), "{:?}", from_container("bridge", &addresses));

    let built = checkout.run(&["image-build"]);
    assert!(built.stderr.contains("removed the registry of an earlier version"));
    assert_eq!(from_container("bridge", &addresses), ["unreachable"]);
    // A new container on the same volume has all images that were pushed.
    let pushed = checkout.run(&["image-push"]);
    assert_eq!(pushed.status, Some(0));
    assert!(!pushed.stderr.contains("pushing"), "the images were lost");
    assert_eq!(inspected()["Name"], format!("/{NAME}"));
}

#[test]
fn half_made_ones_and_taken_ports() {
    let checkout = quickstart();
    let address = addresses(&inspected()).pop().unwrap();
    run(&mut docker(&["stop", NAME]));
    let taken = TcpListener::bind(&address).unwrap();
    assert_eq!(checkout.run(&["image-push"]).status, Some(0));
    assert_ne!(addresses(&inspected()).pop().unwrap(), address);
    drop(taken);
    // Like a run that was killed between creating and starting it.
    run(&mut docker(&["rm", "--force", NAME]));
    let image = "science-platform/registry:latest";
    let role = "science-platform.role=registry";
    run(&mut docker(&["create", "--name", NAME, "--label", role, image]));
    assert_eq!(checkout.run(&["image-push"]).status, Some(0));
    run(&mut docker(&["pause", NAME]));
    assert_eq!(checkout.run(&["image-push"]).status, Some(0));
}

/// Creating the container is the lock: one run creates it, the other waits for its answer.
#[test]
fn two_checkouts_start_it_at_once() {
    let here = quickstart();
    let there = here.beside();
    there.has_tested(&["--frozen"]);
    for _ in 0..3 {
        run(&mut docker(&["rm", "--force", NAME]));
        let start = |it: &Checkout| {
            let mut push: Command = it.command(&["image-push", "hello"]);
            push.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        for push in [start(&here), start(&there)] {
            let output = push.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        assert_eq!(here.read(PASSWORD), there.read(PASSWORD));
    }
}
