//! Rules about Dockerfiles.

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
                fix: fetch it in a RUN instead, and compare it before it is used: `RUN curl -fsSLo F URL && echo '<sha256>  F' | sha256sum --check && …`
            Dockerfile:3: download-unchecked: nothing checks what `ADD` fetches
                fix: fetch it in a RUN instead, and compare it before it is used: `RUN curl -fsSLo F URL && echo '<sha256>  F' | sha256sum --check && …`
            Dockerfile:5: download-unchecked: nothing checks what `curl` fetches
                fix: save it to a file, and compare that before it is used: `curl -fsSLo F URL && echo '<sha256>  F' | sha256sum --check && …`
            Dockerfile:6: download-unchecked: nothing checks what `wget` fetches
                fix: save it to a file, and compare that before it is used: `curl -fsSLo F URL && echo '<sha256>  F' | sha256sum --check && …`
            Dockerfile:7: download-unchecked: nothing checks what `curl` fetches
                fix: save it to a file, and compare that before it is used: `curl -fsSLo F URL && echo '<sha256>  F' | sha256sum --check && …`
            Dockerfile:8: download-unchecked: nothing checks what `curl` fetches
                fix: save it to a file, and compare that before it is used: `curl -fsSLo F URL && echo '<sha256>  F' | sha256sum --check && …`"#]],
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

/// Checks the lines of a mission's Dockerfile in which `rule` finds something, and the findings.
#[track_caller]
fn found(rule: &check::Rule, lines: &[&str]) -> Vec<String> {
    let text = format!("ARG BASE_IMAGE\nFROM ${{BASE_IMAGE}}\n{}\n", lines.join("\n"));
    let findings = (rule.check)(&super::facts(&[("missions/m/Dockerfile.custom", &text)]));
    findings.iter().map(|it| format!("{}: {}", it.line.unwrap() - 2, it.what)).collect()
}

