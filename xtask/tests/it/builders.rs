//! Other builders than the engine's own, and layers that builds store elsewhere.

use serde_json::json;

use crate::checkout::Checkout;

/// Settings of a builder that has none of the engine's images.
const SEPARATE: [&str; 2] = ["--set", "BUILDER=layers"];

/// A registry that no test asks, and that is not on another machine.
const REGISTRY: [&str; 2] = ["--set", "REGISTRY=127.0.0.1:1/org"];

#[track_caller]
fn line(done: &crate::run::Done, image: &str) -> String {
    let of_image = |it: &&String| {
        it.starts_with("buildx build ") && it.ends_with(&format!("/target/xtask/build/{image}"))
    };
    done.lines.iter().find(of_image).expect("the image was built").clone()
}

#[test]
fn a_separate_builder_gets_the_image_below() {
    let checkout = Checkout::new();
    let done = checkout.run(&[&SEPARATE[..], &["image-all"]].concat()).status(0);
    for image in ["base", "common", "hello"] {
        let line = line(&done, image);
        assert!(line.starts_with("buildx build --builder layers --load "), "{line}");
        let parent = format!(
            " --build-context science-platform/parent=oci-layout://target/xtask/build/{image}.parent@sha256:"
        );
        assert!(line.contains(&parent), "{line}");
        assert!(line.contains("=science-platform/parent "), "{line}");
        assert!(!checkout.has(&format!("target/xtask/build/{image}.parent")));
    }
    checkout.run(&[&SEPARATE[..], &["image-all"]].concat()).status(0).did_nothing();
    // Neither BUILDX_BUILDER nor the setting changes what an image is.
    let mut checkout = checkout;
    checkout.env("BUILDX_BUILDER", "far");
    checkout.run(&["image-all"]).status(0).did_nothing();
    checkout.run(&["-n", "image-all", "--refresh"]).status(0);
}

#[test]
fn a_dry_run_prints_how_the_builder_gets_the_image_below() {
    let checkout = Checkout::new();
    let done = checkout.run(&[&SEPARATE[..], &["-n", "image-build"]].concat()).status(0);
    let done = done.did_nothing();
    for part in [
        "docker image save '<image-id>' | tar --extract --no-same-owner --directory ",
        "--build-context 'science-platform/parent=oci-layout://target/xtask/build/hello.parent@<digest>'",
    ] {
        assert!(done.stdout.contains(part), "no `{part}` in:\n{}", done.stdout);
    }
}

#[test]
fn a_failed_save_leaves_nothing() {
    let mut checkout = Checkout::new();
    checkout.fail("image save", 1, "no space left on device\n");
    let done = checkout.run(&[&SEPARATE[..], &["image-build"]].concat()).status(1);
    done.says("no space left on device").says("see `disk`").never_called("buildx build");
    assert!(!checkout.has("target/xtask/build/base.parent"));
}

#[test]
fn builders_that_cannot_build() {
    let checkout = Checkout::new();
    for (builder, says) in [
        (
            "fast",
            "BUILDER=fast: docker does not have a builder of this name; expected one of default, layers, far, other\n    fix: `docker buildx create --name fast",
        ),
        ("far", "BUILDER=far: tcp://far:1234 does not answer\n    fix: start BuildKit there"),
        (
            "other",
            "another context\n    fix: leave BUILDER empty, and choose that engine by DOCKER_CONTEXT=other",
        ),
    ] {
        let set = format!("BUILDER={builder}");
        let done = checkout.run(&["--set", &set, "image-all"]).status(3).did_nothing();
        done.says(says);
        let done = checkout.run(&["--json", "--set", &set, "doctor", "--offline"]).status(3);
        assert_eq!(done.json()[0]["name"], "builder");
    }
    checkout
        .run(&["--set", "BUILDER=--load", "image-all"])
        .status(2)
        .did_nothing()
        .says("`docker buildx ls` lists it");
    checkout.run(&["--set", "BUILDER=default", "image-build"]).status(0).never_called("image save");
    let checkout = Checkout::new();
    checkout.docker("bin", "built-in");
    let done = checkout.run(&[&SEPARATE[..], &["image-all"]].concat()).status(3).did_nothing();
    done.says("does not have the buildx plugin").says("install the buildx plugin");
}

/// A failure of buildx is not a name that it does not know.
#[test]
fn a_builder_that_buildx_cannot_describe() {
    let mut checkout = Checkout::new();
    let denied = "ERROR: open /home/ann/.docker/buildx/instances/layers: permission denied\n";
    checkout.fail("buildx inspect layers", 1, denied);
    for task in ["image-build", "explain"] {
        let done = checkout.run(&[&SEPARATE[..], &[task]].concat()).status(3).did_nothing();
        done.says("BUILDER=layers: `docker buildx inspect layers` failed: ERROR: open")
            .says("fix: correct what docker names")
            .never_says("does not have a builder");
    }
}

