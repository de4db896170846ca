//! ip(8): network namespaces, and pairs of links between them.

use std::path::Path;

use crate::run::process::{self, Change, cmd, query};

/// Returns the command that makes the network namespace `name`.
pub(crate) fn add_namespace(ip: &Path, name: &str) -> Change {
    cmd!("/", "{ip} netns add {name}")
}

/// Returns the command that removes the network namespace `name`.
pub(crate) fn delete_namespace(ip: &Path, name: &str) -> Change {
    cmd!("/", "{ip} netns del {name}")
}

/// Returns the command that makes the link `link`, whose other end is `peer` in the namespace `inside`.
pub(crate) fn add_pair(ip: &Path, link: &str, peer: &str, inside: &str) -> Change {
    cmd!("/", "{ip} link add {link} type veth peer name {peer} netns {inside}")
}

/// Returns the command that removes a link, and with it the other end.
pub(crate) fn delete_link(ip: &Path, link: &str) -> Change {
    cmd!("/", "{ip} link del {link}")
}

/// Returns `ip` for the network namespace `inside`, or for this process's own.
fn within(ip: &Path, inside: Option<&str>) -> Change {
    let namespace = inside.map(|it| ["-n", it]);
    cmd!("/", "{ip}").args(namespace.into_iter().flatten())
}

/// Returns the command that gives `link` an address with its prefix's length, as in `10.0.0.1/30`.
pub(crate) fn add_address(ip: &Path, inside: Option<&str>, link: &str, address: &str) -> Change {
    within(ip, inside).args(["addr", "add", address, "dev", link])
}

/// Returns the command that enables `link`.
pub(crate) fn enable(ip: &Path, inside: Option<&str>, link: &str, mtu: Option<u32>) -> Change {
    let mtu = mtu.map(|it| ["mtu".to_owned(), it.to_string()]);
    within(ip, inside).args(["link", "set", link, "up"]).args(mtu.into_iter().flatten())
}

/// Returns the command that sets the default gateway of the namespace `inside`.
pub(crate) fn add_default_route(ip: &Path, inside: &str, gateway: &str) -> Change {
    within(ip, Some(inside)).args(["route", "add", "default", "via", gateway])
}

/// Returns the link of the default route, if there is one.
pub(crate) fn default_link(ip: &Path) -> anyhow::Result<Option<String>> {
    let routes = process::read(&query!("/", "{ip} -4 route show default"))?;
    Ok(link_of_default(&routes).map(str::to_owned))
}

/// Returns the MTU of `link`.
pub(crate) fn mtu(ip: &Path, link: &str) -> anyhow::Result<Option<u32>> {
    Ok(mtu_of(&process::read(&query!("/", "{ip} -o link show dev {link}"))?))
}

/// Returns all routes as text, which has each network in a word of its own.
pub(crate) fn routes(ip: &Path) -> anyhow::Result<String> {
    process::read(&query!("/", "{ip} -4 route show table all"))
}

fn link_of_default(routes: &str) -> Option<&str> {
    let line = routes.lines().find(|it| it.starts_with("default"))?;
    line.split_whitespace().skip_while(|it| *it != "dev").nth(1)
}

fn mtu_of(link: &str) -> Option<u32> {
    link.split_whitespace().skip_while(|it| *it != "mtu").nth(1)?.parse().ok()
}

#[test]
fn facts_of_the_link() {
    let routes = "default via 192.0.2.1 dev eth0 proto dhcp metric 100\n";
    assert_eq!(link_of_default(routes), Some("eth0"));
    assert_eq!(link_of_default(""), None);
    let link = "4: eth0: <UP,LOWER_UP> mtu 1400 qdisc pfifo_fast state UP mode DEFAULT";
    assert_eq!(mtu_of(link), Some(1400));
    assert_eq!(mtu_of("4: eth0: <UP> mtu many"), None);
}
