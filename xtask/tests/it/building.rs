//! Builds: which images are built, and when nothing is.

use expect_test::expect;

use crate::checkout::Checkout;

#[test]
fn a_first_run() {
    let checkout = Checkout::new();
    checkout.run(&["image-all"]).status(0).acted(&expect![[r#"
        import --platform linux/amd64 --change LABEL science-platform.inputs=… --change LABEL science-platform.parent= -
        image tag sha256:… science-platform/rootfs:…-…
        image tag sha256:… science-platform/rootfs:latest
        buildx build --builder default --load --provenance=false --sbom=false --progress plain --platform linux/amd64 --label science-platform.inputs=… --label science-platform.parent=sha256:… --build-arg ROOTFS=science-platform/rootfs:…-… --secret id=ca,src=/ca.crt --iidfile /root/target/xtask/build/base.iid --file /root/target/xtask/build/base.Dockerfile /root/target/xtask/build/base
        image tag sha256:… science-platform/base:…-…
        image tag sha256:… science-platform/base:latest
        buildx build --builder default --load --provenance=false --sbom=false --progress plain --platform linux/amd64 --label science-platform.inputs=… --label science-platform.parent=sha256:… --build-arg BASE_IMAGE=science-platform/base:…-… --build-arg BASE_DIGEST=local --build-arg BUILDKIT_INLINE_CACHE=1 --secret id=ca,src=/ca.crt --iidfile /root/target/xtask/build/common.iid --file /root/target/xtask/build/common.Dockerfile /root/target/xtask/build/common
        image tag sha256:… science-platform/common:…-…
        image tag sha256:… science-platform/common:latest
        buildx build --builder default --load --provenance=false --sbom=false --progress plain --platform linux/amd64 --label science-platform.inputs=… --label science-platform.mission=hello --label science-platform.frozen-specs={"hello":"…"} --label science-platform.parent=sha256:… --build-arg BASE_IMAGE=science-platform/common:…-… --build-arg USE_FROZEN=1 --build-arg BUILDKIT_INLINE_CACHE=1 --secret id=ca,src=/ca.crt --iidfile /root/target/xtask/build/hello.iid --file /root/target/xtask/build/hello.Dockerfile /root/target/xtask/build/hello
        image tag sha256:… science-platform/hello:…-…
        image tag sha256:… science-platform/hello:latest
        cp - …:/opt/tester
        cp - …:/opt/tester
        cp - …:/opt/tester
        cp /root/target/xtask/test/hello.plan …:/opt/tester/plan.json
        cp /root/target/xtask/test/hello.plan …:/opt/tester/plan.json
        cp /root/target/xtask/test/hello.plan …:/opt/tester/plan.json
        cp …:/opt/test-results/. -
        cp …:/opt/test-results/. -
        cp …:/opt/test-results/. -
        create --label science-platform.role=test --label science-platform.run=… --cidfile /root/target/xtask/test/hello.test.cid --no-healthcheck --user root --entrypoint /opt/conda/bin/python --memory 4g --pids-limit 4096 --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add KILL --cap-add SETGID --cap-add SETUID --mount type=volume,target=/opt/tester,volume-nocopy --mount type=volume,target=/opt/test-results,volume-nocopy --mount type=volume,target=/opt/test-scratch,volume-nocopy --read-only --network none --tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777,size=1g --tmpfs /var/tmp:rw,exec,nosuid,nodev,mode=1777,size=1g --tmpfs /run:rw,exec,nosuid,nodev,mode=1777,size=1g --mount type=volume,target=/opt/environments --mount type=volume,target=/home/jovyan --env PATIENCE=1 science-platform/hello:…-… -IS /opt/tester/common-scripts/tester --plan /opt/tester/plan.json --results /opt/test-results --scratch /opt/test-scratch mission
        create --label science-platform.role=test-hub --label science-platform.run=… --cidfile /root/target/xtask/test/hello.test-hub.cid --no-healthcheck --user root --entrypoint /opt/conda/bin/python --memory 4g --pids-limit 4096 --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add KILL --cap-add SETGID --cap-add SETUID --mount type=volume,target=/opt/tester,volume-nocopy --mount type=volume,target=/opt/test-results,volume-nocopy --mount type=volume,target=/opt/test-scratch,volume-nocopy --mount type=volume,source=science-platform-test-…,target=/home/jovyan,volume-nocopy --network none --env PATIENCE=1 science-platform/hello:…-… -IS /opt/tester/common-scripts/tester --plan /opt/tester/plan.json --results /opt/test-results --scratch /opt/test-scratch hub
        create --label science-platform.role=test-prepare --label science-platform.run=… --cidfile /root/target/xtask/test/hello.test-prepare.cid --no-healthcheck --user root --entrypoint /opt/conda/bin/python --memory 4g --pids-limit 4096 --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --mount type=volume,target=/opt/tester,volume-nocopy --mount type=volume,target=/opt/test-results,volume-nocopy --mount type=volume,target=/opt/test-scratch,volume-nocopy --mount type=volume,source=science-platform-test-…,target=/tmp/home,volume-nocopy --network none --env PATIENCE=1 science-platform/hello:…-… -IS /opt/tester/common-scripts/tester --plan /opt/tester/plan.json --results /opt/test-results --scratch /opt/test-scratch prepare /tmp/home
        rm --force --volumes …
        rm --force --volumes …
        rm --force --volumes …
        start --attach …
        start --attach …
        start --attach …
        volume create --label science-platform.role=test --label science-platform.run=… science-platform-test-…
        volume rm --force science-platform-test-…
        buildx build --builder default --load --provenance=false --sbom=false --progress plain --platform linux/amd64 --label science-platform.inputs=… --label science-platform.parent=sha256:… --build-arg ROOTFS=science-platform/rootfs:…-… --secret id=ca,src=/ca.crt --iidfile /root/target/xtask/build/registry.iid --file /root/target/xtask/build/registry.Dockerfile /root/target/xtask/build/registry
        image tag sha256:… science-platform/registry:…-…
        image tag sha256:… science-platform/registry:latest
        network create --label science-platform.role=registry science-platform-registry
        run --detach --name science-platform-registry --restart unless-stopped --label science-platform.role=registry --network … --publish 127.0.0.1:<port>:5000 --volume science-platform-registry:/var/lib/registry --env XTASK_REGISTRY_PASSWORD science-platform/registry:…-…
        image tag science-platform/hello:…-… 127.0.0.1:<port>/hello:…-…
        image push 127.0.0.1:<port>/hello:…-…
        image tag science-platform/common:…-… 127.0.0.1:<port>/common:…-…
        image push 127.0.0.1:<port>/common:…-…
        buildx build --builder default --load --provenance=false --sbom=false --quiet --tag 127.0.0.1:<port>/hello:sha256-….receipt --iidfile /root/target/xtask/build/hello-receipt.iid /root/target/xtask/build/hello-receipt
        image push 127.0.0.1:<port>/hello:sha256-….receipt
        image rm 127.0.0.1:<port>/hello:sha256-….receipt
        image tag science-platform/common:…-… 127.0.0.1:<port>/common:latest-sandbox
        image push 127.0.0.1:<port>/common:latest-sandbox
        image tag science-platform/hello:…-… 127.0.0.1:<port>/hello:latest-sandbox
        image push 127.0.0.1:<port>/hello:latest-sandbox
        image tag science-platform/common:…-… 127.0.0.1:<port>/common:inputs-…
        image push 127.0.0.1:<port>/common:inputs-…
        image tag science-platform/hello:…-… 127.0.0.1:<port>/hello:inputs-…
        image push 127.0.0.1:<port>/hello:inputs-…
    "#]]);
}

#[test]
fn a_second_run_does_nothing() {
    let checkout = Checkout::new();
    for mode in ["--frozen", "--floating"] {
        checkout.run(&["image-all", mode]).status(0);
        checkout.run(&["image-all", mode]).status(0).did_nothing().says("unchanged");
    }
}

#[test]
fn cache_bust() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout.file("missions/hello/environments/hello/tests/imports", "numpy\nscipy\n");
    let done = checkout.run(&["image-build"]).status(0);
    done.called("build/hello").never_called("build/common").never_called("build/base");
    // The other mode's spec files do not belong to the image.
    checkout.file("missions/hello/environments/hello/hello.pip", "scipy\n");
    checkout.run(&["image-build"]).status(0).did_nothing();
    checkout.file("README.md", "text\n");
    checkout.run(&["image-build"]).status(0).did_nothing();
}

#[test]
fn flag_first() {
    let checkout = Checkout::new();
    checkout.run(&["image-build", "--floating"]).status(0);
    let done = checkout.run(&["image-build", "--frozen"]).status(0);
    done.called("build/hello").never_called("build/common").never_called("build/base");
    for mode in ["--floating", "--frozen"] {
        checkout.run(&["image-build", mode]).status(0).did_nothing();
    }
}

#[test]
fn an_edit_of_the_base_rebuilds_what_is_on_it() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout.file("common/base/requirements.in", "no part of the context\n");
    checkout.run(&["image-build"]).status(0).did_nothing();
    checkout.file("common/base/requirements.txt", "numpy\n");
    let done = checkout.run(&["image-build"]).status(0).never_called("import");
    done.called("build/base").called("build/common").called("build/hello");
}

#[test]
fn ca_in_context() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0).called("--secret id=ca,src=/ca.crt");
    assert_eq!(checkout.stand_in("secret-ca"), "a certificate");
    // In no digest: another certificate causes no build.
    checkout.file("../ca.crt", "another certificate");
    checkout.run(&["image-build"]).status(0).did_nothing();
    let other = "CA_BUNDLE=/no/such/file";
    let done = checkout.run(&["--set", other, "image-build"]).status(2).did_nothing();
    done.says("CA_BUNDLE=/no/such/file: file not found");
}

