//! `image-exec`, `image-sh` and `image-lab`.

use crate::checkout::Checkout;

fn built() -> Checkout {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout
}

#[test]
fn words_split() {
    let checkout = built();
    let args = ["a b", "it's", "", "$HOME", "-c", "--frozen", "\"", "*"];
    let done = checkout.run(&[&["image-exec", "python"], args.as_slice()].concat()).status(0);
    let run = done.calls.iter().find(|it| it.argv[1] == "run").unwrap();
    assert!(run.argv.ends_with(&args.map(str::to_owned)), "{:?}", run.argv);
    let lines: Vec<String> = args.iter().map(|it| format!("<{it}>")).collect();
    assert_eq!(done.stdout, format!("<python>\n{}\n", lines.join("\n")));
}

#[test]
fn the_status_is_the_commands() {
    let checkout = built();
    for status in [0, 1, 2, 3, 42, 130, 255] {
        checkout.run(&["image-exec", "exit", &status.to_string()]).status(status);
    }
}

#[test]
fn no_terminal_without_a_person() {
    let done = built().run(&["image-sh"]).status(0);
    done.called("--interactive").called("bash -l").never_called("--tty");
}

#[test]
fn a_container_leaves_with_its_command() {
    let checkout = built();
    checkout.run(&["image-exec", "exit", "1"]).status(1).called("rm --force --volumes …");
    assert_eq!(checkout.knows()["containers"], serde_json::json!([]));
}

#[test]
fn of_a_mission_that_is_not_built() {
    let checkout = Checkout::new();
    checkout.mission("roman");
    // As for `image-test`.
    for task in [
        &["image-exec", "--mission", "roman", "true"][..],
        &["image-lab", "roman"],
        &["image-sh", "roman"],
    ] {
        let done = checkout.run(task).status(1).did_nothing();
        done.says("not built (no image yet); run `cargo xtask image-build");
    }
    let done = checkout.run(&["hub-up", "--detach"]).status(1).did_nothing();
    done.says("no mission has a tested image; run `cargo xtask image-all hello`");
    let done = checkout.run(&["hub-up", "roman", "--detach"]).status(1).did_nothing();
    done.says("not built (no image yet)");
}

#[test]
fn dry() {
    let done = built().run(&["-n", "image-exec", "echo", "a b"]).status(0).did_nothing();
    assert!(done.stdout.ends_with(" echo 'a b'\n"), "{}", done.stdout);
}

#[test]
fn a_lab_on_a_port_of_docker_s_choice() {
    let checkout = built();
    let done = checkout.run(&["--dry-run", "image-lab"]).status(0).did_nothing();
    for part in [
        "JUPYTER_TOKEN=… ",
        " --publish 127.0.0.1::8888 --env JUPYTER_TOKEN ",
        " --volume science-platform-home-hello:/home/jovyan ",
    ] {
        assert!(done.stdout.contains(part), "{}", done.stdout);
    }
    checkout.run(&["image-lab", "--home", "no-such-folder"]).status(2).says("no-such-folder");
}

#[test]
fn the_working_tree_in_place_of_the_image_s() {
    let checkout = built();
    // Another image would be built from this; `--dev` uses the existing one.
    checkout.file("missions/hello/environments/hello/tests/imports", "numpy\nscipy\n");
    checkout.run(&["image-exec", "true"]).status(1).says("not built");
    for task in
        [&["image-exec", "--dev", "true"][..], &["image-sh", "--dev"], &["image-lab", "--dev"]]
    {
        let done = checkout.run(&[&["--dry-run"], task].concat()).status(0).did_nothing();
        for part in [
            "/missions/hello/environments,target=/opt/environments ",
            "/common/image/common-scripts,target=/opt/common-scripts,readonly ",
        ] {
            assert!(done.stdout.contains(part), "{}", done.stdout);
        }
    }
}
