//! `check`, `image-update`, and the output of dry runs.

use expect_test::expect;

use crate::checkout::{Checkout, FRESH};

#[test]
fn drifted_copy() {
    let checkout = Checkout::new();
    checkout.run(&["image-update"]).status(0).says("write missions/hello/Dockerfile");
    checkout.run(&["image-update", "--check"]).status(0).printed(&expect![""]);
    let generated = checkout.read("missions/hello/Dockerfile");
    checkout.file("missions/hello/Dockerfile", &generated.replace("# Generated", "# Written"));
    let done = checkout.run(&["image-update", "--check"]).status(1);
    assert!(
        done.stdout.starts_with("--- missions/hello/Dockerfile\n+++ missions/hello/Dockerfile")
    );
    assert!(done.stdout.contains("\n-# Written by"), "{}", done.stdout);
    let done = checkout.run(&["--json", "image-update", "--check"]).status(1);
    assert_eq!(done.json(), serde_json::json!(["missions/hello/Dockerfile"]));
    checkout.git();
    let done = checkout.run(&["check"]).status(1);
    assert!(done.stdout.contains("missions/hello/Dockerfile"), "{}", done.stdout);
    checkout.run(&["image-update"]).status(0);
    assert_eq!(checkout.read("missions/hello/Dockerfile"), generated);
    checkout.run(&["check"]).status(0).did_nothing();
}

#[test]
fn plaintext_left() {
    let checkout = Checkout::new();
    checkout.git();
    checkout.run(&["image-update"]).status(0);
    checkout.file("setup-env", "export PIP_INDEX_URL=https://me:secret@host\n");
    let done = checkout.run(&["--json", "check"]).status(1);
    assert_eq!(done.json()[0]["rule"], "setup-env-untracked");
}

#[test]
fn nothing_is_generated_from_a_broken_source() {
    let checkout = Checkout::new();
    let custom = "FROM x\nRUN /opt/common-scripts/env-update hello absent.pip\n";
    checkout.file("missions/hello/Dockerfile.custom", custom);
    let done = checkout.run(&["image-update"]).status(2);
    done.says("missions/hello/Dockerfile.custom:2");
    assert!(!checkout.has("missions/hello/Dockerfile"));
}

