use super::{
    RemoteImage, build::has_built_in_buildkit, is_elsewhere, manifest::failure,
    manifest::read_remote,
};
use crate::run::process::Output;

#[test]
fn which_versions_bring_buildkit() {
    assert!(has_built_in_buildkit("Docker version 20.10.24+dfsg1, build 297e128"));
    assert!(has_built_in_buildkit("Docker version 19.03.15, build 99e3ed8919"));
    assert!(has_built_in_buildkit("Docker version 18.09.1, build 4c52b90"));
    assert!(!has_built_in_buildkit("Docker version 18.06.1-ce, build e68fc7a"));
    assert!(!has_built_in_buildkit("Docker version 28.2.2, build e6534b4"));
    assert!(!has_built_in_buildkit("podman version 4.3.1"));
}

#[test]
fn what_a_registry_answers() {
    let answer = |status, stdout: &str, stderr: &str| {
        let (stdout, stderr) = (stdout.to_owned(), stderr.to_owned());
        read_remote(&"r/hello:1".parse().unwrap(), Output { status, stdout, stderr })
    };
    let (digest, config) = (["a"; 64].concat(), ["b"; 64].concat());
    let manifest = &format!(
        r#"{{"Descriptor": {{"digest": "sha256:{digest}", "platform": {{"os": "linux", "architecture": "arm64"}}}},
        "SchemaV2Manifest": {{"config": {{"digest": "sha256:{config}"}}}}}}"#
    );
    let remote = RemoteImage {
        digest: format!("sha256:{digest}").parse().unwrap(),
        config: format!("sha256:{config}").parse().unwrap(),
        platform: "linux/arm64".to_owned(),
    };
    assert_eq!(answer(0, manifest, "").unwrap(), Some(remote));
    assert_eq!(answer(1, "", "no such manifest: r/hello:1\n").unwrap(), None);
    let said = |status, stderr: &str| {
        failure(&Output { status, stdout: String::new(), stderr: stderr.to_owned() })
    };
    assert_eq!(said(1, "connection refused\n").as_deref(), Some("connection refused"));
    assert_eq!(said(1, "manifest unknown: connection refused\n"), None);
    let tampered = answer(1, "", "unsupported manifest format: &{{{2 […\n").unwrap_err();
    assert!(format!("{tampered:#}").ends_with("or not of this digest"), "{tampered:#}");
    let short = manifest.replace(&digest, "a");
    for damaged in [r#"{"Descriptor": {"digest": "sha256:a"}}"#, &short] {
        assert!(answer(0, damaged, "").is_err());
    }
}

#[test]
fn engines_of_other_machines() {
    for it in
        ["ssh://ann@lab", "tcp://192.0.2.7:2376", "tcp://docker:2376", "tcp://[2001:db8::1]:1"]
    {
        assert!(is_elsewhere(it), "{it}");
    }
    for it in ["", "unix:///run/docker.sock", "npipe:////./pipe/docker_engine", "tcp://127.0.0.1:1"]
    {
        assert!(!is_elsewhere(it), "{it}");
    }
    for it in ["tcp://localhost:2375", "tcp://[::1]:2375", "ssh://ann@127.0.0.1"] {
        assert!(!is_elsewhere(it), "{it}");
    }
}
