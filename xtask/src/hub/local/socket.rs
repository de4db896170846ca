//! The engine's socket, through which the hub starts servers.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::{
    image::{container::Container, runner::Runner},
    run::{failure, process},
    tools::{
        docker::hub::{self as docker, Unstarted},
        image_name::ImageRef,
    },
};

/// The socket in the hub's container, and on most engines' machines.
pub(crate) const SOCKET: &str = "/var/run/docker.sock";

/// The socket on the engine's machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) path: String,
    /// Group that may use it.
    pub(crate) group: u32,
    /// Name of the engine's machine, if it is another one than this.
    pub(crate) elsewhere: Option<String>,
}

/// Output of `common/hub/local/probe.py`.
#[derive(Deserialize)]
struct Probed {
    group: u32,
    engine: String,
}

/// Finds the socket and its group in a container, which asks the engine there as the hub's user.
///
/// # Errors
/// No socket is there, another engine answers, or the hub's user may not use it.
pub(crate) fn find(
    runner: &Runner,
    setting: Option<&str>,
    image: &ImageRef,
) -> anyhow::Result<Socket> {
    let host = runner.docker.host()?;
    let (path, elsewhere) = of_host(setting, &host);
    let cidfile = runner.target().join(format!("hub-probe-{}.cid", std::process::id()));
    let container = Container::new(runner, cidfile)?;
    let probe = container
        .run("hub-probe")
        .network("none")
        .without_health_check()
        .user("root")
        .folder(Path::new(&path), SOCKET)
        .capabilities(&["SETUID", "SETGID"])
        .image(image, ["python3", "-IS", "/opt/hub/local/probe.py"]);
    let Some(cmd) = runner.permitted(&probe) else {
        return Ok(Socket { path, group: 0, elsewhere });
    };
    let output = process::output(&cmd)?;
    if output.status != 0 {
        let what = match docker::why_not_run(&output.stderr) {
            Unstarted::NoSuchFile => "no such file on the engine's machine".to_owned(),
            Unstarted::Other(said) => format!("the hub cannot use this socket: {said}"),
        };
        return Err(refused(&path, &what));
    }
    let probed: Probed =
        serde_json::from_str(&output.stdout).context("the probe printed something unexpected")?;
    if probed.engine != runner.docker.engine_id()? {
        return Err(refused(&path, "another engine answers there than `docker` uses"));
    }
    Ok(Socket { path, group: probed.group, elsewhere })
}

fn refused(path: &str, what: &str) -> anyhow::Error {
    let fix = "`--set HUB_SOCKET=<path>` names the engine's socket on its own machine";
    failure::request(anyhow::anyhow!("{path}: {what}\nfix: {fix}"))
}

/// Returns the socket's path for the setting and the engine's address, and its machine if that is
/// another one.
fn of_host(setting: Option<&str>, host: &str) -> (String, Option<String>) {
    let unix = host.strip_prefix("unix://");
    let path = setting.or(unix).unwrap_or(SOCKET).to_owned();
    let is_here = unix.is_some() || host.is_empty() || host.starts_with("npipe:");
    (path, (!is_here).then(|| host.to_owned()))
}

/// Refuses an address that other machines reach, unless `insecure`.
pub(crate) fn check_bind(bind: &str, insecure: bool) -> anyhow::Result<()> {
    let address: std::net::IpAddr = match bind.parse() {
        Ok(address) => address,
        Err(_) => bail!("--bind {bind}: not an IP address; expected one like 192.0.2.7"),
    };
    if !address.is_loopback() && !insecure {
        bail!(
            "--bind {bind}: passwords would cross the network in clear text\n\
             fix: leave it out, or add `--insecure` on a network that you trust"
        );
    }
    Ok(())
}

#[test]
fn sockets_of_engines() {
    let of = |setting, host| of_host(setting, host);
    assert_eq!(
        of(None, "unix:///run/user/1/docker.sock"),
        ("/run/user/1/docker.sock".into(), None)
    );
    assert_eq!(of(Some("/a"), "unix:///b"), ("/a".into(), None));
    let ssh = "ssh://ann@lab";
    assert_eq!(of(None, ssh), (SOCKET.into(), Some(ssh.into())));
    assert_eq!(of(None, ""), (SOCKET.into(), None));
}

#[test]
fn addresses_to_bind() {
    for (bind, insecure, ok) in [
        ("127.0.0.1", false, true),
        ("127.0.0.7", false, true),
        ("0.0.0.0", false, false),
        ("0.0.0.0", true, true),
        ("192.0.2.7", false, false),
        ("lab", true, false),
        ("127.0.0.1:80", true, false),
    ] {
        assert_eq!(check_bind(bind, insecure).is_ok(), ok, "{bind}");
    }
}
