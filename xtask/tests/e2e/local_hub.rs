//! The hub on this machine, with the real image of `hello`.

use std::{
    cell::RefCell,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use nix::sys::signal::{Signal, killpg};

use crate::{
    checkout::{Checkout, Run, run, text},
    containers::docker,
    cut_off::Cable,
    running::{Recipient, Running},
    spy::{self, Spy},
    tools,
};

/// Three servers on the spawn page: the broken one ends while its page waits, and the last one takes longer to
/// start than the proxy waits for an answer by itself.
const PROFILES: &str = "singleuser:
  profileList:
    - display_name: Preview
      slug: broken
      description: The next release.
      kubespawner_override: {cmd: [bash, -c, seq 20; sleep 12; echo no kernel; exit 3]}
    - display_name: Large
      description: For maps of the whole sky.
      default: true
      kubespawner_override: {mem_limit: 2G}
    - display_name: Small
      description: For tutorials.
      kubespawner_override:
        mem_limit: 900M
        environment: {SIZE: small}
        cmd: [bash, -c, sleep 21; exec jupyterhub-singleuser]
";

const CHOICES: &str = "hello.large,hello.broken,hello.small";

const IMPORTS: &str = "missions/hello/environments/hello/tests/imports";

/// Starts the server of smoke tests; the choice follows.
const START: &str = r#"
import asyncio, sys
sys.path.insert(0, "/opt/hub/local")
import aiohttp, client
async def start(choice):
    async with aiohttp.ClientSession() as session:
        hub = client.Hub(session, client._settings())
        await hub.ask("POST", hub.account, expected=(201, 409))
        await hub.start(choice)
try:
    asyncio.run(start(sys.argv[1]))
except client.SmokeError as error:
    sys.exit(str(error))
"#;

/// The hub of a checkout, which is removed however the test ends.
pub(crate) struct LocalHub<'a> {
    checkout: &'a Checkout,
    address: String,
    /// Prefix of all names, and value of the label.
    name: String,
    /// Everything that tasks printed.
    said: RefCell<String>,
}

impl Drop for LocalHub<'_> {
    fn drop(&mut self) {
        self.checkout.run(&["hub-down", "--volumes", "--yes"]);
    }
}

