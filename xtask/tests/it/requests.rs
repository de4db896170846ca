//! Status 2: the request or a file is wrong, and nothing was started.

use expect_test::expect;

use crate::checkout::Checkout;

#[test]
fn wrong_directory() {
    let checkout = Checkout::new();
    checkout.remove("setup-env.template");
    checkout.run(&["image-all"]).status(2).says("not inside a deployment checkout").did_nothing();
}

/// Runs start below the root of the checkout; docker is called at the root.
#[test]
fn wrong_directory_of_commands() {
    let checkout = Checkout::new();
    let done = checkout.run(&["image-all"]).status(0);
    assert!(done.calls.iter().all(|it| it.dir == checkout.root().canonicalize().unwrap()));
}

#[test]
fn string_flag() {
    let checkout = Checkout::new();
    let done = checkout.run(&["--set", "USE_FROZEN=yes", "image-build"]).status(2);
    done.says("USE_FROZEN=yes (--set): expected 0 (floating) or 1 (frozen)").did_nothing();
    checkout.file("setup-env", "# mine\nexport USE_FROZEN=true\n");
    let done = checkout.run(&["config"]).status(2);
    done.says("USE_FROZEN=true (setup-env:2): expected 0 (floating) or 1 (frozen)").did_nothing();
}

#[test]
fn string_flag_of_the_environment() {
    let mut checkout = Checkout::new();
    checkout.env("USE_FROZEN", "no");
    checkout.run(&["image-build"]).status(2).says("USE_FROZEN=no (the environment)").did_nothing();
}

#[test]
fn typo_lets_pass() {
    let checkout = Checkout::new();
    checkout.file("setup-env", "export USE_FROZN=0\n");
    let done = checkout.run(&["config"]).status(0);
    done.says("setup-env:1: `USE_FROZN` is not a setting; did you mean `USE_FROZEN`?");
    let done = checkout.run(&["--set", "REGISTY=x", "config"]).status(2);
    done.says("--set REGISTY: unknown setting; did you mean `REGISTRY`?");
}

#[test]
fn unknown_missions() {
    let checkout = Checkout::new();
    let done = checkout.run(&["image-all", "helo"]).status(2);
    done.says("no mission `helo` under missions/; did you mean `hello`?").did_nothing();
    let done = checkout.run(&["image-all", "another"]).status(2);
    done.says("no mission `another` under missions/; there are: hello").did_nothing();
}

/// Names that a shell, docker or a path would read differently.
#[test]
fn strange_names() {
    let checkout = Checkout::new();
    for name in
        ["../hello", "he llo", "$HOME", "'", "h\u{e9}llo", "/etc", "", "hello/../hello", "a\nb"]
    {
        for task in
            ["image-update", "image-build", "image-test", "image-push", "explain", "image-sh"]
        {
            checkout.run(&[task, name]).status(2).says("no mission").did_nothing();
        }
        checkout.run(&["diff", name]).status(2).did_nothing();
        checkout.run(&["freeze", name]).status(2).did_nothing();
        checkout.run(&["check", name]).status(2).did_nothing();
    }
    checkout.run(&["image-build", "-x"]).status(2).did_nothing();
}

#[test]
fn a_frozen_spec_that_is_binary() {
    let checkout = Checkout::new();
    let path = "missions/hello/environments/hello/hello-frozen.yml";
    checkout.file(path, "# frozen: 1\n\0\n");
    for args in [&["why", "numpy"][..], &["diff", "hello", "--since", "HEAD"], &["image-build"]] {
        checkout.run(args).status(2).did_nothing();
    }
    checkout.run(&["why", "numpy"]).status(2).says(&format!("{path}:2: text-file"));
    checkout.run(&["image-build"]).status(2).says(&format!("{path}:2: text-file"));
    checkout.run(&["freeze", "--check"]).status(1).did_nothing();
}

#[test]
fn unknown_tasks() {
    let done = Checkout::new().run(&["image-al"]).status(2);
    done.says("'image-all'").did_nothing();
}

