//! Parts of a private engine as data: names, addresses, and the commands that create and remove
//! them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    run::process::Change,
    tools::{dockerd::Engine, ip, iptables, system},
};

/// Whether this machine forwards packets: proc_sys_net(5).
pub(super) const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Link inside of the network namespace.
const INSIDE: &str = "eth0";

/// Programs by their paths: some of them are in folders that only root's `PATH` contains.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    pub(super) ip: PathBuf,
    pub(super) iptables: PathBuf,
    pub(super) nsenter: PathBuf,
    pub(super) containerd: PathBuf,
    pub(super) dockerd: PathBuf,
}

/// All inputs of an engine's commands. The record of a killed run's engine reproduces them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    /// Name derived from the checkout's path: 8 hex digits.
    pub(super) id: String,
    /// Folder of sockets, pid files and state: a short path, since a socket's has at most 107
    /// bytes.
    pub(super) run: PathBuf,
    /// Folder of images and the builder's cache.
    pub(super) data: PathBuf,
    /// Second byte of the engine's network 10.BLOCK.0.0/16.
    pub(super) block: u8,
    /// MTU of the link to the default gateway.
    pub(super) mtu: u32,
    /// Whether packet forwarding must be enabled on this machine.
    pub(super) must_forward: bool,
    /// Network namespace of the run that made the record.
    pub(super) outside: u64,
}

/// A command with the one that undoes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) run: Change,
    pub(super) undo: Option<Change>,
}

/// Returns the id of the checkout at `root`.
pub(super) fn id(root: &Path) -> String {
    blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex()[..8].to_owned()
}

impl Plan {
    /// Returns the name of the network namespace.
    pub(super) fn namespace(&self) -> String {
        format!("xtask-{}", self.id)
    }

    /// Returns the file in which `ip netns` keeps the namespace.
    pub(super) fn namespace_file(&self) -> PathBuf {
        Path::new("/run/netns").join(self.namespace())
    }

    /// Returns the name of the outer end of the cable, in at most 15 characters.
    fn link(&self) -> String {
        format!("xt-{}", self.id)
    }

    fn address(&self, rest: &str) -> String {
        format!("10.{}.{rest}", self.block)
    }

    /// Returns dockerd's socket in the form of `DOCKER_HOST`.
    pub(super) fn host(&self) -> String {
        Engine::host(&self.run)
    }

    /// Returns the steps of the network: a cable into a namespace, and rules that forward its
    /// packets.
    pub(super) fn network(&self, programs: &Programs) -> Vec<Step> {
        let (ip, iptables) = (&programs.ip, &programs.iptables);
        let (ns, link, mtu) = (&self.namespace(), &self.link(), Some(self.mtu));
        let (outside, inside) = (&self.address("0.1"), &self.address("0.2"));
        let (from, to) = (&format!("{outside}/30"), &format!("{inside}/30"));
        let step = |run: Change| Step { run, undo: None };
        let undone = |run: Change, undo: Change| Step { run, undo: Some(undo) };
        let mut res = vec![
            undone(ip::add_namespace(ip, ns), ip::delete_namespace(ip, ns)),
            undone(ip::add_pair(ip, link, INSIDE, ns), ip::delete_link(ip, link)),
            step(ip::add_address(ip, None, link, from)),
            step(ip::enable(ip, None, link, mtu)),
            step(ip::enable(ip, Some(ns), "lo", None)),
            step(ip::add_address(ip, Some(ns), INSIDE, to)),
            step(ip::enable(ip, Some(ns), INSIDE, mtu)),
            step(ip::add_default_route(ip, ns, outside)),
        ];
        let rules = iptables::forward(iptables, &self.address("0.0/30"), link);
        res.extend(rules.map(|[add, delete]| undone(add, delete)));
        if self.must_forward {
            // Not undone: other programs may rely on forwarding by now.
            res.push(step(system::write(Path::new(FORWARDING), "1\n")));
        }
        res
    }

    /// Returns the engine's daemons.
    fn engine(&self) -> Engine<'_> {
        Engine {
            run: &self.run,
            data: &self.data,
            mtu: self.mtu,
            bridge: self.address("1.1/24"),
            pool: format!("base={},size=24", self.address("128.0/17")),
        }
    }

    /// Returns the configuration files of the daemons.
    pub(super) fn files(&self) -> Vec<(PathBuf, String)> {
        self.engine().files()
    }

    pub(super) fn containerd(&self, programs: &Programs) -> Change {
        self.engine().containerd(&programs.containerd).after(self.enter(programs))
    }

    /// Returns the command for dockerd; `driver` is its storage driver, if not its own choice.
    pub(super) fn dockerd(&self, programs: &Programs, driver: Option<&str>) -> Change {
        self.engine().dockerd(&programs.dockerd, driver).after(self.enter(programs))
    }

    /// Returns the start of a command in the namespace.
    pub(super) fn enter(&self, programs: &Programs) -> Change {
        system::in_namespace(&programs.nsenter, &self.namespace_file())
    }
}

/// Returns the commands that undo `steps`, last first.
pub(super) fn undo(steps: &[Step]) -> Vec<Change> {
    steps.iter().rev().filter_map(|it| it.undo.clone()).collect()
}