/// Checks that each line has exactly one floating item, or none.
#[track_caller]
fn check_lines(rule: &check::Rule, lines: &[&str], expected: usize) {
    for line in lines {
        assert_eq!(found(rule, &[line]).len(), expected, "{line}: {:?}", found(rule, &[line]));
    }
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn floating_in_frozen() {
    let rule = &check::unpinned::RULE;
    let loud = [
        "RUN pip install --no-cache-dir packaging",
        "RUN /opt/conda/envs/dk/bin/python -m pip install \"cachetools<6\"",
        "RUN python3 -mpip install x",
        "RUN a && (pip3.13 --quiet install x)",
        "RUN A=1 sudo -u me env B=2 pip3 install x",
        "RUN printf 'x' | xargs -n 1 pip install",
        "RUN timeout 60 nice -n 5 pip install x",
        "RUN conda run -n dk pip install -r requirements.txt",
        "RUN bash -lc 'source activate dk && pip install x'",
        "RUN [\"pip\", \"install\", \"x\"]",
        "RUN if true; then pip install x; fi",
        "RUN a \\\n  && \\\n  pip install \\\n  x",
        "RUN pip install --no-deps x",
        "RUN pip install --no-deps /opt/src",
        "RUN pip install git+https://example.org/a/b@main",
        "RUN uv pip install --system x",
        "RUN uv tool install ruff",
        "RUN uvx ruff",
        "RUN pipx install ruff",
        "RUN uv sync",
        "RUN conda install -y numpy=2.3.1",
        "RUN conda create -n x -c conda-forge python=3.13",
        "RUN mamba env update -n dk -f dk.yml",
        "RUN /opt/conda/bin/micromamba --yes install numpy",
        "RUN conda env create --file dk.yml",
        "RUN npm install -g yarn@1.22.0",
        "RUN npm --prefix /opt/x install",
        "RUN yarn add x",
        "RUN cd x && yarn",
        "RUN python setup.py install",
        "RUN gh repo clone a/b",
        "RUN npx create-thing",
        "RUN jupyter labextension install x",
        "RUN Rscript -e \"install.packages('x')\"",
        "RUN R -q -e 'remotes::install_github(\"a/b\")'",
        "RUN julia -e 'using Pkg; Pkg.add(\"X\")'",
        "RUN cargo install ripgrep",
        "RUN go install example.org/x@latest",
        "RUN gem install x",
        "ONBUILD RUN pip install x",
        "RUN git clone https://example.org/a/b /opt/b",
        "RUN git -C /opt clone --depth 1 --branch v1 https://example.org/a/b",
        "RUN git clone https://example.org/a/b && cd b && git checkout v1.0",
        "RUN git clone a && git checkout 0123456789abcdef0123456789abcdef01234567 && git clone b",
        "RUN cd /opt/b && git pull",
        "COPY --from=ghcr.io/astral-sh/uv:latest /uv /usr/local/bin/uv",
        "RUN --mount=type=bind,from=ghcr.io/astral-sh/uv:0.9,target=/uv cp /uv/uv /usr/local/bin/",
        "FROM ubuntu:26.04 AS tools",
        "FROM --platform=linux/amd64 ubuntu AS tools",
        "FROM ubuntu@sha256:0 AS tools",
        "FROM ${TOOLS}",
    ];
    check_lines(rule, &loud, 1);
    let clone = |then: &str| format!("RUN git clone https://example.org/a/b /opt/b && {then}");
    let digest = "0".repeat(64);
    let silent = [
        "RUN pip install --require-hashes -r requirements.txt",
        "RUN pip install --no-index --find-links /wheels x",
        "RUN pip install --no-deps /opt/x-1.0-py3-none-any.whl",
        "RUN pip install --no-deps --no-build-isolation /opt/src",
        &format!("RUN pip install --no-deps git+https://example.org/a/b@{COMMIT}"),
        "RUN pip --version && pip uninstall -y x && pip check",
        "RUN uv sync --frozen",
        "RUN conda create --name x && conda clean --all --yes && conda config --add channels x",
        "RUN npm ci && npm run build",
        "RUN yarn install --immutable && yarn build",
        "RUN Rscript -e 'renv::restore()'",
        "RUN julia -e 'using Pkg; Pkg.instantiate()'",
        "RUN cargo install --locked ripgrep@14.1.1 && cargo build --release",
        "RUN go install example.org/x@v1.2.3",
        "RUN apt-get update && apt-get install -y python3-pip git npm conda uvx=1",
        "RUN echo pip install x && which pip",
        "RUN /opt/common-scripts/env-update dk dk.pip",
        &clone(&format!("git -C /opt/b checkout {COMMIT}")),
        &clone(&format!("cd /opt/b && git reset --hard {COMMIT} && git lfs pull")),
        &format!("ARG REF={COMMIT}\n{}", clone("git -C /opt/b checkout ${REF}")),
        &format!(
            "RUN git init b && cd b && git fetch https://example.org {COMMIT} && git checkout FETCH_HEAD"
        ),
        &format!("RUN git clone --revision={COMMIT} https://example.org/a/b"),
        &format!(
            "FROM ubuntu:26.04@sha256:{digest} AS tools\nFROM tools AS more\nCOPY --from=tools /a /b"
        ),
        &format!("ARG TOOLS=ubuntu@sha256:{digest}\nFROM ${{TOOLS}}"),
        &format!("COPY --from=ghcr.io/astral-sh/uv@sha256:{digest} /uv /uv"),
        "FROM scratch AS files",
        "FROM ${BASE_IMAGE} AS more\nCOPY --from=more /a /b",
        "COPY --from=specs /a /b",
    ];
    check_lines(rule, &silent, 0);
    // A Dockerfile that no image is built from.
    check_files(rule, &[("docs/Dockerfile", "FROM a\nRUN pip install x\n")], expect![[""]]);
    check_files(
        rule,
        &[("Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN a \\\n  && pip install x\n")],
        expect![[r#"
            Dockerfile:4: unpinned: `pip install` takes what is newest on the day of the build
                fix: name it in a list of the environment, which is frozen, or pass `--require-hashes --requirement <file with hashes>`"#]],
    );
}

#[test]
fn downloads_wherever_they_are() {
    let rule = &check::download_unchecked::RULE;
    let loud = [
        "RUN bash -c \"$(curl -fsSL https://127.0.0.2/install.sh)\"",
        "RUN bash <(curl -fsSL https://b/x)",
        "RUN eval \"`wget -qO- https://b/x`\"",
        "RUN [\"sh\", \"-c\", \"wget -O- https://b/x | bash\"]",
        "RUN timeout 60 curl -O https://b/x",
        "RUN aws s3 cp s3://b/x /opt/x",
        "ADD git@example.org:a/b.git /opt/b",
        "ADD https://example.org/a/b.git#main /opt/b",
        "RUN curl -fsSLo /tmp/v.tgz https://b/v.tgz && tar xzf /tmp/v.tgz && make install && echo '0  /tmp/v.tgz' | sha256sum --check",
        "RUN wget https://b/v.tgz && tar -xzf v.tgz && echo '0  v.tgz' | sha256sum -c",
    ];
    check_lines(rule, &loud, 1);
    let silent = [
        "RUN x=\"$(curl -fsSL https://b/x)\" && echo \"0  x\" | sha256sum -c",
        &format!("ADD https://example.org/a/b.git#{COMMIT} /opt/b"),
        &format!("RUN hf download a/b --revision {COMMIT}"),
        "RUN curl -fsSLO https://b/v.tgz && ls v.tgz && echo '0  v.tgz' | sha256sum -c && tar -xzf v.tgz",
        "RUN apt-get install -y curl wget",
    ];
    check_lines(rule, &silent, 0);
}

#[test]
fn command_substitution() {
    let rule = &check::run_chain::RULE;
    let loud = [
        "RUN bash -c \"$(curl -fsSL https://127.0.0.1:1/install.sh)\"",
        "RUN bash <(curl -fsSL https://b/x)",
        "RUN export x=$(curl -fsSL https://b/x) && a",
        "RUN eval \"`wget -qO- https://b/x`\"",
        "RUN bash -c 'a | b'",
        "RUN bash -c 'a; b'",
        "RUN [\"bash\", \"-c\", \"a | b\"]",
        "SHELL [\"/bin/bash\", \"-c\"]\nRUN curl -fsSL https://b/x | tar -x",
        "SHELL [\"/bin/bash\", \"-c\"]\nRUN a && x=\"$(b | c)\"",
        "FROM debian AS b\nRUN a | b",
        "FROM debian AS b\nSHELL [\"/bin/bash\", \"-c\"]\nFROM b\nRUN a | b",
    ];
    check_lines(rule, &loud, 1);
    let silent = [
        "RUN a | b",
        "RUN x=\"$(curl -fsSL https://b/x)\" && a",
        "RUN make -j$(nproc) && apt-get install linux-headers-$(uname -r)",
        "RUN awk '{ print $(NF); x }' a",
        "RUN bash -o pipefail -c 'a | b'",
        "RUN bash -c 'set -o pipefail && a | b'",
        "FROM debian AS b\nSHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\nFROM b\nRUN a | b",
        "FROM debian AS b\nRUN echo '0  x' | sha256sum -c && if a | grep -q b; then c; fi && a | b || true",
    ];
    check_lines(rule, &silent, 0);
}

#[test]
fn files_below_the_home() {
    let rule = &check::home_files::RULE;
    let loud = [
        "COPY guide.ipynb /home/jovyan/",
        "COPY --chown=1000:100 a /home/${NB_USER}/data/",
        "COPY a .",
        "ADD [\"a\", \"/home/jovyan/b\"]",
        "WORKDIR /home/jovyan/work",
        "WORKDIR /opt\nWORKDIR /home/jovyan\nCOPY a b",
        "RUN mkdir -p ~/data",
        "RUN mkdir data",
        "RUN sudo mkdir $HOME/.cache/x",
        "RUN cd /home/jovyan && git clone https://example.org/a/b.git",
        "RUN bash -c 'echo x >> ~/.bashrc'",
        "RUN echo x >/home/jovyan/.config",
        "RUN tar -xf /tmp/a.tgz -C /home/jovyan/x",
        "RUN curl -o ~/x https://example.org/x",
        "RUN ln -s /opt/data data",
        "RUN cp -r /opt/a ~/a",
        "RUN python -m ipykernel install --user",
        "RUN git config --global user.name x",
        "RUN rm -rf ~/a && mkdir ~/a",
        "FROM ${BASE_IMAGE} AS one\nRUN touch ~/a\nFROM one",
    ];
    check_lines(rule, &loud, 1);
    let silent = [
        "COPY a /opt/a",
        "WORKDIR /opt/a\nCOPY a .\nRUN mkdir b && touch c",
        "WORKDIR /home/jovyan",
        "RUN cd /opt && mkdir b && git clone https://example.org/a/b",
        "RUN mkdir ~/a && b && rm -rf ~/a",
        "RUN mkdir ~/a\nRUN rm -rf /home/jovyan/*",
        "RUN mv ~/a /opt/a && chown -R jovyan ~ && fix-permissions /home/jovyan",
        "RUN cat ~/.bashrc > /dev/null 2>&1",
        "RUN touch /home/jovyan-2",
        "RUN conda config --system --add channels x",
        "FROM ${BASE_IMAGE} AS one\nRUN touch ~/a\nFROM ${BASE_IMAGE}\nCOPY --from=one /home/jovyan/a /opt/",
    ];
    check_lines(rule, &silent, 0);
}