#[test]
fn spec_never_installed() {
    let checkout = Checkout::new();
    checkout.file("missions/hello/environments/hello/cvt.pip", "astropy\n");
    let done = checkout.run(&["image-all"]).status(2).did_nothing();
    done.says("missions/hello/environments/hello/cvt.pip: spec-never-installed");
}

#[test]
fn nothing_tested() {
    let checkout = Checkout::new();
    checkout.remove("missions/hello/environments/hello/tests/imports");
    checkout.remove("missions/hello/environments/hello/tests/plot.ipynb");
    let done = checkout.run(&["image-build"]).status(2).did_nothing();
    done.says("nothing-tested: no tests for this environment").says("tests/imports");
    checkout.file("missions/hello/environments/hello/tests/imports", "# none yet\n");
    let done = checkout.run(&["image-build"]).status(2).did_nothing();
    done.says("tests/imports: nothing-tested: the list is empty");
}

#[test]
fn one_refused_mission_stops_all() {
    let checkout = Checkout::new();
    checkout.mission("roman");
    checkout.file("missions/roman/environments/roman/cvt.pip", "astropy\n");
    checkout.run(&["image-all", "--all"]).status(2).says("roman cannot be built:").did_nothing();
}

#[test]
fn shell_code_in_setup_env() {
    let checkout = Checkout::new();
    checkout.file("setup-env", "export IMAGE_TAG=$(date)\n");
    checkout.run(&["image-all"]).status(2).says("setup-env:1").did_nothing();
}

#[test]
fn frozen_floats() {
    let checkout = Checkout::new();
    let base = "BASE_IMAGE=quay.io/jupyter/scipy-notebook:latest";
    for task in ["image-build", "image-all", "freeze --verify"] {
        let args = [&["--set", base], task.split(' ').collect::<Vec<_>>().as_slice()].concat();
        let done = checkout.run(&args).status(2).did_nothing();
        let done = done.says("a frozen build needs the base").says(&format!("{base} (--set)"));
        done.says("docker pull quay.io/jupyter/scipy-notebook:latest");
    }
    let done = checkout.run(&["--set", "DEBIAN_IMAGE=debian:trixie-slim", "image-all"]).status(2);
    done.says("DEBIAN_IMAGE=debian:trixie-slim (--set): a frozen build needs").did_nothing();
    let done = checkout.run(&["--set", "BASE_IMAGE=a@sha256:12", "config"]).status(2);
    done.says("expected a digest after `@`");
    let done = checkout.run(&["-n", "--set", base, "image-build"]).status(0).did_nothing();
    let done = done.says("warning: BASE_IMAGE=").says("a frozen build needs the base by digest");
    assert!(done.stdout.contains("science-platform.inputs=<inputs>"), "{}", done.stdout);
    assert!(done.stdout.contains("BASE_DIGEST=<digest>"), "{}", done.stdout);
}

/// Issue 10, defect 8: tasks that build nothing were refused, too.
#[test]
fn a_base_by_tag_refuses_builds_only() {
    for setting in ["BASE_IMAGE=quay.io/jupyter/base:2026", "DEBIAN_IMAGE=debian:trixie-slim"] {
        let mut checkout = Checkout::new();
        checkout.git();
        checkout.run(&["image-update"]).status(0);
        for task in ["config", "list", "check --no-freeze", "explain", "why python"] {
            let args: Vec<&str> = task.split(' ').collect();
            checkout.run(&[&["--set", setting], args.as_slice()].concat()).did_nothing().status(0);
        }
        let done = checkout.run(&["--set", setting, "explain"]).status(0);
        done.says("a frozen build needs the base by digest");
        for task in [
            "freeze --check",
            "diff hello",
            "when python",
            "report",
            "image-test",
            "image-exec true",
        ] {
            let args: Vec<&str> = task.split(' ').collect();
            let done = checkout.run(&[&["--set", setting], args.as_slice()].concat());
            done.did_nothing().never_says("by digest");
        }
        // Without an engine, and without docker.
        checkout.fail("image inspect", 1, "Cannot connect to the Docker daemon");
        let done = checkout.run(&["--set", setting, "config"]).status(0);
        done.says("docker image inspect --format '{{index .RepoDigests 0}}' ");
        checkout.path(&["tools"]);
        checkout.run(&["--set", setting, "config"]).status(0).says("    fix: add the digest");
    }
}