/// Returns the first block, counted from one derived from `id`, whose network contains none of
/// `taken`: the output of `ip route`, and addresses.
pub(super) fn free_block(id: &str, taken: &str) -> Option<u8> {
    let preferred = u8::from_str_radix(id.get(..2)?, 16).ok()? | 128;
    let taken: Vec<(u32, u32)> = taken.split_whitespace().filter_map(network).collect();
    let is_free = |block: &u8| {
        let start = u32::from_be_bytes([10, *block, 0, 0]);
        let end = start | 0xffff;
        taken.iter().all(|(first, last)| *last < start || end < *first)
    };
    (0..=u8::MAX).map(|it| preferred.wrapping_add(it)).find(is_free)
}

/// Returns the first and last address of `10.1.2.0/24` or `10.1.2.3`.
fn network(text: &str) -> Option<(u32, u32)> {
    let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let bits: u32 = bits.parse().ok().filter(|it| *it <= 32)?;
    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    Some((address.to_bits() & mask, address.to_bits() | !mask))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn programs() -> Programs {
        let [ip, iptables, nsenter, containerd, dockerd] =
            ["ip", "iptables", "nsenter", "containerd", "dockerd"].map(PathBuf::from);
        Programs { ip, iptables, nsenter, containerd, dockerd }
    }

    fn plan() -> Plan {
        Plan {
            id: "0123abcd".to_owned(),
            run: PathBuf::from("/run/xtask/0123abcd"),
            data: PathBuf::from("/checkout/target/xtask/engine/data"),
            block: 129,
            mtu: 1400,
            must_forward: true,
            outside: 4_026_531_840,
        }
    }

    fn lines(cmds: impl IntoIterator<Item = Change>) -> String {
        cmds.into_iter().map(|it| format!("{it}\n")).collect()
    }

    #[test]
    fn commands() {
        let (plan, programs) = (plan(), programs());
        let network = plan.network(&programs);
        let daemons = [plan.containerd(&programs), plan.dockerd(&programs, Some("overlay2"))];
        expect![[r#"
            ip netns add xtask-0123abcd
            ip link add xt-0123abcd type veth peer name eth0 netns xtask-0123abcd
            ip addr add 10.129.0.1/30 dev xt-0123abcd
            ip link set xt-0123abcd up mtu 1400
            ip -n xtask-0123abcd link set lo up
            ip -n xtask-0123abcd addr add 10.129.0.2/30 dev eth0
            ip -n xtask-0123abcd link set eth0 up mtu 1400
            ip -n xtask-0123abcd route add default via 10.129.0.1
            iptables -w -t nat -I POSTROUTING -s 10.129.0.0/30 '!' -o xt-0123abcd -j MASQUERADE
            iptables -w -I FORWARD -i xt-0123abcd -j ACCEPT
            iptables -w -I FORWARD -o xt-0123abcd -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            tee /proc/sys/net/ipv4/ip_forward < …
            nsenter --net=/run/netns/xtask-0123abcd -- containerd --config /run/xtask/0123abcd/containerd.toml
            nsenter --net=/run/netns/xtask-0123abcd -- dockerd --config-file /run/xtask/0123abcd/daemon.json --containerd /run/xtask/0123abcd/containerd.sock --data-root /checkout/target/xtask/engine/data/docker --exec-root /run/xtask/0123abcd/exec --pidfile /run/xtask/0123abcd/dockerd.pid --host unix:///run/xtask/0123abcd/docker.sock --mtu 1400 --bip 10.129.1.1/24 --default-address-pool base=10.129.128.0/17,size=24 --shutdown-timeout 5 --storage-driver overlay2
        "#]]
        .assert_eq(&lines(network.iter().map(|it| it.run.clone()).chain(daemons)));
        expect![[r#"
            iptables -w -D FORWARD -o xt-0123abcd -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            iptables -w -D FORWARD -i xt-0123abcd -j ACCEPT
            iptables -w -t nat -D POSTROUTING -s 10.129.0.0/30 '!' -o xt-0123abcd -j MASQUERADE
            ip link del xt-0123abcd
            ip netns del xtask-0123abcd
        "#]]
        .assert_eq(&lines(undo(&network)));
    }

    #[test]
    fn names_fit() {
        let id = id(Path::new("/a/checkout"));
        assert_eq!(id.len(), 8);
        assert_ne!(id, super::id(Path::new("/another/checkout")));
        // An interface's name has at most 15 bytes.
        assert!(Plan { id, ..plan() }.link().len() <= 15);
    }

    #[test]
    fn a_record_gives_the_plan_again() {
        let text = serde_json::to_string(&plan()).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan());
    }

    #[test]
    fn free_blocks() {
        for (taken, expect) in [
            ("", Some(129)),
            ("default via 192.0.2.1 dev eth0\nlocal 127.0.0.0/8 dev lo", Some(129)),
            ("10.129.0.0/30 dev xt-0 scope link src 10.129.0.1", Some(130)),
            ("10.129.255.255", Some(130)),
            ("10.128.0.0/9 dev tun0", Some(0)),
            ("10.64.0.0/10\n10.128.0.0/9\n10.0.0.0/24", Some(1)),
            ("10.0.0.0/8", None),
            ("0.0.0.0/0", None),
            ("10.129.0.0/33 10.129.0/24 a/b", Some(129)),
        ] {
            assert_eq!(free_block("01234567", taken), expect, "{taken}");
        }
    }
}
