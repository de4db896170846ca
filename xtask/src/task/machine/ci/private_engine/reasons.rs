//! Reasons why `ci` cannot, or need not, start a private engine on this machine.

use std::{
    env,
    path::{Path, PathBuf},
};

use fs_err as fs;

use super::{loopback, plan::Programs};
use crate::{run::printable::Shown as _, task::Session};

/// Facts that are known before anything is started.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) is_root: bool,
    /// Programs that are not installed.
    pub(super) missing: Vec<&'static str>,
    /// Reason why name servers are unreachable in a network namespace, if so.
    pub(super) name_servers: Option<String>,
    /// Settings and configuration files that lead to loopback.
    pub(super) loopback: Vec<String>,
    /// A variable that names an engine.
    pub(super) named_engine: Option<&'static str>,
}

impl Facts {
    pub(super) fn gather(session: &Session) -> anyhow::Result<Facts> {
        let (settings, _) = session.sources.evaluate(None)?;
        let settings = settings.into_iter().map(|(name, it)| (name.to_owned(), it.value));
        let environment = env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        let is_local = |(name, value): &(String, String)| loopback::is_setting(name, value);
        let mut leads: Vec<String> =
            settings.chain(environment).filter(is_local).map(|(name, _)| name).collect();
        leads.dedup();
        leads.extend(
            configuration_files()
                .into_iter()
                .filter(|it| leads_to_loopback(it))
                .map(|it| it.shown()),
        );
        let resolv_conf = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        Ok(Facts {
            is_root: nix::unistd::geteuid().is_root(),
            missing: missing(),
            name_servers: loopback::name_servers(&resolv_conf),
            loopback: leads,
            named_engine: ["DOCKER_HOST", "DOCKER_CONTEXT"]
                .into_iter()
                .find(|it| env::var_os(it).is_some()),
        })
    }

    /// Returns the first reason; `asked`: whether the user wants a private engine, whatever the
    /// environment names.
    pub(super) fn reason(&self, asked: bool) -> Option<String> {
        if !self.is_root {
            return Some("only root can start an engine".to_owned());
        }
        if let Some(name) = self.named_engine.filter(|_| !asked) {
            return Some(format!("{name} names an engine"));
        }
        if !self.missing.is_empty() {
            return Some(format!("not on PATH: {}", self.missing.join(", ")));
        }
        if let Some(name) = self.loopback.first() {
            return Some(format!(
                "{name} leads to this machine's loopback, which a network namespace does not have"
            ));
        }
        self.name_servers.clone()
    }
}

const NEEDED: &[&str] = &["docker", "ip", "iptables", "nsenter", "containerd", "dockerd"];

fn missing() -> Vec<&'static str> {
    NEEDED.iter().filter(|it| find(it).is_none()).copied().collect()
}

pub(super) fn programs() -> anyhow::Result<Programs> {
    let path = |name: &str| find(name).ok_or_else(|| anyhow::anyhow!("not on PATH: {name}"));
    Ok(Programs {
        ip: path("ip")?,
        iptables: path("iptables")?,
        nsenter: path("nsenter")?,
        containerd: path("containerd")?,
        dockerd: path("dockerd")?,
    })
}

/// Returns the program's path, on `PATH` or in Debian's folders for root.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    dirs.map(|it| it.join(program)).find(|it| it.is_file())
}

/// Returns the configuration files of programs that fetch packages and images while `ci` runs.
fn configuration_files() -> Vec<PathBuf> {
    let home = env::home_dir().unwrap_or_default();
    let of_home = [
        ".config/pip/pip.conf",
        ".pip/pip.conf",
        ".config/uv/uv.toml",
        ".cargo/config.toml",
        ".docker/config.json",
        ".gitconfig",
    ];
    let of_system = ["/etc/pip.conf", "/etc/uv/uv.toml", "/etc/apt/apt.conf", "/etc/gitconfig"];
    let apt = fs::read_dir("/etc/apt/apt.conf.d").into_iter().flatten().filter_map(Result::ok);
    let named = env::var_os("PIP_CONFIG_FILE").map(PathBuf::from);
    let files = of_home.map(|it| home.join(it)).into_iter();
    files.chain(of_system.map(PathBuf::from)).chain(named).chain(apt.map(|it| it.path())).collect()
}

fn leads_to_loopback(file: &Path) -> bool {
    fs::read(file).is_ok_and(|it| loopback::is_text(&String::from_utf8_lossy(&it)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn able() -> Facts {
        Facts { is_root: true, ..Facts::default() }
    }

    #[track_caller]
    fn check(facts: &Facts, asked: bool, expect: Option<&str>) {
        assert_eq!(facts.reason(asked).as_deref(), expect);
    }

    #[test]
    fn each_reason() {
        check(&able(), false, None);
        check(&Facts::default(), true, Some("only root can start an engine"));
        let missing = Facts { missing: vec!["ip", "dockerd"], ..able() };
        check(&missing, false, Some("not on PATH: ip, dockerd"));
        let loopback = Facts { loopback: vec!["PIP_INDEX_URL".to_owned()], ..able() };
        let text = "PIP_INDEX_URL leads to this machine's loopback, which a network namespace does not have";
        check(&loopback, true, Some(text));
        let servers = Facts { name_servers: Some("name servers".to_owned()), ..able() };
        check(&servers, true, Some("name servers"));
    }

    #[test]
    fn a_named_engine_counts_unless_a_private_one_is_asked_for() {
        let named = Facts { named_engine: Some("DOCKER_HOST"), ..able() };
        check(&named, false, Some("DOCKER_HOST names an engine"));
        check(&named, true, None);
    }
}