#[test]
fn dry_run() {
    let checkout = Checkout::new();
    checkout.run(&["--dry-run", "image-all"]).status(0).did_nothing().printed(&expect![[r#"
        common/base/rootfs | /bin/docker import --platform linux/amd64 --change 'LABEL science-platform.inputs=…' --change 'LABEL science-platform.parent=' -
        /bin/docker image tag '<image-id>' 'science-platform/rootfs:…-<image-id>'
        /bin/docker image tag '<image-id>' science-platform/rootfs:latest
        /bin/docker buildx build --builder default --load --provenance=false --sbom=false --progress plain --platform linux/amd64 --label science-platform.inputs=… --label 'science-platform.parent=<image-id>' --build-arg 'ROOTFS=science-platform/rootfs:…-<image-id>' --secret id=ca,src=/ca.crt --iidfile /root/target/xtask/build/base.iid --file /root/target/xtask/build/base.Dockerfile /root/target/xtask/build/base
        /bin/docker image tag '<image-id>' 'science-platform/base:…-<image-id>'
        /bin/docker image tag '<image-id>' science-platform/base:latest
        /bin/docker buildx build --builder default --load --provenance=false --sbom=false --progress plain --platform linux/amd64 --label science-platform.inputs=… --label 'science-platform.parent=<image-id>' --build-arg 'BASE_IMAGE=science-platform/base:…-<image-id>' --build-arg BASE_DIGEST=local --build-arg BUILDKIT_INLINE_CACHE=1 --secret id=ca,src=/ca.crt --iidfile /root/target/xtask/build/common.iid --file /root/target/xtask/build/common.Dockerfile /root/target/xtask/build/common
        /bin/docker image tag '<image-id>' 'science-platform/common:…-<image-id>'
        /bin/docker image tag '<image-id>' science-platform/common:latest
        /bin/docker buildx build --builder default --load --provenance=false --sbom=false --progress plain --platform linux/amd64 --label science-platform.inputs=… --label science-platform.mission=hello --label 'science-platform.frozen-specs={"hello":"…"}' --label 'science-platform.parent=<image-id>' --build-arg 'BASE_IMAGE=science-platform/common:…-<image-id>' --build-arg USE_FROZEN=1 --build-arg BUILDKIT_INLINE_CACHE=1 --secret id=ca,src=/ca.crt --iidfile /root/target/xtask/build/hello.iid --file /root/target/xtask/build/hello.Dockerfile /root/target/xtask/build/hello
        /bin/docker image tag '<image-id>' 'science-platform/hello:…-<image-id>'
        /bin/docker image tag '<image-id>' science-platform/hello:latest
        /bin/docker create --label science-platform.role=test --label 'science-platform.run=<run>' --cidfile /root/target/xtask/test/hello.test.cid --no-healthcheck --user root --entrypoint /opt/conda/bin/python --memory 4g --pids-limit 4096 --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add KILL --cap-add SETGID --cap-add SETUID --mount type=volume,target=/opt/tester,volume-nocopy --mount type=volume,target=/opt/test-results,volume-nocopy --mount type=volume,target=/opt/test-scratch,volume-nocopy --read-only --network none --tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777,size=1g --tmpfs /var/tmp:rw,exec,nosuid,nodev,mode=1777,size=1g --tmpfs /run:rw,exec,nosuid,nodev,mode=1777,size=1g --mount type=volume,target=/opt/environments --mount type=volume,target=/home/jovyan --env PATIENCE=1 'science-platform/hello:…-<image-id>' -IS /opt/tester/common-scripts/tester --plan /opt/tester/plan.json --results /opt/test-results --scratch /opt/test-scratch mission
        tar --create --owner=0 --group=0 --mode=u=rwX,go=rX --exclude=__pycache__ common-scripts | /bin/docker cp - '<container-id>:/opt/tester'
        /bin/docker cp /root/target/xtask/test/hello.plan '<container-id>:/opt/tester/plan.json'
        /bin/docker start --attach '<container-id>'
        /bin/docker volume create --label science-platform.role=test --label 'science-platform.run=<run>' '<volume>'
        /bin/docker create --label science-platform.role=test-prepare --label 'science-platform.run=<run>' --cidfile /root/target/xtask/test/hello.test-prepare.cid --no-healthcheck --user root --entrypoint /opt/conda/bin/python --memory 4g --pids-limit 4096 --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --mount type=volume,target=/opt/tester,volume-nocopy --mount type=volume,target=/opt/test-results,volume-nocopy --mount type=volume,target=/opt/test-scratch,volume-nocopy --mount 'type=volume,source=<volume>,target=/tmp/home,volume-nocopy' --network none --env PATIENCE=1 'science-platform/hello:…-<image-id>' -IS /opt/tester/common-scripts/tester --plan /opt/tester/plan.json --results /opt/test-results --scratch /opt/test-scratch prepare /tmp/home
        tar --create --owner=0 --group=0 --mode=u=rwX,go=rX --exclude=__pycache__ common-scripts | /bin/docker cp - '<container-id>:/opt/tester'
        /bin/docker cp /root/target/xtask/test/hello.plan '<container-id>:/opt/tester/plan.json'
        /bin/docker start --attach '<container-id>'
        /bin/docker create --label science-platform.role=test-hub --label 'science-platform.run=<run>' --cidfile /root/target/xtask/test/hello.test-hub.cid --no-healthcheck --user root --entrypoint /opt/conda/bin/python --memory 4g --pids-limit 4096 --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add KILL --cap-add SETGID --cap-add SETUID --mount type=volume,target=/opt/tester,volume-nocopy --mount type=volume,target=/opt/test-results,volume-nocopy --mount type=volume,target=/opt/test-scratch,volume-nocopy --mount 'type=volume,source=<volume>,target=/home/jovyan,volume-nocopy' --network none --env PATIENCE=1 'science-platform/hello:…-<image-id>' -IS /opt/tester/common-scripts/tester --plan /opt/tester/plan.json --results /opt/test-results --scratch /opt/test-scratch hub
        tar --create --owner=0 --group=0 --mode=u=rwX,go=rX --exclude=__pycache__ common-scripts | /bin/docker cp - '<container-id>:/opt/tester'
        /bin/docker cp /root/target/xtask/test/hello.plan '<container-id>:/opt/tester/plan.json'
        /bin/docker start --attach '<container-id>'
        /bin/docker buildx build --builder default --load --provenance=false --sbom=false --progress plain --platform linux/amd64 --label science-platform.inputs=… --label 'science-platform.parent=<image-id>' --build-arg 'ROOTFS=science-platform/rootfs:…-<image-id>' --secret id=ca,src=/ca.crt --iidfile /root/target/xtask/build/registry.iid --file /root/target/xtask/build/registry.Dockerfile /root/target/xtask/build/registry
        /bin/docker image tag '<image-id>' 'science-platform/registry:…-<image-id>'
        /bin/docker image tag '<image-id>' science-platform/registry:latest
        /bin/docker network create --label science-platform.role=registry science-platform-registry
        XTASK_REGISTRY_PASSWORD=… /bin/docker run --detach --name science-platform-registry --restart unless-stopped --label science-platform.role=registry --network '<network>' --publish 127.0.0.1:<port>:5000 --volume science-platform-registry:/var/lib/registry --env XTASK_REGISTRY_PASSWORD 'science-platform/registry:…-<image-id>'
        /bin/docker image tag 'science-platform/hello:…-<image-id>' '127.0.0.1:<port>/hello:…-<image-id>'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/hello:…-<image-id>'
        /bin/docker image tag 'science-platform/common:…-<image-id>' '127.0.0.1:<port>/common:…-<image-id>'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/common:…-<image-id>'
        /bin/docker buildx build --builder default --load --provenance=false --sbom=false --quiet --tag '127.0.0.1:<port>/hello:<digest>.receipt' --iidfile /root/target/xtask/build/hello-receipt.iid /root/target/xtask/build/hello-receipt
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/hello:<digest>.receipt'
        /bin/docker image rm '127.0.0.1:<port>/hello:<digest>.receipt'
        /bin/docker image tag 'science-platform/common:…-<image-id>' '127.0.0.1:<port>/common:latest-sandbox'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/common:latest-sandbox'
        /bin/docker image tag 'science-platform/hello:…-<image-id>' '127.0.0.1:<port>/hello:latest-sandbox'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/hello:latest-sandbox'
        /bin/docker image tag 'science-platform/common:…-<image-id>' '127.0.0.1:<port>/common:inputs-<inputs>'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/common:inputs-<inputs>'
        /bin/docker image tag 'science-platform/hello:…-<image-id>' '127.0.0.1:<port>/hello:inputs-<inputs>'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/hello:inputs-<inputs>'
    "#]]);
    assert!(!checkout.has("missions/hello/Dockerfile"));
    assert!(!checkout.has("target"));
}

#[test]
fn dry_run_of_a_floating_build() {
    let checkout = Checkout::new();
    checkout.run(&["--set", "REGISTRY=quay.io/us", "image-all"]).status(0);
    let done = checkout.run(&["-n", "image-all", "--floating"]).status(0).did_nothing();
    done.printed(&expect![[r#"
        /bin/docker buildx build --builder default --load --provenance=false --sbom=false --progress plain --platform linux/amd64 --label science-platform.inputs=… --label science-platform.mission=hello --label 'science-platform.frozen-specs={}' --label science-platform.parent=sha256:… --build-arg BASE_IMAGE=science-platform/common:…-… --build-arg USE_FROZEN=0 --build-arg BUILDKIT_INLINE_CACHE=1 --secret id=ca,src=/ca.crt --iidfile /root/target/xtask/build/hello.iid --file /root/target/xtask/build/hello.Dockerfile /root/target/xtask/build/hello
        /bin/docker image tag '<image-id>' 'science-platform/hello:…-<image-id>'
        /bin/docker image tag '<image-id>' science-platform/hello:latest
        /bin/docker run --label science-platform.role=freeze --label 'science-platform.run=<run>' --cidfile /root/target/xtask/freeze/….cid --sig-proxy=false --network none --entrypoint /opt/common-scripts/env-export '<image-id>' hello > /root/missions/hello/environments/hello/hello-frozen.yml
        /bin/docker run --label science-platform.role=freeze --label 'science-platform.run=<run>' --cidfile /root/target/xtask/freeze/….cid --sig-proxy=false --network none --entrypoint dpkg-query '<image-id>' --show --showformat '${Package}=${Version}\n' > /root/missions/hello/packages-debian.txt
        /bin/docker create --label science-platform.role=test --label 'science-platform.run=<run>' --cidfile /root/target/xtask/test/hello.test.cid --no-healthcheck --user root --entrypoint /opt/conda/bin/python --memory 4g --pids-limit 4096 --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add KILL --cap-add SETGID --cap-add SETUID --mount type=volume,target=/opt/tester,volume-nocopy --mount type=volume,target=/opt/test-results,volume-nocopy --mount type=volume,target=/opt/test-scratch,volume-nocopy --read-only --network none --tmpfs /tmp:rw,exec,nosuid,nodev,mode=1777,size=1g --tmpfs /var/tmp:rw,exec,nosuid,nodev,mode=1777,size=1g --tmpfs /run:rw,exec,nosuid,nodev,mode=1777,size=1g --mount type=volume,target=/opt/environments --mount type=volume,target=/home/jovyan --env PATIENCE=1 'science-platform/hello:…-<image-id>' -IS /opt/tester/common-scripts/tester --plan /opt/tester/plan.json --results /opt/test-results --scratch /opt/test-scratch mission
        tar --create --owner=0 --group=0 --mode=u=rwX,go=rX --exclude=__pycache__ common-scripts | /bin/docker cp - '<container-id>:/opt/tester'
        /bin/docker cp /root/target/xtask/test/hello.plan '<container-id>:/opt/tester/plan.json'
        /bin/docker start --attach '<container-id>'
        /bin/docker volume create --label science-platform.role=test --label 'science-platform.run=<run>' '<volume>'
        /bin/docker create --label science-platform.role=test-prepare --label 'science-platform.run=<run>' --cidfile /root/target/xtask/test/hello.test-prepare.cid --no-healthcheck --user root --entrypoint /opt/conda/bin/python --memory 4g --pids-limit 4096 --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --mount type=volume,target=/opt/tester,volume-nocopy --mount type=volume,target=/opt/test-results,volume-nocopy --mount type=volume,target=/opt/test-scratch,volume-nocopy --mount 'type=volume,source=<volume>,target=/tmp/home,volume-nocopy' --network none --env PATIENCE=1 'science-platform/hello:…-<image-id>' -IS /opt/tester/common-scripts/tester --plan /opt/tester/plan.json --results /opt/test-results --scratch /opt/test-scratch prepare /tmp/home
        tar --create --owner=0 --group=0 --mode=u=rwX,go=rX --exclude=__pycache__ common-scripts | /bin/docker cp - '<container-id>:/opt/tester'
        /bin/docker cp /root/target/xtask/test/hello.plan '<container-id>:/opt/tester/plan.json'
        /bin/docker start --attach '<container-id>'
        /bin/docker create --label science-platform.role=test-hub --label 'science-platform.run=<run>' --cidfile /root/target/xtask/test/hello.test-hub.cid --no-healthcheck --user root --entrypoint /opt/conda/bin/python --memory 4g --pids-limit 4096 --security-opt no-new-privileges --cap-drop ALL --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add KILL --cap-add SETGID --cap-add SETUID --mount type=volume,target=/opt/tester,volume-nocopy --mount type=volume,target=/opt/test-results,volume-nocopy --mount type=volume,target=/opt/test-scratch,volume-nocopy --mount 'type=volume,source=<volume>,target=/home/jovyan,volume-nocopy' --network none --env PATIENCE=1 'science-platform/hello:…-<image-id>' -IS /opt/tester/common-scripts/tester --plan /opt/tester/plan.json --results /opt/test-results --scratch /opt/test-scratch hub
        tar --create --owner=0 --group=0 --mode=u=rwX,go=rX --exclude=__pycache__ common-scripts | /bin/docker cp - '<container-id>:/opt/tester'
        /bin/docker cp /root/target/xtask/test/hello.plan '<container-id>:/opt/tester/plan.json'
        /bin/docker start --attach '<container-id>'
        /bin/docker buildx build --builder default --load --provenance=false --sbom=false --progress plain --platform linux/amd64 --label science-platform.inputs=… --label science-platform.parent=sha256:… --build-arg ROOTFS=science-platform/rootfs:…-… --secret id=ca,src=/ca.crt --iidfile /root/target/xtask/build/registry.iid --file /root/target/xtask/build/registry.Dockerfile /root/target/xtask/build/registry
        /bin/docker image tag '<image-id>' 'science-platform/registry:…-<image-id>'
        /bin/docker image tag '<image-id>' science-platform/registry:latest
        /bin/docker network create --label science-platform.role=registry science-platform-registry
        XTASK_REGISTRY_PASSWORD=… /bin/docker run --detach --name science-platform-registry --restart unless-stopped --label science-platform.role=registry --network '<network>' --publish 127.0.0.1:<port>:5000 --volume science-platform-registry:/var/lib/registry --env XTASK_REGISTRY_PASSWORD 'science-platform/registry:…-<image-id>'
        /bin/docker image tag 'science-platform/hello:…-<image-id>' '127.0.0.1:<port>/hello:…-<image-id>'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/hello:…-<image-id>'
        /bin/docker image tag science-platform/common:…-… '127.0.0.1:<port>/common:…-…'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/common:…-…'
        /bin/docker buildx build --builder default --load --provenance=false --sbom=false --quiet --tag '127.0.0.1:<port>/hello:<digest>.receipt' --iidfile /root/target/xtask/build/hello-receipt.iid /root/target/xtask/build/hello-receipt
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/hello:<digest>.receipt'
        /bin/docker image rm '127.0.0.1:<port>/hello:<digest>.receipt'
        /bin/docker image tag science-platform/common:…-… '127.0.0.1:<port>/common:latest-sandbox'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/common:latest-sandbox'
        /bin/docker image tag 'science-platform/hello:…-<image-id>' '127.0.0.1:<port>/hello:latest-sandbox'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/hello:latest-sandbox'
        /bin/docker image tag science-platform/common:…-… '127.0.0.1:<port>/common:inputs-…'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/common:inputs-…'
        /bin/docker image tag 'science-platform/hello:…-<image-id>' '127.0.0.1:<port>/hello:inputs-<inputs>'
        DOCKER_CONFIG=… /bin/docker image push '127.0.0.1:<port>/hello:inputs-<inputs>'
    "#]]);
    let spec = checkout.read("missions/hello/environments/hello/hello-frozen.yml");
    assert_eq!(spec, FRESH);
}

#[test]
fn dry_run_needs_an_engine_only_to_ask() {
    let checkout = Checkout::new();
    for task in ["image-update", "image-base", "image-build", "image-all"] {
        checkout.run(&["-n", task]).status(0).did_nothing();
    }
}

/// The repository's own missions, unchanged.
#[test]
fn missions_that_ship() {
    let checkout = Checkout::of_this_repository();
    checkout.run(&["image-update", "--all", "--check"]).status(0);
    checkout.run(&["-n", "image-all", "--all"]).status(0).did_nothing();
}

/// A dry run of `bench --cold` removed all images and the builder's cache.
#[test]
fn dry_run_of_a_cold_bench() {
    let checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    let done = checkout.run(&["-n", "bench", "--cold"]).status(0).did_nothing();
    for command in ["image rm --force", "builder prune --all --force", "image-all hello"] {
        assert!(done.stdout.contains(command), "{}", done.stdout);
    }
}

/// `bench` called the docker on PATH, whatever DOCKER said.
#[test]
fn bench_uses_the_docker_of_the_settings() {
    let mut checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout.docker("other", "buildx");
    let docker = checkout.dir().join("other/docker");
    checkout.env("DOCKER", docker.to_str().unwrap());
    let done = checkout.run(&["-n", "bench", "--cold"]).status(0).did_nothing();
    assert!(done.stdout.contains("/other/docker image rm --force --no-prune "), "{}", done.stdout);
}

/// `docker image rm` without an image is an error.
#[test]
fn a_cold_bench_without_images_removes_none() {
    let done = Checkout::new().run(&["-n", "bench", "--cold"]).status(0).did_nothing();
    assert!(!done.stdout.contains("image rm"), "{}", done.stdout);
    assert!(done.stdout.contains("builder prune --all --force"), "{}", done.stdout);
}
