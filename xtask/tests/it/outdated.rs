//! `outdated`: newer versions in a package index and in conda channels.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    checkout::Checkout,
    server::{Pages, answer, serve},
};

/// Returns a frozen spec with conda packages and a distribution of the package index.
fn spec() -> String {
    let mut res = "# frozen: 1\n# platform: linux/amd64\n# base: sha256:0\nname: hello\nchannels:\n  - conda-forge\ndependencies:\n".to_owned();
    for (package, via) in [
        ("astropy=6.0=py313_0", "hello.conda"),
        ("healpy=1.17=py313_0", "hello.conda"),
        ("numpy=2.1.0=py313_0", "astropy, gone, healpy, hello.conda, tool"),
        ("gone=1.0=py313_0", "hello.conda"),
        ("python=3.13.5=h0_0", "hello.yml"),
    ] {
        let file = package.replace('=', "-");
        let hash = "0".repeat(64);
        res +=
            &format!("  - {package}[subdir=linux-64,fn={file}.conda,sha256={hash}]  # via {via}\n");
    }
    let hash = "1".repeat(64);
    res + &format!("  - pip:\n    - tool==1.0 --hash=sha256:{hash}  # via hello.pip\n")
}

/// Returns a checkout whose mission has that frozen spec, and curl.
fn checkout() -> Checkout {
    let mut res = Checkout::new();
    res.tool("curl");
    res.env("XTASK_PAUSE", "10");
    let custom = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN /opt/common-scripts/env-create hello hello.yml\nRUN /opt/common-scripts/env-update hello hello.conda hello.pip\n";
    res.file("missions/hello/Dockerfile.custom", custom);
    let dir = "missions/hello/environments/hello";
    res.file(
        &format!("{dir}/hello.yml"),
        "name: hello\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.13\n",
    );
    res.file(&format!("{dir}/hello.conda"), "astropy\nnumpy<2.2\nhealpy\ngone\n");
    res.file(&format!("{dir}/hello.pip"), "tool<2\n");
    res.file(&format!("{dir}/hello-frozen.yml"), &spec());
    res
}

/// Returns the answers of a channel and of a package index.
fn pages(linux: &Value) -> Pages {
    let noarch = json!({ "packages": {}, "packages.conda": {
        "healpy-1.18-pyhd8_0.conda": { "name": "healpy", "version": "1.18", "depends": ["python >=3.10"] },
        "healpy-1.19-pyhd8_0.conda": { "name": "healpy", "version": "1.19", "depends": ["python >=3.14"] },
    } });
    let page = json!({ "name": "tool", "files": [
        { "filename": "tool-1.0-py3-none-any.whl", "url": "x" },
        { "filename": "tool-2.0-py3-none-any.whl", "url": "x" },
    ] });
    let at = |path: &str, body: &Value| (path.to_owned(), answer("200 OK", &body.to_string()));
    Pages::from([
        at("/conda-forge/linux-64/current_repodata.json", linux),
        at("/conda-forge/noarch/repodata.json", &noarch),
        at("/simple/tool/", &page),
    ])
}

fn linux() -> Value {
    let entry = |name: &str, version: &str, depends: &[&str]| {
        let entry = json!({ "name": name, "version": version, "depends": depends });
        (format!("{name}-{version}-py313_0.conda"), entry)
    };
    let packages: BTreeMap<String, Value> = BTreeMap::from([
        entry("astropy", "6.0", &["numpy >=2,<2.3", "python >=3.13,<3.14.0a0"]),
        entry("healpy", "1.17", &["numpy >=1.22"]),
        entry("numpy", "2.1.0", &["python_abi 3.13.* *_cp313"]),
        entry("numpy", "2.10.0", &["python_abi 3.13.* *_cp313"]),
        entry("numpy", "3.0", &["python_abi 3.14.* *_cp314"]),
        entry("numpy", "9\u{1b}[2J", &[]),
        entry("python", "3.13.5", &[]),
        entry("python", "3.14.1", &[]),
    ]);
    json!({ "packages": {}, "packages.conda": packages })
}

/// Sets the addresses of the channel and of the package index.
fn with(mut checkout: Checkout, address: &str) -> Checkout {
    checkout.env("CONDA_CHANNEL_ALIAS", address);
    checkout.env("PIP_INDEX_URL", &format!("{address}/simple"));
    checkout
}