#[test]
fn ca_at_run_time() {
    let checkout = Checkout::new();
    let done = checkout.run(&["image-all"]).status(0);
    let done = done.never_called("--build-arg SSL_CERT_FILE").never_called("--env SSL_CERT_FILE");
    for (command, at_least) in [("run", 1), ("create", 3)] {
        let calls = done.calls.iter().filter(|it| it.argv[1] == command);
        assert!(calls.clone().count() >= at_least, "{command}");
        assert!(calls.clone().all(|it| !it.line().contains("ca.crt")), "{command}");
    }
}

#[test]
fn secret_in_layer() {
    let mut checkout = Checkout::new();
    checkout.env("PIP_INDEX_URL", "https://me:hunter2@host/simple");
    checkout.env("HTTPS_PROXY", "http://me:hunter2@proxy");
    let done = checkout.run(&["-v", "image-build"]).status(0).never_called("hunter2");
    let done = done.never_says("hunter2").called("--secret id=pip,env=IMAGE_BUILD_PIP");
    let build = done.calls.iter().find(|it| it.line().contains("id=pip")).unwrap();
    assert!(build.env.contains(&"IMAGE_BUILD_PIP".to_owned()));
    assert!(checkout.stand_in("secret-pip").contains("https://me:hunter2@host/simple"));
    assert!(!checkout.read("target/xtask/logs/image-build-hello.log").contains("hunter2"));
    checkout.run(&["--set", "PIP_INDEX_URL=", "image-build"]).status(0).did_nothing();
}

