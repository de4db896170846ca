//! iptables(8): rules that forward the packets of a network namespace.

use std::path::Path;

use crate::run::process::{Change, cmd};

/// Returns the commands that add a rule, and that remove it, for each rule that connects the network
/// `subnet` behind `link` with all others: its packets get this machine's address.
pub(crate) fn forward(iptables: &Path, subnet: &str, link: &str) -> [[Change; 2]; 3] {
    let rule = |table: &str, chain: &str, rule: &str| {
        ["-I", "-D"].map(|verb| {
            cmd!("/", "{iptables} -w")
                .args(table.split_whitespace())
                .args([verb, chain])
                .args(rule.split(' '))
        })
    };
    [
        rule("-t nat", "POSTROUTING", &format!("-s {subnet} ! -o {link} -j MASQUERADE")),
        rule("", "FORWARD", &format!("-i {link} -j ACCEPT")),
        rule(
            "",
            "FORWARD",
            &format!("-o {link} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
        ),
    ]
}
