//! The rules about what a Dockerfile says.

use expect_test::expect;

use super::check_files;
use crate::check;

/// LESSONS flag-first.
#[test]
fn flag_first() {
    let rule = &check::flag_first::RULE;
    let silent = "ARG USE_FROZEN=1\nFROM a\nRUN apt-get update\nARG USE_FROZEN\n\
        RUN env-create x\nRUN apt-get update\nFROM b\nARG USE_FROZEN\nRUN echo ${USE_FROZEN}\n\
        FROM c\nRUN b\nFROM d\nARG USE_FROZEN\n";
    check_files(rule, &[("Dockerfile", silent)], expect![[""]]);
    let loud = "FROM a\nRUN b\nFROM c\n# Why.\nARG A \\\n  USE_FROZEN\n\nRUN apt-get update\nRUN env-create x\n";
    check_files(
        rule,
        &[("Dockerfile", loud)],
        expect![[r#"
        Dockerfile:6: flag-first: flipping USE_FROZEN runs the step of line 8 again for nothing
            fix: declare it just before the first step that calls an environment script"#]],
    );
}

#[test]
fn downloads_are_checked() {
    let rule = &check::download_unchecked::RULE;
    let silent = "FROM a\nRUN curl -fsSL -o x https://b/x && echo \"0  x\" | sha256sum -c -\n\
        RUN set -e; if a; then wget https://b/x; fi; gpg --verify x.asc x\nRUN curl --version\n\
        RUN apt-get install curl wget\nRUN [\"bash\", \"-c\", \"curl -O https://b && sha512sum --check s\"]\n\
        ADD x /y\nADD --checksum=sha256:0 https://b/x /y\nRUN until curl -s http://localhost:8888/api; do sleep 1; done\n";
    check_files(rule, &[("Dockerfile", silent)], expect![[""]]);
    let loud = "FROM a\nADD https://b/x /y\nADD [\"http://b/x\", \"/y\"]\nRUN a \\\n && curl -fsSL https://b/x | bash\n\
        RUN A=1 sudo /usr/bin/wget \"$URL\"\nRUN echo '0  x' | sha256sum -c && curl -O https://b/x\n\
        RUN curl -O https://b/x && sha256sum x\n";
    check_files(
        rule,
        &[("Dockerfile", loud)],
        expect![[r#"
        Dockerfile:2: download-unchecked: nothing checks what `ADD` fetches
            fix: end the same step with `&& echo '<sha256>  <file>' | sha256sum --check`
        Dockerfile:3: download-unchecked: nothing checks what `ADD` fetches
            fix: end the same step with `&& echo '<sha256>  <file>' | sha256sum --check`
        Dockerfile:5: download-unchecked: nothing checks what `curl` fetches
            fix: end the same step with `&& echo '<sha256>  <file>' | sha256sum --check`
        Dockerfile:6: download-unchecked: nothing checks what `wget` fetches
            fix: end the same step with `&& echo '<sha256>  <file>' | sha256sum --check`
        Dockerfile:7: download-unchecked: nothing checks what `curl` fetches
            fix: end the same step with `&& echo '<sha256>  <file>' | sha256sum --check`
        Dockerfile:8: download-unchecked: nothing checks what `curl` fetches
            fix: end the same step with `&& echo '<sha256>  <file>' | sha256sum --check`"#]],
    );
}

/// LESSONS secret-in-layer.
#[test]
fn secret_in_layer() {
    let rule = &check::secret_in_layer::RULE;
    let silent = "FROM a\nARG PIP_CERT=/x GITHUB_TOKEN_FILE=/run/secrets/t MONKEY=1\nENV TOKEN= TOKENIZERS_PARALLELISM=1\n\
        RUN --mount=type=secret,id=t git clone https://x:$(cat /run/secrets/t)@b.org/c\n\
        RUN pip install git+ssh://git@b.org/c\nLABEL url=https://b.org/a@b\nRUN echo ghp_short\n";
    check_files(rule, &[("Dockerfile", silent)], expect![[""]]);
    let loud = "ARG API_KEY\nFROM a\nARG A=1 \\\n  DB_PASSWORD=x\nENV A=1 GITHUB_TOKEN=$T\nENV PASSWD abc def\n\
        ARG URL=https://me:pw@b.org/simple\nRUN pip install -i https://token@b.org/simple x\n\
        LABEL t=ghp_0123456789abcdefghij\nENV aws_secret_access_key=1\n";
    check_files(
        rule,
        &[("Dockerfile", loud)],
        expect![[r#"
        Dockerfile:1: secret-in-layer: ARG API_KEY stays readable in the image
            fix: give it to one step, by `RUN --mount=type=secret,id=<name>`
        Dockerfile:4: secret-in-layer: ARG DB_PASSWORD stays readable in the image
            fix: give it to one step, by `RUN --mount=type=secret,id=<name>`
        Dockerfile:5: secret-in-layer: ENV GITHUB_TOKEN stays readable in the image
            fix: give it to one step, by `RUN --mount=type=secret,id=<name>`
        Dockerfile:6: secret-in-layer: ENV PASSWD stays readable in the image
            fix: give it to one step, by `RUN --mount=type=secret,id=<name>`
        Dockerfile:7: secret-in-layer: a password or token in ARG stays readable in the image
            fix: give it to one step, by `RUN --mount=type=secret,id=<name>`
        Dockerfile:8: secret-in-layer: a password or token in RUN stays readable in the image
            fix: give it to one step, by `RUN --mount=type=secret,id=<name>`
        Dockerfile:9: secret-in-layer: a password or token in LABEL stays readable in the image
            fix: give it to one step, by `RUN --mount=type=secret,id=<name>`
        Dockerfile:10: secret-in-layer: ENV aws_secret_access_key stays readable in the image
            fix: give it to one step, by `RUN --mount=type=secret,id=<name>`"#]],
    );
}