#[test]
fn lost_log() {
    let mut checkout = Checkout::new();
    let stderr = "#9 [stage-0 3/9] RUN env-update\n#9 ERROR: no matching distribution nupmy\n";
    checkout.flaw(serde_json::json!({
        "on": "build/hello", "status": 1, "stdout": "on stdout\n", "stderr": stderr,
    }));
    let done = checkout.run(&["image-all"]).status(1).never_called("push");
    done.says("hello: image hello: `")
        .says("failed with status 1")
        .says("no matching distribution nupmy")
        .says("on stdout")
        .says("log: /root/target/xtask/logs/image-build-hello.log");
    let log = checkout.read("target/xtask/logs/image-build-hello.log");
    assert!(log.contains("nupmy") && log.contains("on stdout") && log.starts_with("$ "), "{log}");
}

#[test]
fn first_bad_stops() {
    let mut checkout = Checkout::new();
    checkout.mission("roman");
    checkout.fail("build/hello", 1, "no space left\n");
    let done = checkout.run(&["--json", "image-all", "hello", "roman"]).status(1);
    let done = done.called("build/roman").called("role=test").never_called("push");
    let rows = done.json()["images"].as_array().unwrap().clone();
    let action = |name: &str| rows.iter().find(|it| it["image"] == name).unwrap()["action"].clone();
    assert_eq!((action("hello"), action("roman")), ("failed".into(), "built, tested".into()));
}