/// The second index, a proxy without a scheme, and a refused value were printed whole.
#[test]
fn no_password_is_printed() {
    let mut checkout = Checkout::new();
    let indexes = "https://a:s3cret@x.example.org/simple https://b:s3cret@y.example.org/simple";
    checkout.env("PIP_EXTRA_INDEX_URL", indexes);
    checkout.env("HTTP_PROXY", "me:s3cret@proxy:3128");
    checkout.env("CONDA_CHANNEL_ALIAS", "https://conda.example.org/t/s3cret");
    let done = checkout.run(&["config"]).status(0).never_says("s3cret");
    assert!(!done.stdout.contains("s3cret"), "{}", done.stdout);
    assert!(done.stdout.contains("https://…@x.example.org/simple https://…@y.example.org/simple"));
    assert!(done.stdout.contains("…@proxy:3128") && done.stdout.contains("/t/…"));
    let registry = "REGISTRY=https://me:s3cret@quay.io";
    checkout.run(&["--set", registry, "config"]).status(2).never_says("s3cret");
    checkout.run(&["--set", &registry.replace('=', ":"), "config"]).status(2).never_says("s3cret");
    checkout.file("setup-env", &format!("export REGISTRY=$(x) {}\n", registry));
    checkout.run(&["config"]).status(2).says("setup-env:1").never_says("s3cret");
}

#[test]
fn settings_and_where_they_come_from() {
    let mut checkout = Checkout::new();
    checkout.mission("roman");
    checkout.file("setup-env", "export REGISTRY=quay.io/$DEPLOYMENT_NAME\n");
    checkout.env("HTTPS_PROXY", "http://me:secret@proxy:3128");
    let done = checkout.run(&["--json", "--set", "PLATFORM=linux/arm64", "config", "--all"]);
    let settings = done.status(0).json();
    let setting = |name: &str| {
        let it = &settings["roman"][name];
        format!("{} from {}", it["value"].as_str().unwrap(), it["origin"].as_str().unwrap())
    };
    let names = ["REGISTRY", "PLATFORM", "HTTPS_PROXY", "DEPLOYMENT_NAME"];
    let text: Vec<String> = names.iter().map(|it| setting(it)).collect();
    expect![[r#"
        quay.io/roman from setup-env:1
        linux/arm64 from --set
        http://…@proxy:3128 from the environment
        roman from the command line"#]]
    .assert_eq(&text.join("\n"));
    assert_eq!(settings["hello"]["REGISTRY"]["value"], "quay.io/hello");
}

#[test]
fn missions_and_their_environments() {
    let checkout = Checkout::new();
    checkout.mission("roman");
    let done = checkout.run(&["--json", "list"]).status(0);
    assert_eq!(done.json(), serde_json::json!({ "hello": ["hello"], "roman": ["roman"] }));
    checkout.run(&["list"]).status(0).printed(&expect![[r#"
        MISSION  ENVIRONMENTS
        hello    hello
        roman    roman
    "#]]);
}

/// Nothing was given: the origin is not the command line.
#[test]
fn the_origin_of_the_default_mission() {
    let checkout = Checkout::new();
    let origin = |args: &[&str]| {
        let done = checkout.run(&[&["config", "--json"], args].concat()).status(0);
        let settings = done.json().as_object().unwrap().values().next().unwrap().clone();
        settings["DEPLOYMENT_NAME"]["origin"].as_str().unwrap().to_owned()
    };
    assert!(origin(&[]).starts_with("setup-env.template:"), "{}", origin(&[]));
    checkout.mission("roman");
    assert_eq!(origin(&["roman"]), "the command line");
}
