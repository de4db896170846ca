//! Settings that lead to this machine's loopback, which another network namespace does not have.

use std::net::IpAddr;

/// Variables of tools that fetch packages, by the start of their names.
const TOOLS: &[&str] = &["PIP_", "UV_", "CONDA_", "MAMBA_", "CARGO_"];

/// Settings of this repository that name a host.
const HOSTS: &[&str] = &["DEBIAN_MIRROR", "REGISTRY", "BASE_IMAGE", "DEBIAN_IMAGE"];

/// Returns whether a variable or setting leads to loopback.
pub(super) fn is_setting(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let is_host = HOSTS.contains(&name.as_str()) || name.ends_with("_PROXY");
    let is_tool = TOOLS.iter().any(|it| name.starts_with(it));
    let has_scheme = value.contains("://");
    match name.as_str() {
        "NO_PROXY" => false,
        _ if is_host && !has_scheme => is_text(&format!("://{value}")),
        _ => (is_host || is_tool) && is_text(value),
    }
}

/// Returns whether any URL of a configuration file leads to loopback; comments do not count.
pub(super) fn is_text(text: &str) -> bool {
    let is_comment =
        |it: &&str| ["#", ";", "//"].iter().any(|mark| it.trim_start().starts_with(mark));
    let lines = text.lines().filter(|it| !is_comment(it));
    lines.flat_map(|line| line.split("://").skip(1)).any(|rest| is_host(host(rest)))
}

/// Returns the reason why name resolution would fail elsewhere, given /etc/resolv.conf.
pub(super) fn name_servers(resolv_conf: &str) -> Option<String> {
    let servers = servers(resolv_conf);
    let is_reachable = |it: &&str| it.parse().is_ok_and(|it: IpAddr| it.is_ipv4() && !is_local(it));
    match servers.iter().find(|it| !is_reachable(it)) {
        Some(server) => Some(format!(
            "/etc/resolv.conf: name server {server} is on loopback or has no IPv4 address"
        )),
        None if servers.is_empty() => {
            Some("/etc/resolv.conf: no name server, so it is on loopback".to_owned())
        }
        None => None,
    }
}

/// Returns the addresses of /etc/resolv.conf: resolv.conf(5).
pub(super) fn servers(resolv_conf: &str) -> Vec<&str> {
    let rest = resolv_conf.lines().filter_map(|it| it.strip_prefix("nameserver"));
    rest.filter_map(|it| it.split_whitespace().next()).collect()
}

/// Returns the host of a URL after its scheme, without credentials and port.
fn host(rest: &str) -> &str {
    let end = |c: char| c.is_whitespace() || "/?#\"',".contains(c);
    let authority = rest.split(end).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_host(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.parse().is_ok_and(is_local)
}

fn is_local(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_on_loopback() {
        for (name, value) in [
            ("HTTP_PROXY", "http://127.0.0.1:3128"),
            ("https_proxy", "localhost:3128"),
            ("ALL_PROXY", "socks5://[::1]:1080"),
            ("PIP_INDEX_URL", "https://me:secret@127.0.0.2/simple"),
            ("PIP_EXTRA_INDEX_URL", "https://pypi.org/simple http://localhost:8080/simple"),
            ("UV_DEFAULT_INDEX", "http://pypi.localhost/simple"),
            ("CONDA_CHANNEL_ALIAS", "http://0.0.0.0:8000"),
            ("REGISTRY", "127.0.0.1:5000/team"),
            ("BASE_IMAGE", "localhost:5001/base:1"),
        ] {
            assert!(is_setting(name, value), "{name}={value}");
        }
    }

    #[test]
    fn settings_elsewhere() {
        for (name, value) in [
            ("HTTP_PROXY", "http://proxy.example.org:3128"),
            ("HTTPS_PROXY", "http://127.0.0.1@proxy.example.org"),
            ("NO_PROXY", "localhost,127.0.0.1"),
            ("PIP_FIND_LINKS", "/opt/127.0.0.1"),
            ("PIP_INDEX_URL", "https://pypi.org/simple?from=http%3A//127.0.0.1"),
            ("REGISTRY", "local"),
            ("BASE_IMAGE", "local"),
            ("EDITOR_URL", "http://localhost:1"),
        ] {
            assert!(!is_setting(name, value), "{name}={value}");
        }
    }

    #[test]
    fn configuration_files() {
        assert!(is_text("[global]\nindex-url = http://localhost:3141/root/pypi\n"));
        assert!(is_text("[http]\nproxy = \"http://127.0.0.1:1\"\n"));
        assert!(!is_text("# index-url = http://localhost:3141\n// \"http://127.0.0.1\"\n"));
        assert!(!is_text("index-url = https://pypi.org/simple/127.0.0.1\n"));
    }

    #[test]
    fn name_servers_that_vanish() {
        for (text, is_fine) in [
            ("nameserver 10.0.0.2\n", true),
            ("search a\nnameserver\t10.0.0.2\nnameserver 8.8.8.8\n", true),
            ("nameserver 127.0.0.53\noptions edns0\n", false),
            ("nameserver 10.0.0.2\nnameserver ::1\n", false),
            ("nameserver fd00::53\n", false),
            ("# nameserver 10.0.0.2\n", false),
            ("", false),
        ] {
            assert_eq!(name_servers(text).is_none(), is_fine, "{text}");
        }
    }
}
