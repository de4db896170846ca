//! Kinds of docker CLIs: with buildx, with the built-in BuildKit, and with neither.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::{
    checkout::{Checkout, run},
    containers::docker,
};

/// Debian's packages of both, unpacked: 20.10 from Debian 12, and a modern one from Debian 13.
const FETCH: &str = r#"
set -euo pipefail
cd /out
sed 's/trixie/bookworm/g' /etc/apt/sources.list.d/debian.sources > /etc/apt/sources.list.d/bookworm.sources
apt-get update --quiet
apt-get download --quiet docker.io/bookworm docker-cli/trixie docker-buildx/trixie
for name in docker.io docker-cli docker-buildx; do
    dpkg-deb --extract ${name}_*.deb ./$name
done
"#;

#[test]
fn each_docker_cli_builds_tests_and_pushes() {
    let mut checkout = Checkout::new();
    let out = fetch();
    let built_in = out.join("docker.io/usr/bin/docker");
    let modern = out.join("docker-cli/usr/bin/docker");
    let plugin = find_plugin(&out.join("docker-buildx"));
    let config = checkout.path("target/docker-config");
    fs::create_dir_all(config.join("cli-plugins")).unwrap();

    checkout.set("DOCKER_CONFIG", config.to_str().unwrap());
    main_job(&mut checkout, &built_in, "DOCKER_BUILDKIT=1 ");
    let refused = run_with(&mut checkout, &modern);
    assert_eq!(refused.status, Some(3), "a CLI that cannot build has to be refused");
    assert!(refused.stderr.contains("buildkit"), "the finding has to be named");
    symlink(plugin, config.join("cli-plugins/docker-buildx")).unwrap();
    main_job(&mut checkout, &modern, "buildx build ");
}

/// Changes the mission's last steps, then runs all of `image-all`, twice.
fn main_job(checkout: &mut Checkout, cli: &Path, expected: &str) {
    let name = "missions/hello/environments/hello/kernel.name";
    checkout.write(name, &format!("Hello, {expected}{}\n", checkout.mark()));
    checkout.set("DOCKER", cli.to_str().unwrap());
    let rows = checkout.rows(&["image-all", "hello"]);
    assert!(rows.action("hello").starts_with("built, tested"), "{}", rows.action("hello"));
    let log = checkout.read("target/xtask/logs/image-build-hello.log");
    assert!(log.lines().next().unwrap().contains(expected), "{log}");
    let again = checkout.rows(&["image-all", "hello"]);
    again.did_nothing();
}

fn run_with(checkout: &mut Checkout, cli: &Path) -> crate::checkout::Run {
    let name = "missions/hello/environments/hello/kernel.name";
    checkout.write(name, "Hello, nobody\n");
    checkout.set("DOCKER", cli.to_str().unwrap());
    checkout.run(&["image-all", "hello"])
}

/// Returns the packages of both Debians, fetched once for all runs in this target folder.
pub(crate) fn fetch() -> PathBuf {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docker-clis");
    if !out.join("docker-buildx").exists() {
        fs::create_dir_all(&out).unwrap();
        let volume = format!("{}:/out", out.display());
        let image = "science-platform/rootfs:latest";
        run(&mut docker(&["run", "--rm", "--volume", &volume, image, "bash", "-c", FETCH]));
    }
    out
}

fn find_plugin(dir: &Path) -> PathBuf {
    let places = ["usr/libexec/docker/cli-plugins", "usr/lib/docker/cli-plugins"];
    let plugin = places.iter().map(|it| dir.join(it).join("docker-buildx")).find(|it| it.exists());
    plugin.expect("the package has the plugin")
}