/// What ends a build before its first step ends `explain` after its table, which promises no layers then.
#[test]
fn explain_says_what_a_build_would_say() {
    let checkout = Checkout::new();
    for (set, says) in [
        (["BUILDER=fast", "BUILD_CACHE=inline"], "BUILDER=fast: docker does not have a builder"),
        (["BUILDER=layers", "BUILD_CACHE=gha"], "ACTIONS_RUNTIME_TOKEN is not set"),
        (["BUILDER=", "BUILD_CACHE=registry"], "does not store layers elsewhere"),
    ] {
        let set = ["--set", set[0], "--set", set[1]];
        for task in ["explain", "image-build"] {
            let done = checkout.run(&[&REGISTRY[..], &set, &[task]].concat()).status(3);
            let done = done.did_nothing().says(says);
            assert!(!done.stdout.contains("layers from"), "{}", done.stdout);
            assert_eq!(done.stdout.contains("no image yet"), task == "explain");
        }
    }
    checkout.run(&["image-build"]).status(0);
    checkout.run(&["--set", "BUILDER=fast", "explain"]).status(0).did_nothing();
}

#[test]
fn layers_of_all_stages_in_the_registry() {
    let checkout = Checkout::new();
    let build = |more: &[&str]| {
        let set = ["--set", "BUILD_CACHE=registry", "image-build", "--refresh"];
        checkout.run(&[&REGISTRY[..], &SEPARATE, more, &set].concat())
    };
    let done = build(&["--set", "PULL_REQUEST=5"]).status(0);
    for image in ["base", "common"] {
        let line = line(&done, image);
        assert!(
            line.contains(&format!(
                " --cache-from type=registry,ref=127.0.0.1:<port>/org/{image}:buildcache "
            )),
            "{line}"
        );
    }
    assert!(!line(&done, "common").contains("INLINE"));
    // Not asked for, and not by a pull request's job.
    assert!(line(&done, "hello").contains("--no-cache"));
    let done = done.never_called("hello:buildcache").never_called("--cache-to");
    drop(done);
    let done = build(&["--set", "REUSE=never"]).status(0).never_called("--cache-from");
    let to = " --cache-to type=registry,ref=127.0.0.1:<port>/org/hello:buildcache,mode=max,image-manifest=true,ignore-error=true ";
    assert!(line(&done, "hello").contains(to), "{}", line(&done, "hello"));
    // The registry on this machine has no other layers than the builder.
    let set = ["--set", "BUILD_CACHE=registry", "image-build", "--refresh"];
    checkout.run(&[&SEPARATE[..], &set].concat()).status(0).never_called("--cache-");
}

#[test]
fn the_engine_s_builder_stores_no_layers_elsewhere() {
    let checkout = Checkout::new();
    let done =
        checkout.run(&[&REGISTRY[..], &["--set", "BUILD_CACHE=registry", "image-all"]].concat());
    let done = done.status(3).did_nothing();
    done.says("BUILD_CACHE=registry: the engine's own builder does not store layers elsewhere")
        .says("fix: `docker buildx create --name layers --driver docker-container` and BUILDER=layers");
    checkout
        .run(&["--set", "BUILD_CACHE=s3", "image-all"])
        .status(2)
        .says("expected inline, registry, gha or none");
    // The commands of buildx do not help a CLI that lacks it.
    let checkout = Checkout::new();
    checkout.docker("bin", "built-in");
    let done = checkout.run(&["--set", "BUILD_CACHE=gha", "image-all"]).status(3).did_nothing();
    done.says("install the buildx plugin").never_says("docker buildx create");
}

#[test]
fn the_cache_of_github_actions() {
    let mut checkout = Checkout::new();
    let args = [&SEPARATE[..], &["--set", "BUILD_CACHE=gha", "image-build"]].concat();
    let done = checkout.run(&args).status(3).did_nothing();
    done.says("BUILD_CACHE=gha: ACTIONS_RUNTIME_TOKEN is not set").says("docs/ci.md");
    checkout.env("ACTIONS_RUNTIME_TOKEN", "t0ken-of-this-job");
    checkout.run(&args).status(3).did_nothing().says("ACTIONS_RESULTS_URL is not set");
    checkout.env("ACTIONS_RESULTS_URL", "https://cache.example.org/");
    let done = checkout.run(&args).status(0);
    done.says(
        "warning: hello: its layers were not stored for other builds: buildx left the store out",
    );
    checkout.env("ACTIONS_CACHE_URL", "https://cache.example.org/");
    checkout.file("missions/hello/environments/hello/kernel.name", "Another\n");
    let said =
        "#8 exporting cache to GitHub Actions Cache\n#8 ERROR: t0ken-of-this-job is refused\n";
    checkout.flaw(json!({ "on": "--cache-to type=gha,scope=hello,", "stderr": said }));
    let done = checkout.run(&args).status(0).never_says("t0ken");
    let done = done
        .says("warning: hello: its layers were not stored for other builds: ")
        .says(" is refused");
    let line = line(&done, "hello");
    assert!(line.contains(" --cache-from type=gha,scope=hello --cache-to type=gha,scope=hello,mode=max,ignore-error=true "), "{line}");
    assert!(!checkout.stand_in("calls").contains("t0ken"));
    assert!(!checkout.read("target/xtask/logs/image-build-hello.log").contains("t0ken"));
}

#[test]
fn explain_says_where_layers_come_from() {
    let checkout = Checkout::new();
    let args = [&REGISTRY[..], &SEPARATE, &["--set", "BUILD_CACHE=registry", "explain"]].concat();
    let done = checkout.run(&args).status(0).did_nothing();
    let row = "no image yet; layers from 127.0.0.1:<port>/org/hello:buildcache";
    assert!(done.stdout.contains(row), "{}", done.stdout);
}
