//! The generated form of an author's RUN.

use expect_test::{Expect, expect};

use super::{HELLO, START, check, generated};

/// Checks the generated form of `run` after a FROM of the common image, as root.
#[track_caller]
fn check_run(run: &str, expect: Expect) {
    check(&format!("{START}USER root\n{run}"), HELLO, expect);
}

#[test]
fn flags_come_right_after_the_word_and_nothing_else_changes() {
    check_run(
        "run\techo  a\n",
        expect![[r#"
        FROM ${BASE_IMAGE}
        ARG <build arguments>
        USER root
        run <ca> <pip> <uv> <condarc> <sources> <uv-0> <pip-0> <conda-0> <apt-0>
            echo  a
    "#]],
    );
    check_run(
        "  RUN \\\n  # why\n\n    echo a && \\\n# how\n  echo b\n",
        expect![[r#"
        FROM ${BASE_IMAGE}
        ARG <build arguments>
        USER root
          RUN <ca> <pip> <uv> <condarc> <sources> <uv-0> <pip-0> <conda-0> <apt-0>
          # why

            echo a && \
        # how
          echo b
    "#]],
    );
    check_run(
        "RUN\\\n  echo a\n",
        expect![[r#"
        FROM ${BASE_IMAGE}
        ARG <build arguments>
        USER root
        RUN <ca> <pip> <uv> <condarc> <sources> <uv-0> <pip-0> <conda-0> <apt-0>
          echo a
    "#]],
    );
    check_run(
        "RUN [\"echo\", \"a b\"]\n",
        expect![[r#"
        FROM ${BASE_IMAGE}
        ARG <build arguments>
        USER root
        RUN <ca> <pip> <uv> <condarc> <sources> <uv-0> <pip-0> <conda-0> <apt-0>
            ["echo", "a b"]
    "#]],
    );
    check_run(
        "onbuild \\\n  run echo a\n",
        expect![[r#"
        FROM ${BASE_IMAGE}
        ARG <build arguments>
        USER root
        onbuild \
          run <ca> <pip> <uv> <condarc> <sources> <uv-0> <pip-0> <conda-0> <apt-0>
            echo a
    "#]],
    );
    check_run(
        "SHELL [\"sh\", \"-c\"]\nRUN echo a",
        expect![[r#"
        FROM ${BASE_IMAGE}
        ARG <build arguments>
        USER root
        SHELL ["sh", "-c"]
        RUN <ca> <pip> <uv> <condarc> <sources> <uv-0> <pip-0> <conda-0> <apt-0>
            echo a
    "#]],
    );
    check_run(
        "# RUN env-update hello $X \\\n#   and more\nRUN echo a\n",
        expect![[r#"
        FROM ${BASE_IMAGE}
        ARG <build arguments>
        USER root
        # RUN env-update hello $X \
        #   and more
        RUN <ca> <pip> <uv> <condarc> <sources> <uv-0> <pip-0> <conda-0> <apt-0>
            echo a
    "#]],
    );
    check_run(
        "LABEL a=\"RUN x\" \\\n  RUN=y\n",
        expect![[r#"
        FROM ${BASE_IMAGE}
        USER root
        LABEL a="RUN x" \
          RUN=y
    "#]],
    );
}

#[test]
fn caches_are_those_of_the_user() {
    for user in
        ["root", "0", "0:0", "jovyan", "1000:100", "$NB_UID", "${NB_USER}:users", "4321", "$X"]
    {
        let text = generated(&format!("{START}USER {user}\nRUN a\n"), &[]);
        let caches = text.lines().find(|it| it.contains("<ca>")).unwrap();
        let caches = caches.split_once("<sources>").unwrap().1.trim();
        let expected = match user {
            "root" | "0" | "0:0" => "<uv-0> <pip-0> <conda-0> <apt-0>",
            "4321" | "$X" => "",
            _ => "<uv-1000> <pip-1000> <conda-1000>",
        };
        assert_eq!(caches, expected, "{user}");
    }
}

#[test]
fn each_stage_has_its_user_and_its_arguments() {
    let custom = "ARG BASE_IMAGE=c\nFROM debian AS Builder\nRUN a\nUSER 1000\n\
        FROM builder AS next\nRUN b\nFROM scratch AS data\nCOPY x /\nFROM $BASE_IMAGE\nCOPY --from=data / /\nRUN c\n";
    check(
        custom,
        HELLO,
        expect![[r#"
            FROM ${BASE_IMAGE} AS image-build

            FROM debian AS Builder
            COPY --from=image-build /etc/image-build/ /etc/image-build/
            ARG <build arguments>
            RUN <ca> <pip> <uv> <condarc> <sources> <uv-0> <pip-0> <conda-0> <apt-0>
                a
            USER 1000
            FROM builder AS next
            COPY --from=image-build /etc/image-build/ /etc/image-build/
            ARG <build arguments>
            RUN <ca> <pip> <uv> <condarc> <sources> <uv-1000> <pip-1000> <conda-1000>
                b
            FROM scratch AS data
            COPY x /
            FROM $BASE_IMAGE
            ARG <build arguments>
            COPY --from=data / /
            RUN <ca> <pip> <uv> <condarc> <sources> <uv-1000> <pip-1000> <conda-1000>
                c
        "#]],
    );
}

#[test]
fn an_authors_mounts_are_the_authors() {
    check_run(
        "RUN --mount=type=cache,target=/var/cache/apt/ --mount=type=secret,id=pip,dst=/etc/image-build/pip.conf a\n",
        expect![[r#"
            FROM ${BASE_IMAGE}
            ARG <build arguments>
            USER root
            RUN <ca> <uv> <condarc> <sources> <uv-0> <pip-0> <conda-0> <target=/var/cache/apt/>
        "#]],
    );
}

#[test]
fn a_removed_cache_is_not_mounted() {
    for (run, left) in [
        ("apt-get install x && rm -rf /var/lib/apt/lists/*", "<uv-0> <pip-0> <conda-0> <apt-0>"),
        ("rm -rf /var/cache/apt/archives", "<uv-0> <pip-0> <conda-0>"),
        ("rm -rf /var/cache/*", ""),
        ("rm -rf /var/cache/image-build", "<apt-0>"),
        ("rm -rf /var/ca*", ""),
        ("ls /var/cache && UV_CACHE_DIR=/var/cache/image-build/uv x", "<pip-0> <conda-0> <apt-0>"),
    ] {
        let text = generated(&format!("{START}USER root\nRUN {run}\n"), &[]);
        let line = text.lines().find(|it| it.contains("<ca>")).unwrap();
        let caches = line.split_once("<sources>").unwrap().1.trim();
        assert_eq!(caches, left, "{run}");
    }
}