#[test]
fn newer_packages_and_what_holds_them_back() {
    let checkout = with(checkout(), &serve(pages(&linux())));
    let dir = "missions/hello/environments/hello";
    let done = checkout.run(&["outdated", "--json"]).status(0).did_nothing();
    let row = |package: &str, installed: &str, newest: &str, by: &[&str]| {
        json!({ "environment": "hello/hello", "package": package, "installed": installed,
            "newest": newest, "held_back_by": by })
    };
    let own = format!("{dir}/hello.conda:2: numpy<2.2");
    let expected = json!([
        row("healpy", "1.17", "1.18", &[]),
        row(
            "numpy",
            "2.1.0",
            "2.10.0",
            &[
                &own,
                "astropy 6.0 requires numpy >=2,<2.3",
                "perhaps gone 1.0, tool 1.0: the index has no metadata",
            ]
        ),
        row(
            "python",
            "3.13.5",
            "3.14.1",
            &[
                &format!("{dir}/hello.yml:5: python=3.13"),
                "astropy 6.0 requires python >=3.13,<3.14.0a0",
            ]
        ),
        row("tool", "1.0", "2.0", &[&format!("{dir}/hello.pip:1: tool<2")]),
    ]);
    assert_eq!(done.json(), expected);
    done.says("note: hello/hello: channel conda-forge has no package gone");
    let table = checkout.run(&["outdated"]).status(0).stdout;
    assert!(table.contains("no line, no package: `relock` tries it"), "{table}");
    let list = format!("{dir}/hello.pip");
    checkout
        .file(&list, &(checkout.read(&list) + "nowhere-yet\nelsewhere; sys_platform == 'win32'\n"));
    let done = checkout.run(&["outdated"]).status(0);
    assert!(!done.stderr.contains("elsewhere"), "{}", done.stderr);
    done.says(&format!("note: hello/hello: {list}:2: nowhere-yet: not in the frozen spec, so"));
}

/// The index has the newest versions alone, which leave this Python out.
#[test]
fn versions_for_another_python_only() {
    let mut linux = linux();
    let packages = linux["packages.conda"].as_object_mut().unwrap();
    packages.retain(|_, it| it["name"] != "numpy" || it["version"] == "3.0");
    let checkout = with(checkout(), &serve(pages(&linux)));
    let done = checkout.run(&["outdated", "--json"]).status(0).did_nothing();
    let rows = done.json();
    assert!(rows.as_array().unwrap().iter().all(|it| it["package"] != "numpy"), "{rows}");
    done.says("note: hello/hello: numpy was not compared: the index of channel conda-forge");
}

#[test]
fn channels_that_do_not_answer() {
    let path = "/conda-forge/linux-64/current_repodata.json".to_owned();
    for (page, says) in [
        (answer("200 OK", "<html>"), "channel conda-forge/linux-64: not an index of a channel"),
        (answer("403 Forbidden", ""), "current_repodata.json: status 403; expected 200"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 70000000\r\nConnection: close\r\n\r\n".to_owned(),
            "current_repodata.json has more than 60 MB",
        ),
    ] {
        let mut pages = pages(&linux());
        pages.insert(path.clone(), page);
        let checkout = with(checkout(), &serve(pages));
        checkout.run(&["outdated"]).status(1).says(says).says("fix: ");
    }
    let only_pip = pages(&linux()).into_iter().filter(|it| it.0.starts_with("/simple/")).collect();
    let checkout = with(checkout(), &serve(only_pip));
    checkout.run(&["outdated"]).status(1).says("channel conda-forge: no index of packages there");
}

#[test]
fn without_a_network() {
    let mut checkout = with(checkout(), "http://127.0.0.1:9");
    let done = checkout.run(&["outdated"]).status(1).says("the package index: curl: (7)");
    done.says("fix: check PIP_INDEX_URL");
    checkout.env("PIP_INDEX_URL", &format!("{}/simple", serve(pages(&linux()))));
    let done =
        checkout.run(&["outdated"]).status(1).says("channel conda-forge/linux-64: curl: (7)");
    done.says("fix: check CONDA_CHANNEL_ALIAS");
}