impl<'a> LocalHub<'a> {
    /// Returns the hub that `address` is of.
    fn at(checkout: &'a Checkout, address: &str) -> LocalHub<'a> {
        let address = address.trim().to_owned();
        let id = address.trim_end_matches('/').rsplit('/').next().unwrap();
        let name = format!("science-platform-hub-{id}");
        LocalHub { checkout, name, address, said: RefCell::default() }
    }

    /// Starts the hub.
    #[track_caller]
    pub(crate) fn up(checkout: &'a Checkout) -> LocalHub<'a> {
        let up = checkout.run(&["hub-up", "--detach"]);
        assert_eq!(up.status, Some(0));
        let hub = LocalHub::at(checkout, &up.stdout);
        hub.said.borrow_mut().push_str(&(up.stdout + &up.stderr));
        hub
    }

    /// Returns the first part of all paths.
    fn id(&self) -> &str {
        self.name.rsplit('-').next().unwrap()
    }

    /// Runs a task, which ends with `status`.
    #[track_caller]
    fn run(&self, args: &[&str], status: i32) -> Run {
        let res = self.checkout.run(args);
        assert_eq!(res.status, Some(status), "{args:?}");
        self.said.borrow_mut().push_str(&format!("{}{}", res.stdout, res.stderr));
        res
    }

    /// Returns the names of all objects with the label.
    fn objects(&self) -> Vec<String> {
        let filter = format!("label=science-platform.hub={}", self.name);
        let lists: [&[&str]; 3] = [
            &["container", "ls", "--all", "--format", "{{.Names}}"],
            &["volume", "ls", "--quiet"],
            &["network", "ls", "--format", "{{.Name}}"],
        ];
        let list = |it: &[&str]| text(&run(&mut docker(&[it, &["--filter", &filter]].concat())));
        let lines = |it| list(it).lines().map(str::to_owned).collect::<Vec<_>>();
        lists.into_iter().flat_map(lines).collect()
    }

    /// Checks that nothing is left but homes of people.
    #[track_caller]
    fn assert_only_homes(&self) {
        let objects = self.objects();
        let is_home = |it: &String| it.contains("home.hello.") && !it.contains("smoke");
        assert!(objects.iter().all(is_home), "{objects:?}");
        assert!(!self.checkout.path("target/xtask/hub").exists());
    }

    /// Returns the name of a container: of the hub, or of a user.
    fn container(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    fn inspect(&self, of: &str, format: &str) -> String {
        let output = run(&mut docker(&["inspect", "--format", format, &self.container(of)]));
        text(&output).trim().to_owned()
    }

    /// Runs Python in a container, and returns what it prints.
    fn python(&self, of: &str, code: &str, args: &[&str]) -> Result<String, String> {
        let exec = ["exec", &self.container(of), "python3", "-c", code];
        let output = docker(&[&exec[..], args].concat()).output().unwrap();
        match output.status.success() {
            true => Ok(text(&output).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Returns the status of an answer to the hub's container.
    fn status_of(&self, url: &str, token: &str) -> String {
        let ask = "import sys, json, urllib.request as r, urllib.error as e
token = json.load(open('/etc/hub/settings.json'))['smoke_token']
head = {'Authorization': 'token ' + token} if sys.argv[2] else {}
try: print(r.urlopen(r.Request(sys.argv[1], headers=head)).status)
except e.HTTPError as it: print(it.code)";
        self.python("hub", ask, &[url, token]).unwrap()
    }
}

/// Writes the hub's password and token before it is started, and returns them.
fn planted(checkout: &Checkout) -> Vec<String> {
    let secrets = [("password", "canary-".repeat(3)), ("smoke-token", "canary-2".repeat(8))];
    let write = |(name, text): (&str, String)| {
        let text = text[..if name == "password" { 20 } else { 64 }].to_owned();
        let path = format!("target/xtask/hub/{name}");
        checkout.write(&path, &text);
        fs::set_permissions(checkout.path(&path), fs::Permissions::from_mode(0o600)).unwrap();
        text
    };
    secrets.map(write).to_vec()
}

#[test]
fn two_people_and_a_smoke_test_on_the_hub() {
    let checkout = Checkout::new();
    checkout.write("missions/hello/hub/local.yaml", PROFILES);
    checkout.has_tested(&["--frozen"]);
    assert_eq!(checkout.run(&["image-all", "hello"]).status, Some(0));
    let secrets = planted(&checkout);
    let spy = Spy::on(secrets.clone());
    let hub = LocalHub::up(&checkout);
    assert!(hub.run(&["hub-up", "hello", "--detach"], 0).stderr.contains("nothing has changed"));

    let smoke = hub.run(&["hub-smoke", "hello", "--json"], 0);
    for step in ["cell in hello", "cell in python3", "read the file"] {
        assert!(smoke.stdout.contains(&format!("\"{step}\"")), "{}", smoke.stdout);
    }
    assert!(!hub.objects().iter().any(|it| it.contains("smoke")), "{:?}", hub.objects());
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hub");
    let password = checkout.path("target/xtask/hub/password");
    let (password, pictures) = (password.to_str().unwrap(), pictures.to_str().unwrap());
    let args = [&hub.address, password, CHOICES, "welcome.ipynb", "no kernel", pictures];
    tools::look("e2e/browse_hub.py", &[&args[..], &["Hello", "Python 3 (ipykernel)"]].concat());
    assert_eq!(hub.inspect("ann", "{{.HostConfig.Memory}}"), (900 * 1024 * 1024).to_string());
    assert!(hub.inspect("ann", "{{.Config.Env}}").contains(" SIZE=small "));

    people_are_apart(&hub);
    another_image(&hub);
    servers_that_cannot_start(&hub);

    let logs = run(&mut docker(&["logs", &hub.container("hub")]));
    let logs = text(&logs) + &String::from_utf8_lossy(&logs.stderr);
    let said = hub.said.borrow().clone() + &logs + &hub.inspect("hub", "{{json .}}");
    assert!(!secrets.iter().any(|it| said.contains(it)), "a secret in an output above");
    let files = spy::files(&checkout.path("."), &secrets);
    assert!(files.iter().all(|it| it.contains("target/xtask/hub/")), "{files:?}");

    hub.run(&["hub-down"], 0);
    hub.assert_only_homes();
    assert_eq!(spy.found().into_iter().collect::<Vec<_>>(), [""; 0]);
    assert_eq!(spy::files(&checkout.path("."), &secrets), [""; 0]);
    let unasked = hub.run(&["hub-down", "--volumes"], 2);
    assert!(unasked.stderr.contains("pass `--yes` to remove these homes"), "{}", unasked.stderr);
    let mount = format!("{}-home.hello.ann:/h", hub.name);
    let kept = ["run", "--rm", "--no-healthcheck", "--entrypoint", "test", "--volume", &mount];
    let base = "science-platform/common:latest";
    run(&mut docker(&[&kept[..], &[base, "-f", "/h/welcome.ipynb"]].concat()));
    hub.run(&["hub-down", "--volumes", "--yes"], 0);
    assert_eq!(hub.objects(), [""; 0]);
}

/// A server answers its owner's login alone; kernels and the proxy's API answer nobody else's connection.
fn people_are_apart(hub: &LocalHub) {
    let status = hub.run(&["hub-status", "--json"], 0);
    assert!(status.stdout.contains("\"ann\""));
    let mounts = hub.inspect("ann", "{{json .Mounts}}");
    assert!(!mounts.contains("docker.sock"), "{mounts}");
    let ann = hub.container("ann");
    let path = format!("/{}/user/ann/api/kernels", hub.id());
    for at in [format!("http://{ann}:8888"), "http://127.0.0.1:8000".to_owned()] {
        assert_eq!(hub.status_of(&format!("{at}{path}"), "another user's"), "403");
        assert_eq!(hub.status_of(&format!("{at}{path}"), ""), "403");
    }
    // The kernel of the notebook runs; its ports are among these.
    let open = "print(*{int(it.split()[1].split(':')[1], 16) for name in ('tcp', 'tcp6') for it in list(open('/proc/net/' + name))[1:] if it.split()[3] == '0A'})";
    let open = hub.python("ann", open, &[]).unwrap();
    let ports: Vec<&str> = open.split(' ').collect();
    assert!(ports.len() > 5 && ports.contains(&"8888"), "{open}");
    let connect = "import socket, sys
for port in sys.argv[2:]:
    if socket.socket().connect_ex((sys.argv[1], int(port))) == 0: print(port)";
    let reached = hub.python("hub", connect, &[&[&*ann], &ports[..]].concat()).unwrap();
    assert_eq!(reached, "8888", "of {open}");
    assert_eq!(hub.python("ann", connect, &[&hub.name, "8001"]).unwrap(), "", "the proxy's API");
}

/// Another image replaces only the hub; the earlier one stays for the server that runs it.
fn another_image(hub: &LocalHub) {
    let checkout = hub.checkout;
    let (before, server) = (hub.inspect("hub", "{{.Id}}"), hub.inspect("ann", "{{.Id}}"));
    checkout.write(IMPORTS, &format!("{}colorsys\n", checkout.read(IMPORTS)));
    hub.run(&["image-build", "hello"], 0);
    let untested = hub.run(&["hub-up", "hello", "--detach"], 1);
    assert!(untested.stderr.contains("hello has no passing test receipt"), "{}", untested.stderr);
    assert_eq!(hub.inspect("hub", "{{.Id}}"), before);
    let tested = hub.run(&["image-test", "hello", "--hub"], 0);
    assert!(tested.stderr.contains("read the file"), "{}", tested.stderr);
    let up = hub.run(&["hub-up", "--detach"], 0);
    let old = "ann still runs an earlier image of hello.small";
    assert!(up.stderr.contains(old) && up.stdout.trim() == hub.address, "{}", up.stderr);
    assert_ne!(hub.inspect("hub", "{{.Id}}"), before);
    assert_eq!(hub.inspect("ann", "{{.Id}}"), server);
    let api = format!("http://127.0.0.1:8000/{}/user/ann/api", hub.id());
    assert_eq!(hub.status_of(&api, ""), "200", "ann's server through the new proxy");
    let status = hub.run(&["hub-status"], 0);
    assert!(status.stdout.contains("(an earlier one)"), "{}", status.stdout);
    let image = hub.inspect("ann", "{{.Image}}");
    let prune = ["-n", "image-prune", "hello", "--keep", "0", "--days", "0"];
    let pruned = hub.run(&prune, 0).stdout;
    assert!(!pruned.contains(&image["sha256:".len()..][..12]), "{pruned}");
}

/// A server that ends at once and an image that was removed: the reason in one line, and nothing left.
fn servers_that_cannot_start(hub: &LocalHub) {
    let broken = hub.python("hub", START, &["hello.broken"]).unwrap_err();
    let last = "the server ended at once: 12 13 14 15 16 17 18 19 20 no kernel";
    assert!(broken.contains(last), "{broken}");
    let smoke = hub.container("xtask-2dsmoke");
    assert!(!hub.objects().contains(&smoke), "{:?}", hub.objects());
    let choices = hub.run(&["hub-status", "--json"], 0).stdout;
    let choices: serde_json::Value = serde_json::from_str(&choices).unwrap();
    let image = choices["choices"][0]["image"].as_str().unwrap();
    run(&mut docker(&["image", "rm", "--force", image]));
    let missing = hub.run(&["hub-smoke"], 1);
    let why =
        ": the image of hello was removed from this machine; fix: `cargo xtask image-all hello`";
    assert!(missing.stderr.contains(why), "{}", missing.stderr);
    assert!(!hub.objects().iter().any(|it| it.contains("smoke")), "{:?}", hub.objects());
    // The newest image went, and its name with it; other tests have the one that ann's server runs.
    let kept = hub.inspect("ann", "{{.Image}}");
    run(&mut docker(&["tag", &kept, "science-platform/hello:latest"]));
}

#[test]
fn what_cannot_start_leaves_nothing() {
    let checkout = Checkout::new();
    checkout.has_tested(&["--frozen"]);
    assert_eq!(checkout.run(&["image-all", "hello"]).status, Some(0));
    let socket = checkout.run(&["hub-up", "--detach", "--set", "HUB_SOCKET=/not/there.sock"]);
    let why = "error: /not/there.sock: no such file on the engine's machine\nfix: ";
    assert!(socket.status == Some(2) && socket.stderr.contains(why), "{}", socket.stderr);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let taken = checkout.run(&["hub-up", "--detach", "--set", &format!("HUB_PORT={port}")]);
    let why = format!("error: port {port} of 127.0.0.1 is in use by another program\nfix: ");
    assert!(taken.status == Some(2) && taken.stderr.contains(&why), "{}", taken.stderr);

    let interrupted = Running::start(&checkout, &["hub-up", "hello", "--detach"]);
    interrupted.wait_for("hub-up: starting the hub").expect("the hub is started");
    interrupted.interrupt(Recipient::Group);
    assert_eq!(interrupted.finish(), Some(130));
    let in_front = Running::start(&checkout, &["hub-up", "hello"]);
    let address = in_front.wait_for("http://127.0.0.1:").expect("an address is printed");
    let hub = LocalHub::at(&checkout, &address);
    in_front.interrupt(Recipient::Group);
    assert_eq!(in_front.finish(), Some(130));
    hub.assert_only_homes();
    hub.run(&["hub-smoke"], 1);

    let killed = Running::start(&checkout, &["hub-up", "hello", "--detach"]);
    killed.wait_for("hub-up: waiting for the hub's answer").expect("the hub is started");
    killpg(killed.group(), Signal::SIGKILL).unwrap();
    assert_eq!(killed.finish(), None);
    let up = hub.run(&["hub-up", "hello", "--detach"], 0);
    assert!(up.stderr.contains("removed a container that an earlier run left"), "{}", up.stderr);
    let mode = |name: &str| {
        let path = checkout.path(&format!("target/xtask/hub/{name}"));
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode("password"), mode("smoke-token")), (0o700, 0o600, 0o600));

    let logs = Running::start(&checkout, &["hub-logs", "--follow"]);
    logs.wait_for("[I ").expect("the hub logs");
    logs.interrupt(Recipient::Tool);
    assert_eq!(logs.finish(), Some(130));
    let smoke = Running::start(&checkout, &["hub-smoke"]);
    smoke.wait_for("hub-smoke hello: list kernels").expect("the server runs");
    smoke.interrupt(Recipient::Group);
    assert_eq!(smoke.finish(), Some(130));
    assert!(!hub.objects().iter().any(|it| it.contains("smoke")), "{:?}", hub.objects());

    the_working_tree(&hub);
    // Beside another checkout's.
    an_engine_that_dies(&hub);
    hub.run(&["hub-status"], 0);
    hub.run(&["hub-down", "--volumes", "--yes"], 0);
    assert_eq!(hub.objects(), [""; 0]);
}

/// `--dev`: the scripts and environments of the working tree, and homes of its own.
fn the_working_tree(hub: &LocalHub) {
    let up = hub.run(&["hub-up", "hello", "--dev", "--detach"], 0);
    assert!(up.stderr.contains("removing the earlier hub"), "{}", up.stderr);
    hub.python("hub", START, &["hello"]).unwrap();
    let mounts =
        hub.inspect("xtask-2dsmoke", "{{range .Mounts}}{{.Source}} {{.Destination}}\n{{end}}");
    let root = hub.checkout.path("").canonicalize().unwrap();
    for (from, to) in [
        ("common/image/common-scripts", "/opt/common-scripts"),
        ("missions/hello/environments", "/opt/environments"),
    ] {
        let line = format!("{} {to}", root.join(from).display());
        assert!(mounts.contains(&line), "{line}: {mounts}");
    }
    let home = format!("{}-devhome.hello.xtask-2dsmoke", hub.name);
    assert!(hub.objects().contains(&home), "{:?}", hub.objects());
}

/// The connection to the engine ends while the hub runs.
fn an_engine_that_dies(hub: &LocalHub) {
    let host = run(&mut docker(&["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]));
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| text(&host).trim().to_owned());
    let socket =
        PathBuf::from(host.strip_prefix("unix://").expect("the engine is on this machine"));
    let cable = Cable::to(&socket);
    let mut checkout = hub.checkout.beside();
    checkout.set("HUB_SOCKET", socket.to_str().unwrap());
    checkout.set("DOCKER_HOST", &format!("unix://{}", cable.socket().display()));
    let in_front = Running::start(&checkout, &["hub-up", "hello", "--dev"]);
    let address = in_front.wait_for("http://127.0.0.1:").expect("an address is printed");
    cable.cut();
    let why = in_front.wait_for("error: ").expect("a reason");
    assert_eq!(in_front.finish(), Some(3), "{why}");
    let status = checkout.run(&["hub-status"]);
    assert_eq!(status.status, Some(3), "{}", status.stderr);
    checkout.set("DOCKER_HOST", &host);
    let other = LocalHub::at(&checkout, &address);
    assert_ne!((&other.address, &other.name), (&hub.address, &hub.name));
    other.run(&["hub-up", "hello", "--dev", "--detach"], 0);
    other.run(&["hub-status"], 0);
    other.run(&["hub-down", "--volumes", "--yes"], 0);
    assert_eq!(other.objects(), [""; 0]);
}
