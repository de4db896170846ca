use std::path::Path;

use expect_test::expect;

use super::BuildSettings;
use crate::{
    settings::config::tests::config,
    tools::docker::{
        Docker,
        build::{Builder, BuilderKind},
    },
};

#[test]
fn values_travel_in_the_environment_and_are_not_printed() {
    let settings = BuildSettings::new(
        &config(&[
            "CA_BUNDLE=",
            "BUILD_NETWORK=host",
            "HTTPS_PROXY=http://user:word@proxy:3128",
            "PIP_INDEX_URL=https://user:word@index/simple",
            "DEBIAN_MIRROR=http://mirror/debian/",
        ])
        .unwrap(),
    )
    .unwrap();
    let docker = Docker::new("docker".into(), Path::new("/"));
    let build = Builder { docker, kind: BuilderKind::BuiltIn }.build();
    let cmd = settings.add_to(build).context("/id".as_ref(), None, "/context".as_ref());
    assert!(!cmd.to_string().contains("word"));
    expect!["DOCKER_BUILDKIT=1 IMAGE_BUILD_PIP=… IMAGE_BUILD_UV=… IMAGE_BUILD_APT=… IMAGE_BUILD_SOURCES=… HTTPS_PROXY=… https_proxy=… docker build --network host --secret id=pip,env=IMAGE_BUILD_PIP --secret id=uv,env=IMAGE_BUILD_UV --secret id=apt,env=IMAGE_BUILD_APT --secret id=sources,env=IMAGE_BUILD_SOURCES --build-arg HTTPS_PROXY --build-arg https_proxy --iidfile /id /context"].assert_eq(&cmd.to_string());
    let secrets: String = settings.secrets.iter().map(|(_, text)| text.as_str()).collect();
    expect![[r#"
        [global]
        index-url = https://user:word@index/simple
        [[index]]
        url = "https://user:word@index/simple"
        default = true
        Acquire::https::CAInfo "/etc/image-build/ca.crt";
        Dir::Etc::sourcelist "/etc/image-build/sources.list";
        Dir::Etc::sourceparts "-";
        deb http://mirror/debian trixie main
        deb http://mirror/debian trixie-updates main
        deb http://mirror/debian-security trixie-security main
    "#]]
    .assert_eq(&secrets);
}
