//! Build settings stay in the build steps: certificates, index credentials, mirrors.

use std::{env, fs, io::Read as _, path::Path, process::Stdio};

use crate::{
    checkout::{Checkout, run, text},
    containers::docker,
};

/// Text in a comment of the bundle, and in each setting that may contain a secret.
const NEEDLE: &str = "needle-3f9a1c77";

/// Settings that may contain a secret, as in `xtask/tests/it/leaks.rs`; these still work with it.
/// The proxies are for hosts that no test asks.
const SETTINGS: &[(&str, &str)] = &[
    ("HTTP_PROXY", "http://NEEDLE:NEEDLE@127.0.0.1:9"),
    ("HTTPS_PROXY", "NEEDLE:NEEDLE@127.0.0.1:9"),
    ("PIP_INDEX_URL", "https://NEEDLE:NEEDLE@pypi.org/simple"),
    ("PIP_EXTRA_INDEX_URL", "https://a:NEEDLE@pypi.org/simple https://b:NEEDLE@pypi.org/simple/"),
    ("CONDA_CHANNEL_ALIAS", "https://NEEDLE:NEEDLE@conda.anaconda.org/t/NEEDLE"),
    ("DEBIAN_MIRROR", "http://NEEDLE:NEEDLE@deb.debian.org/debian"),
    ("IMAGE_RUN_PARS", "--env API_TOKEN=NEEDLE"),
];
/// Hosts that are asked without a proxy.
const DIRECT: &str = "pypi.org,files.pythonhosted.org,deb.debian.org,127.0.0.1,localhost";

/// Tasks whose output and files must be clean.
const TASKS: &[&str] = &[
    // Without the cache, so that the steps really see all settings.
    "image-build hello --floating --refresh --verbose",
    "image-test hello --floating --verbose",
    "image-push hello --floating --verbose",
    "image-push hello --floating --promote v1",
    "image-list hello",
    "image-list hello --json",
    "freeze hello --verbose",
    "report hello --floating",
    "config",
    "config --json",
    "explain hello --floating",
    "doctor hello --offline",
    "image-all hello --floating --dry-run",
    "image-exec --floating -- true",
    "image-exec --floating --dry-run -- true",
];
/// Changes a list, so the images above are not the current ones afterwards.
const TRY: &str = "try hello --add humanize --json";

/// LESSONS: ca-in-context, ca-at-run-time, secret-in-layer.
#[test]
fn no_certificate_or_credential_is_kept_or_printed() {
    let mut checkout = Checkout::new();
    let host = fs::read_to_string(host_bundle()).unwrap();
    let bundle = checkout.path("target/bundle.crt");
    fs::create_dir_all(checkout.path("target")).unwrap();
    fs::write(&bundle, format!("# {NEEDLE}\n{host}")).unwrap();
    checkout.set("CA_BUNDLE", bundle.to_str().unwrap());
    let direct = env::var("NO_PROXY").map_or(DIRECT.to_owned(), |it| format!("{it},{DIRECT}"));
    checkout.set("NO_PROXY", &direct);
    for (name, value) in SETTINGS {
        checkout.set(name, &value.replace("NEEDLE", NEEDLE));
    }
    // No earlier image and no cached step: the root file system and all images on it see the settings.
    let rootfs = "common/base/rootfs";
    checkout.script(rootfs, &format!("{}# {}\n", checkout.read(rootfs), checkout.mark()));
    // A registry that runs is used as it is; its images are in a volume, and stay.
    run(&mut docker(&["rm", "--force", "science-platform-registry"]));
    let runs_clean = |task: &str| {
        let run = checkout.run(&task.split(' ').collect::<Vec<_>>());
        assert!(!(run.stdout + &run.stderr).contains(NEEDLE), "{task} prints a credential");
        assert_eq!(run.status, Some(0), "{task}");
    };
    TASKS.iter().for_each(|it| runs_clean(it));
    // Not by their tags `latest`, which a test beside this one may move.
    let rows = checkout.rows(&["image-build", "hello", "--floating"]);
    rows.did_nothing();
    let built = ["rootfs", "base", "common", "hello"].map(|it| rows.text(it, "tag"));
    let images = built.iter().map(String::as_str).chain(["science-platform/registry:latest"]);
    let images: Vec<&str> = images.collect();
    runs_clean(TRY);
    for image in ["base", "common", "hello", "registry"] {
        let log = checkout.read(&format!("target/xtask/logs/image-build-{image}.log"));
        assert!(runs_each_step(&log), "a cached step of {image} proves nothing: {log}");
    }
    assert_clean(&checkout.path("target/xtask"));

    let own = run(&mut docker(&[
        "run",
        "--rm",
        "--entrypoint",
        "cat",
        images[3],
        "/etc/ssl/certs/ca-certificates.crt",
    ]));
    let mut needles = vec![NEEDLE.to_owned()];
    needles.extend(only_in(&host, &text(&own)));
    for image in images {
        for (needle, found) in needles.iter().zip(search(image, &needles)) {
            assert!(!found, "{image} holds {needle}");
        }
        let settings = text(&run(&mut docker(&["image", "inspect", image])));
        let history = text(&run(&mut docker(&["history", "--no-trunc", image])));
        assert!(!settings.contains(NEEDLE) && !history.contains(NEEDLE));
        let env =
            text(&run(&mut docker(&["image", "inspect", "--format", "{{.Config.Env}}", image])));
        assert!(!env.contains("CERT") && !env.contains("image-build"), "{image}: {env}");
        assert!(!env.to_lowercase().contains("proxy"), "{image}: {env}");
    }
    for file in checkout.git(&["ls-files"]).lines() {
        let bytes = fs::read(checkout.path(file)).unwrap_or_default();
        let is_this = file.ends_with("tests/e2e/leaks.rs");
        assert!(is_this || memchr::memmem::find(&bytes, NEEDLE.as_bytes()).is_none(), "{file}");
    }
}