#[test]
fn a_failure_that_missions_share() {
    let mut checkout = Checkout::new();
    checkout.mission("roman");
    checkout.fail("build/common", 1, "no space left\n");
    let done = checkout.run(&["--json", "image-all", "hello", "roman"]).status(1);
    let done = done.never_called("build/roman").says("no space left");
    let done = done.says("roman: not built: image common failed, see above");
    let calls = done.calls.iter().filter(|it| it.line().contains("build/common")).count();
    assert_eq!(calls, 1);
}

#[test]
fn the_first_failure_may_stop_everything() {
    let check = |jobs: &str, options: &[&str], roman: &str| {
        let mut checkout = Checkout::new();
        checkout.mission("roman");
        checkout.fail("build/hello", 1, "no space left\n");
        let words = ["--json", "image-all", "hello", "roman", "--jobs", jobs];
        let done = checkout.run(&[&words, options].concat()).status(1).never_called("push");
        let rows = done.json()["images"].clone();
        let names = rows.as_array().unwrap().iter().map(|it| it["image"].as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["rootfs", "base", "common", "hello", "roman"]);
        assert_eq!(rows[4]["action"], *roman);
    };
    check("1", &["--fail-fast"], "stopped");
    check("1", &[], "built, tested");
    check("4", &[], "built, tested");
}

#[test]
fn what_the_engine_lacks() {
    let check = |on: &str, said: &str, finding: &str| {
        let mut checkout = Checkout::new();
        checkout.fail(on, 1, said);
        let done = checkout.run(&["image-all"]).status(1);
        done.says(&format!("fix: see `{finding}` in `cargo xtask doctor`"));
    };
    check("build/hello", "#9 ERROR: write /layer: no space left on device\n", "disk");
    check("image push", "Cannot connect to the Docker daemon at unix:///run/x\n", "engine");
}

#[test]
fn a_pulled_base() {
    let mut checkout = Checkout::new();
    let digest = "b".repeat(64);
    let base = format!("quay.io/jupyter/base@sha256:{digest}");
    checkout.state("state.json", &format!(
        r#"{{"images":[],"containers":[],"clock":0,"registry":{{"{base}":{{"digest":"sha256:{digest}","config":"sha256:{}"}}}}}}"#,
        "c".repeat(64),
    ));
    checkout.env("BASE_IMAGE", &base);
    let done = checkout.run(&["image-build"]).status(0);
    done.called("pull").called("--build-arg BASE_IMAGE=quay.io/jupyter/base@sha256:…");
    checkout.run(&["image-build"]).status(0).did_nothing();
    checkout.env("BASE_IMAGE", &base.replace("bb", "dd"));
    checkout.run(&["image-build"]).status(1).says("not found");
}

