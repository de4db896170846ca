//! Instructions that authors may not write, and the messages about them.

use expect_test::expect;

use super::{super::shell, HELLO, START, check};

#[test]
fn refusals_say_where_and_what_instead() {
    let custom = "FROM debian AS specs\nRUN <<EOF\nFROM nowhere\nEOF\nRUM x\nCOPY --link a b\nRUN --network=none a\n\
        RUN echo \\\n";
    check(
        custom,
        &[],
        expect![[r#"
        missions/m/Dockerfile.custom:2: dockerfile: the builder of docker 20.10 does not know here-documents (`<<EOF`)
            fix: put the text into a file and COPY it, or join the commands with `&& \`
        missions/m/Dockerfile.custom:5: dockerfile: unknown instruction `RUM`
            fix: a line that goes on needs a `\` at its end; a comment, a `#` before it
        missions/m/Dockerfile.custom:6: dockerfile: the builder of docker 20.10 does not know COPY --link
            fix: remove the flag
        missions/m/Dockerfile.custom:7: dockerfile: the builder of docker 20.10 does not know RUN --network and --security
            fix: remove the flag; BUILD_NETWORK in setup-env chooses the network of build steps
        missions/m/Dockerfile.custom:8: dockerfile: the last line ends in a continuation, and nothing follows
            fix: remove what continues the line at its end
    "#]],
    );
    let custom = "# syntax=docker/dockerfile:1\nARG BASE_IMAGE\nFROM debian AS specs\nUSER root\n\
        COPY --from=0 a b\nRUN --mount=type=bind,from=0,target=/x a\nENV USE_FROZEN=1\n";
    check(
        custom,
        &[],
        expect![[r#"
        missions/m/Dockerfile.custom:1: dockerfile: `# syntax=` makes every build pull a frontend from a registry
            fix: remove the line; the builders' own frontends serve
    "#]],
    );
    check(
        custom.split_once('\n').unwrap().1,
        &[],
        expect![[r#"
        missions/m/Dockerfile.custom:2: dockerfile: the last FROM is `debian`, not the common image
            fix: write `FROM ${BASE_IMAGE}` there
        missions/m/Dockerfile.custom:2: dockerfile: the stage name `specs` is one of the generated file's own
            fix: choose another name
        missions/m/Dockerfile.custom:4: dockerfile: a stage is named by its number, which generated stages change
            fix: write `FROM … AS name`, and the name here
        missions/m/Dockerfile.custom:5: dockerfile: a stage is named by its number, which generated stages change
            fix: write `FROM … AS name`, and the name here
        missions/m/Dockerfile.custom:6: dockerfile: ENV USE_FROZEN would stay in the image, where a user's own env-update skips
            fix: remove it; the generated file declares it as ARG
    "#]],
    );
    check(
        "RUN a\nFROM ${BASE_IMAGE}\n",
        &[],
        expect![[r#"
        missions/m/Dockerfile.custom:1: dockerfile: RUN stands before the first FROM
            fix: only ARG may; start with `FROM ${BASE_IMAGE}`
        missions/m/Dockerfile.custom:2: dockerfile: BASE_IMAGE is not declared before the first FROM
            fix: write `ARG BASE_IMAGE=science-platform/common:latest` above it
    "#]],
    );
}

#[test]
fn refusals_of_environment_steps() {
    let custom = format!(
        "{START}RUN a \\\n  && env-create hello hello.yml\nRUN env-update hello $LIST\nRUN env-create\n\
        RUN env-create other && env-update hello gone.pip hello-frozen.yml\n\
        ONBUILD RUN env-update hello hello.pip\nRUN echo 'a\nRUN env-update base /opt/environments/hello/hello.pip\n"
    );
    let files = [HELLO, &[("hello/wh$t.pip", "")]].concat();
    check(
        &custom,
        &files,
        expect![[r#"
            missions/m/Dockerfile.custom:5: dockerfile: `$LIST` is known only to the shell, not to the generator
                fix: write the environment and its spec files literally
            missions/m/Dockerfile.custom:6: dockerfile: `env-create` needs an environment
                fix: write its name after it
            missions/m/Dockerfile.custom:7: dockerfile: `hello-frozen.yml` is the frozen spec
                fix: name the floating spec, or none; USE_FROZEN=1 takes the frozen one instead
            missions/m/Dockerfile.custom:7: dockerfile: missing missions/m/environments/hello/gone.pip
                fix: write the file, or correct its name here
            missions/m/Dockerfile.custom:7: dockerfile: unknown environment `other`
                fix: make the folder missions/m/environments/other, with its tests
            missions/m/Dockerfile.custom:8: dockerfile: an environment script runs ONBUILD, where no spec files are
                fix: call it in a RUN of the image that it is for
            missions/m/environments/hello/hello.pip: dockerfile: `base` is updated in both modes, and this file is in one
                fix: move it to base/
            missions/m/environments/hello/wh$t.pip: file-name: the name has `$`, to which shells and COPY give a meaning
                fix: rename it; letters, digits, `.`, `_`, `-`, `+`, `@`, `=` and `,` are fine
        "#]],
    );
    let files = [("hello/hello.yml", ""), ("hello/hello.pip", "a\n-r gone.txt\n-r ../../../x\n")];
    check(
        &format!("{START}RUN env-update hello hello.pip\n"),
        &files,
        expect![[r#"
        missions/m/environments/hello/hello.pip:2: dockerfile: includes `gone.txt`, which is not a file below environments/
            fix: write its path relative to this file
        missions/m/environments/hello/hello.pip:3: dockerfile: includes `../../../x`, which is not a file below environments/
            fix: write its path relative to this file
    "#]],
    );
}

#[test]
fn here_documents_and_lookalikes() {
    for (text, expected) in [
        ("cat <<EOF", Some("EOF")),
        ("cat 3<<-'E' > x", Some("E")),
        ("cat <<< x && echo 'a <<EOF' $((1<<2))", None),
        ("a<<b", None),
    ] {
        assert_eq!(shell::heredoc(text).as_deref(), expected, "{text}");
    }
}
