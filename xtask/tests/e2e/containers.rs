//! Containers for tests, removed by their ids.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::{LazyLock, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    checkout::{Checkout, run, text},
    seed,
};

/// Returns the docker CLI for the tests' own commands, logged in by [`log_in`].
pub(crate) fn docker(args: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(args).env("DOCKER_CONFIG", &*CONFIG);
    command
}

/// A docker configuration of the tests: the user's own is not changed.
static CONFIG: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docker-config");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).unwrap();
    let named = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let user = named.unwrap_or_else(|| Path::new(&env::var_os("HOME").unwrap()).join(".docker"));
    for name in ["cli-plugins", "contexts"].into_iter().filter(|it| user.join(it).exists()) {
        symlink(user.join(name), dir.join(name)).unwrap();
    }
    fs::write(dir.join("config.json"), r#"{"auths": {}}"#).unwrap();
    dir
});

/// Logs the tests' docker in to a registry of this project.
pub(crate) fn log_in(host: &str, password: &str) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = CONFIG.join("config.json");
    let mut config: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config["auths"][host] = serde_json::json!({ "auth": auth(password) });
    let new = CONFIG.join("config.json.new");
    fs::write(&new, config.to_string()).unwrap();
    fs::rename(new, path).unwrap();
}

fn auth(password: &str) -> String {
    BASE64_STANDARD.encode(format!("xtask:{password}"))
}

/// A container that is removed when this is dropped.
pub(crate) struct Container {
    pub(crate) id: String,
}

impl Container {
    /// Runs `docker run --detach` with `args`.
    #[track_caller]
    pub(crate) fn start(args: &[&str]) -> Container {
        let output = run(&mut docker(&[&["run", "--detach"], args].concat()));
        Container { id: text(&output).trim().to_owned() }
    }

    /// Waits until the container's health check passes.
    #[track_caller]
    pub(crate) fn wait_until_healthy(&self) {
        let deadline = Instant::now() + Duration::from_secs(600);
        let format = "{{.State.Health.Status}}";
        while Instant::now() < deadline {
            let status = run(&mut docker(&["inspect", "--format", format, &self.id]));
            if text(&status).trim() == "healthy" {
                return;
            }
            thread::sleep(Duration::from_millis(500));
        }
        let logs = run(&mut docker(&["logs", &self.id]));
        panic!("not healthy after ten minutes: {}", String::from_utf8_lossy(&logs.stderr));
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = docker(&["rm", "--force", "--volumes", &self.id]).output();
    }
}

/// Password of the tests' registries.
const PASSWORD: &str = "a password";

/// A registry of one test.
pub(crate) struct Registry {
    container: Container,
    /// `127.0.0.1:<port>`.
    pub(crate) host: String,
}

impl Registry {
    /// Starts a registry that has layers of `hello` and no tags, and sets it as the checkout's.
    pub(crate) fn start(checkout: &mut Checkout) -> Registry {
        let password = format!("XTASK_REGISTRY_PASSWORD={PASSWORD}");
        let container =
            Container::start(&["--publish", "127.0.0.1::5000", "--env", &password, seed::REGISTRY]);
        let port = run(&mut docker(&["port", &container.id, "5000/tcp"]));
        let host = text(&port).trim().to_owned();
        checkout.set("REGISTRY", &host);
        log_in(&host, PASSWORD);
        checkout.set("DOCKER_CONFIG", CONFIG.to_str().unwrap());
        let registry = Registry { container, host };
        let deadline = Instant::now() + Duration::from_secs(600);
        while registry.get("").is_none() {
            assert!(Instant::now() < deadline, "the registry does not answer");
            thread::sleep(Duration::from_millis(200));
        }
        registry
    }

    /// Returns the container's id.
    pub(crate) fn id(&self) -> &str {
        &self.container.id
    }

    /// Returns the digest under a tag, if it exists.
    pub(crate) fn digest(&self, name: &str) -> Option<String> {
        let reference = format!("{}/{name}", self.host);
        let inspect = ["manifest", "inspect", "--insecure", "--verbose", &reference];
        let output = docker(&inspect).env("DOCKER_CLI_EXPERIMENTAL", "enabled").output().unwrap();
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(value["Descriptor"]["digest"].as_str()?.to_owned())
    }

    /// Returns all tags of a repository.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        let answer = self.get(&format!("{repository}/tags/list")).unwrap_or_default();
        let value: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        let tags = value["tags"].as_array().cloned().unwrap_or_default();
        tags.iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    }

    /// Returns the registry's answer about `path`, `None` without one.
    fn get(&self, path: &str) -> Option<String> {
        let url = format!("http://{}/v2/{path}", self.host);
        let get = "import sys; from urllib.request import Request, urlopen; print(urlopen(Request(sys.argv[1], headers={'Authorization': sys.argv[2]})).read().decode())";
        let basic = format!("Basic {}", auth(PASSWORD));
        let output = Command::new("python3").args(["-c", get, &url, &basic]).output().unwrap();
        output.status.success().then(|| text(&output))
    }
}

impl Drop for Registry {
    /// Removes the registry's names from the engine, which are useless without it.
    fn drop(&mut self) {
        forget_all(&format!("{}/*", self.host));
    }
}

/// Removes all images of a mission from the engine.
pub(crate) fn forget(mission: &str) {
    forget_all(&format!("*/{mission}"));
}

fn forget_all(reference: &str) {
    let (filter, format) = (format!("reference={reference}"), "{{.Repository}}:{{.Tag}}");
    let list = docker(&["image", "ls", "--filter", &filter, "--format", format]).output();
    for name in list.iter().map(text).collect::<String>().lines() {
        let _ = docker(&["image", "rm", name]).output();
    }
}

/// Returns an empty folder that a container's users of group 100 may write to, like a hub's
/// volumes.
pub(crate) fn empty_home(checkout: &Checkout) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let home = checkout.path("target/home");
    std::fs::create_dir_all(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(0), Some(100)).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o2775)).unwrap();
    home
}
