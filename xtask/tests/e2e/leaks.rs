//! What build steps get stays in the build steps: certificates, index credentials, mirrors.

use std::{fs, io::Read as _, process::Stdio};

use crate::{
    checkout::{Checkout, run, text},
    containers::docker,
};

/// In a comment of the bundle, and in the credentials of the package index.
const NEEDLE: &str = "needle-3f9a1c77";

/// LESSONS: ca-in-context, ca-at-run-time, secret-in-layer.
#[test]
fn no_certificate_or_credential_stays_in_an_image() {
    let mut checkout = Checkout::new();
    let host = fs::read_to_string(host_bundle()).unwrap();
    let bundle = checkout.path("target/bundle.crt");
    fs::create_dir_all(checkout.path("target")).unwrap();
    fs::write(&bundle, format!("# {NEEDLE}\n{host}")).unwrap();
    checkout.set("CA_BUNDLE", bundle.to_str().unwrap());
    checkout.set("PIP_INDEX_URL", &format!("https://{NEEDLE}:{NEEDLE}@pypi.org/simple"));
    // Without the cache, so that the steps really see it all.
    checkout.rows(&["image-build", "hello", "--floating", "--refresh"]);

    let own = run(&mut docker(&[
        "run",
        "--rm",
        "--entrypoint",
        "cat",
        "science-platform/hello:latest",
        "/etc/ssl/certs/ca-certificates.crt",
    ]));
    let mut needles = vec![NEEDLE.to_owned()];
    needles.extend(only_in(&host, &text(&own)));
    for image in ["base", "common", "hello", "registry"] {
        let image = format!("science-platform/{image}:latest");
        for (needle, found) in needles.iter().zip(search(&image, &needles)) {
            assert!(!found, "{image} holds {needle}");
        }
        let settings = text(&run(&mut docker(&["image", "inspect", &image])));
        let history = text(&run(&mut docker(&["history", "--no-trunc", &image])));
        assert!(!settings.contains(NEEDLE) && !history.contains(NEEDLE));
        let env =
            text(&run(&mut docker(&["image", "inspect", "--format", "{{.Config.Env}}", &image])));
        assert!(!env.contains("CERT") && !env.contains("image-build"), "{image}: {env}");
    }
    let frozen = checkout.read("missions/hello/environments/hello/hello-frozen.yml");
    assert!(!frozen.contains(NEEDLE));
}

/// The search finds what is there, or the test above proves nothing.
#[test]
fn the_search_finds_what_is_in_a_layer() {
    let _alone = Checkout::new();
    let found = search(
        "science-platform/base:latest",
        &["Debian GNU/Linux 13".to_owned(), NEEDLE.to_owned()],
    );
    assert_eq!(found, [true, false]);
}

/// The certificates that this machine trusts.
pub(crate) fn host_bundle() -> String {
    let known = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ];
    let known = known.into_iter().find(|it| fs::exists(it).unwrap());
    known.expect("this machine has a bundle of certificates").to_owned()
}

/// The bodies of the certificates in `ours` that `theirs` does not have.
fn only_in(ours: &str, theirs: &str) -> Vec<String> {
    let bodies = |text: &str| -> Vec<String> {
        let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
        blocks.filter_map(|it| Some(it.split_once("-----END")?.0.trim().to_owned())).collect()
    };
    let theirs = bodies(theirs);
    bodies(ours).into_iter().filter(|it| !theirs.contains(it)).collect()
}

/// Whether any layer or the configuration of `image` holds each needle. Layers of `docker save` are plain tars.
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
