use super::{in_channel, redact, without_login};
use crate::frozen::tests::property::Random;

#[test]
fn credentials_are_hidden() {
    for (text, expected) in [
        ("plain", "plain"),
        ("https://host/x@y", "https://host/x@y"),
        ("https://host:8080/x@y", "https://host:8080/x@y"),
        ("https://[::1]:8080/x@y", "https://[::1]:8080/x@y"),
        ("https://me:secret@host/x@y", "https://…@host/x@y"),
        ("https://me:se@cret@host/x", "https://…@host/x"),
        ("https://me:se/cret@host/x", "https://…@host/x"),
        ("https://token@host", "https://…@host"),
        ("https://a:b@x/s https://c:d@y/s", "https://…@x/s https://…@y/s"),
        ("https://a:b@x/s,https://c:d@y/s", "https://…@x/s,https://…@y/s"),
        ("user:pw@proxy:3128", "…@proxy:3128"),
        ("user:p@w@proxy:3128", "…@proxy:3128"),
        ("proxy:3128", "proxy:3128"),
        ("git@host:me/repository", "git@host:me/repository"),
        ("git+ssh://git@host/x", "git+ssh://git@host/x"),
        ("ssh://me:pw@host/x", "ssh://…@host/x"),
        ("quay.io:443/x:1@sha256:0123", "quay.io:443/x:1@sha256:0123"),
        ("https://host/t/to-ken/channel", "https://host/t/…/channel"),
        ("https://host/t/to-ken", "https://host/t/…"),
        ("/home/t/ca.pem", "/home/t/ca.pem"),
        ("ghp_0123456789abcdef0123", "…"),
        ("x=glpat-0123456789abcdef!", "x=…!"),
        ("highp_0123456789abcdef", "highp_0123456789abcdef"),
    ] {
        assert_eq!(redact(text), expected);
    }
    assert_eq!(without_login("https://me:a@b@host/simple"), "https://host/simple");
    assert_eq!(without_login("http://host:80/a@b"), "http://host:80/a@b");
}

#[test]
fn credentials_of_channels() {
    let with = [
        "https://me:pw@host/c",
        "https://me@host/c::numpy",
        "https://host/t/token/c",
        "t/token/c::numpy=2",
        "me:pw@host/c",
        "numpy[channel='https://host/t/token/c']",
    ];
    let without =
        ["conda-forge", "https://host/c", "conda-forge/label/dev::numpy", "t", "host/t", "numpy=2"];
    assert_eq!(with.map(in_channel), [true; 6]);
    assert_eq!(without.map(in_channel), [false; 6]);
}

/// Whatever surrounds it, and whatever it consists of.
#[test]
fn no_userinfo_survives() {
    let mut random = Random(0xC0DE);
    for _ in 0..2000 {
        let secret = |random: &mut Random| {
            // A URL with both cannot be told from one with an `@` in its path.
            let ends = random.pick(&["@", "/", "#", "?"]);
            let parts = ["S3cret", ends, ":", "'", "\"", ",", "é", "%40", "[", "]", "="];
            let rest: String = (0..random.below(4)).map(|_| random.pick(&parts)).collect();
            format!("S3cret{rest}S3cret")
        };
        let mut text = String::new();
        for _ in 0..=random.below(3) {
            let scheme = random.pick(&["https://", "http://", "git+https://", "ssh://", ""]);
            let host = random.pick(&["host", "127.0.0.1:3128", "[::1]:80", "h.example.org"]);
            let path = random.pick(&["", "/", "/simple", "/x@y", "/x?a=b@c", "/a:b"]);
            let login = format!("me:{}", secret(&mut random));
            text +=
                &format!("{scheme}{login}@{host}{path}{}", random.pick(&[" ", "\t", "\n", "  "]));
        }
        assert!(!redact(&text).contains("S3cret"), "{text}\n{}", redact(&text));
    }
}