/// Returns whether a build has steps that see secrets, and none of them was in the cache.
fn runs_each_step(log: &str) -> bool {
    let heads = log.lines().filter(|it| it.contains("] RUN ") && it.contains("type=secret"));
    let mut numbers = heads.filter_map(|it| it.split(' ').next()).peekable();
    numbers.peek().is_some()
        && numbers.all(|number| !log.lines().any(|it| it == format!("{number} CACHED")))
}

/// Fails when a file below `dir` has the needle: a log, a receipt, a report, a staged context.
fn assert_clean(dir: &Path) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            assert_clean(&path);
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            let found = memchr::memmem::find(&bytes, NEEDLE.as_bytes());
            assert!(found.is_none(), "{}", path.display());
        }
    }
}

/// The search finds existing text, or the test above proves nothing.
#[test]
fn the_search_finds_what_is_in_a_layer() {
    let _alone = Checkout::new();
    let found = search(
        "science-platform/base:latest",
        &["Debian GNU/Linux 13".to_owned(), NEEDLE.to_owned()],
    );
    assert_eq!(found, [true, false]);
}

/// Returns the certificates that this machine trusts.
pub(crate) fn host_bundle() -> String {
    let known = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ];
    let known = known.into_iter().find(|it| fs::exists(it).unwrap());
    known.expect("this machine has a bundle of certificates").to_owned()
}

/// Returns the bodies of the certificates in `ours` that `theirs` lacks.
fn only_in(ours: &str, theirs: &str) -> Vec<String> {
    let bodies = |text: &str| -> Vec<String> {
        let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
        blocks.filter_map(|it| Some(it.split_once("-----END")?.0.trim().to_owned())).collect()
    };
    let theirs = bodies(theirs);
    bodies(ours).into_iter().filter(|it| !theirs.contains(it)).collect()
}

/// Returns whether any layer or the configuration of `image` contains each needle. Layers of
/// `docker save` are plain tars.
pub(crate) fn search(image: &str, needles: &[String]) -> Vec<bool> {
    let mut save = docker(&["save", image]);
    let mut child = save.stdout(Stdio::piped()).spawn().unwrap();
    let mut stream = child.stdout.take().unwrap();
    let overlap = needles.iter().map(String::len).max().unwrap();
    let mut found = vec![false; needles.len()];
    let mut window: Vec<u8> = Vec::new();
    let mut chunk = vec![0; 8 << 20];
    loop {
        let read = stream.read(&mut chunk).unwrap();
        if read == 0 {
            break;
        }
        window.extend_from_slice(&chunk[..read]);
        for (found, needle) in found.iter_mut().zip(needles) {
            *found = *found || memchr::memmem::find(&window, needle.as_bytes()).is_some();
        }
        window.drain(..window.len().saturating_sub(overlap));
    }
    assert!(child.wait().unwrap().success());
    found
}