/// Issue 10, defect 8: naming the digest of the base that was there built everything again.
#[test]
fn a_base_by_tag_and_then_by_digest() {
    let mut checkout = Checkout::new();
    let (tag, digest) = ("quay.io/jupyter/base:2026", format!("sha256:{}", "b".repeat(64)));
    checkout.state("state.json", &format!(
        r#"{{"images":[],"containers":[],"clock":0,"registry":{{"{tag}":{{"digest":"{digest}","config":"sha256:{}"}}}}}}"#,
        "c".repeat(64),
    ));
    checkout.env("BASE_IMAGE", tag);
    let done = checkout.run(&["image-build", "--floating"]).status(0);
    done.called(&format!("pull --platform linux/amd64 {tag}")).called("BASE_DIGEST=sha256:…");
    checkout.run(&["image-build", "--floating"]).status(0).did_nothing();
    let fix = format!("    fix: BASE_IMAGE={tag}@sha256:…\n");
    checkout.run(&["config"]).status(0).says(&fix);
    checkout.run(&["image-build"]).status(2).did_nothing().says(&fix);
    checkout.env("BASE_IMAGE", &format!("{tag}@{digest}"));
    checkout.run(&["image-build", "--floating"]).status(0).did_nothing();
    let done = checkout.run(&["--json", "explain", "--floating"]).status(0);
    assert_eq!(done.json()[0]["because"], "nothing changed");
    checkout.run(&["config"]).status(0).never_says("by digest");
    let done = checkout.run(&["image-build"]).status(0);
    done.called("build/hello").never_called("build/common");
}

/// An image built on this machine has no digest but its id.
#[test]
fn a_base_that_no_registry_has() {
    let mut checkout = Checkout::new();
    let id = format!("sha256:{}", "c".repeat(64));
    checkout.state("state.json", &format!(
        r#"{{"images":[{{"id":"{id}","tags":["mine:1"],"repo_digest":null,"labels":{{}},"created":0,"tests":[]}}],"containers":[],"clock":0,"registry":{{}}}}"#
    ));
    checkout.env("BASE_IMAGE", "mine:1");
    let done = checkout.run(&["image-build", "--floating"]).status(0).never_called("pull");
    let common = done.calls.iter().find(|it| it.line().contains("BASE_DIGEST=")).unwrap();
    assert!(common.line().contains(&format!("BASE_DIGEST={id}")));
    checkout.run(&["config"]).status(0).says("push it to a registry");
}

#[test]
fn images_are_named_after_what_they_are() {
    let checkout = Checkout::new();
    let done = checkout.run(&["--json", "image-build"]).status(0);
    let summary = done.json();
    let last = summary["images"].as_array().unwrap().last().unwrap().clone();
    let tag = last["tag"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let (inputs, id) = tag.split_once('-').unwrap();
    let images = checkout.knows()["images"].as_array().unwrap().clone();
    let is_it = |it: &&serde_json::Value| it["id"].as_str().unwrap().contains(id);
    let image = images.iter().find(is_it).unwrap();
    assert!(image["labels"]["science-platform.inputs"].as_str().unwrap().starts_with(inputs));
    let seconds = |it: &str| summary[it].as_f64().unwrap();
    let beside = seconds("own_seconds") + seconds("asking_seconds");
    assert!(seconds("asking_seconds") > 0.0, "{summary}");
    assert!(seconds("seconds") - beside > 0.001, "its builds count for nothing: {summary}");
}

#[test]
fn only_the_base() {
    let checkout = Checkout::new();
    let done = checkout.run(&["image-base"]).status(0);
    done.called("import").called("build/base").never_called("build/common");
}

#[test]
fn refresh_builds_missions_anew() {
    let checkout = Checkout::new();
    checkout.run(&["image-build", "--floating"]).status(0);
    let done = checkout.run(&["image-build", "--floating", "--refresh"]).status(0);
    done.called("--no-cache").never_called("build/common").called("env-export");
}
