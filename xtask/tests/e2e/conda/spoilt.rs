//! Frozen specs that are outdated: each fails, and names the package.

use std::{fs, path::Path};

use super::{SURVEY, base::Base, container};
use crate::checkout::text;

const SPEC: &str = "missions/survey/environments/survey/survey-frozen.yml";

/// A change of one line of the frozen spec.
struct Change {
    what: &'static str,
    change: fn(&str) -> String,
}

/// Changes of the line of `secret-tool`, which another channel's file could not replace.
const CHANGES: &[Change] = &[
    Change {
        what: "hash",
        change: |line| {
            let (start, hash) = line.split_once("sha256=").unwrap();
            format!("{start}sha256={}{}", "0".repeat(64), &hash[64..])
        },
    },
    Change { what: "version", change: |line| line.replacen("=1.0=", "=1.1=", 1) },
    Change { what: "build string", change: |line| line.replacen("=1.0=py", "=1.0=other", 1) },
    Change { what: "file", change: |line| line.replacen("-1.0-", "-1.1-", 1) },
    Change { what: "missing dependency", change: |_| String::new() },
];

pub(super) fn each_part_fails_by_name(base: &Base) {
    let whole = base.checkout.read(SPEC);
    for Change { what, change } in CHANGES {
        // Only other conda packages request it, so no list misses it.
        let package = if *what == "missing dependency" { "libopenblas" } else { "secret-tool" };
        let line = whole.lines().find(|it| it.contains(&format!("{package}="))).unwrap();
        let spoilt = whole.replacen(line, &change(line), 1).replace("\n\n", "\n");
        assert_ne!(spoilt, whole, "{what}");
        base.checkout.write(SPEC, &spoilt);
        let built = base.checkout.run(&["image-build", SURVEY, "--frozen"]);
        assert!(matches!(built.status, Some(1 | 2)), "{what}: {:?}", built.status);
        let screen: Vec<&str> = built.stderr.lines().rev().take(45).collect();
        assert!(screen.iter().any(|it| it.contains(package)), "{what} does not name {package}");
    }
    base.checkout.reset();
}

/// With an empty cache; after the file is put back, the result is the same environment.
pub(super) fn a_withdrawn_file_fails_by_name(base: &Base) {
    let file =
        Path::new(&base.served.channels).join("private/noarch/secret-tool-1.0-pyhd8ed1ab_0.conda");
    let aside = file.with_extension("withdrawn");
    fs::rename(&file, &aside).unwrap();
    let made = container::made(base, SURVEY);
    fs::rename(&aside, &file).unwrap();
    let stderr = String::from_utf8_lossy(&made.stderr);
    assert!(!made.status.success() && stderr.contains("secret-tool"), "{stderr}");

    let made = container::made(base, SURVEY);
    assert_eq!(text(&made), base.checkout.read(SPEC), "{}", String::from_utf8_lossy(&made.stderr));
}
