use super::*;

/// Returns a value in the form that sops writes.
pub(crate) fn cipher(data: &str) -> String {
    format!("ENC[AES256_GCM,data:{data},iv:x=,tag:y==,type:str]")
}

/// Returns a file for the recipient `age1x`.
pub(crate) fn file(lines: &str) -> String {
    let mac = cipher("mac");
    format!("{lines}\nsops:\n  age:\n    - recipient: age1x\n      enc: e\n  mac: {mac}\n")
}

fn keys(keys: &[Key]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

#[test]
fn values_have_names() {
    let (a, b) = (cipher("a"), cipher("b"));
    let text = file(&format!(
        "hub:\n  a.b: {a}\n  list:\n    - {b}\n  none: null\n  empty: ''\n1: {b}\nplain: text\nx_unencrypted:\n  y: z"
    ));
    let it = EncryptedFile::parse(&text).unwrap();
    let names: Vec<Key> = it.values.keys().cloned().collect();
    assert_eq!(
        keys(&names),
        ["1", r"hub.a\.b", "hub.empty", "hub.list", "hub.none", "plain", "x_unencrypted.y"]
    );
    assert_eq!(keys(&it.plain), ["plain"]);
    assert_eq!(it.recipients.age, ["age1x"]);
    assert!(it.has(&"hub".parse().unwrap()) && !it.has(&"hu".parse().unwrap()));
    assert_eq!(value_type(&Value::from(a)), Some("str"));
}

#[test]
fn metadata_says_what_stays_plain() {
    let text = |rule: &str| file("a: x\nb_s: x") + "  " + rule + "\n";
    let plain = |rule: &str| keys(&EncryptedFile::parse(&text(rule)).unwrap().plain);
    assert_eq!(plain("encrypted_regex: ^a$"), ["a"]);
    assert_eq!(plain("unencrypted_regex: ^a$"), ["b_s"]);
    assert_eq!(plain("encrypted_suffix: _s"), ["b_s"]);
    assert_eq!(plain("unencrypted_suffix: _s"), ["a"]);
    assert_eq!(plain("encrypted_comment_regex: x"), [""; 0]);
}

#[test]
fn what_is_wrong_is_said_without_the_value() {
    for text in
        ["canary", "- canary", "a: canary", "a: [canary", "sops: canary\n", "? [canary]\n: x"]
    {
        let err = format!("{:#}", EncryptedFile::parse(text).unwrap_err());
        assert!(!err.contains("canary"), "{err}");
    }
}

#[test]
fn each_format_has_its_metadata() {
    let is = |name: &str, text: &str| is_encrypted(Path::new(name), text);
    let yaml = file("a: b");
    assert!(is("x.yaml", &yaml) && is("x", &yaml));
    assert!(is(
        "x.json",
        &format!("{{\"data\": \"x\", \"sops\": {{\"mac\": \"{}\"}}}}", cipher("m"))
    ));
    let escaped = |key: &str| format!("\"{key}\": {{\"mac\": \"{}\"}}", cipher("m"));
    for key in [r"so\x70s", r"\u0073ops", r"sop\U00000073"] {
        assert!(is("x.yaml", &escaped(key)), "{key}");
    }
    assert!(is("x.env", &format!("A=b\nsops_mac={}\n", cipher("m"))));
    assert!(is("x.ini", &format!("[a]\nb = c\n[sops]\nmac = {}\n", cipher("m"))));
    for name in ["x.yaml", "x.json", "x.env", "x.ini", "x.key"] {
        assert!(!is(name, "a: b\nsops: text\n"), "{name}");
    }
}

#[test]
fn lines_that_are_plain() {
    let (a, mac) = (cipher("a"), cipher("m"));
    let env =
        format!("# a=b\nA={a}\nB=plain\nC=\nD_unencrypted=x\nsops_version=3\nsops_mac={mac}\n");
    assert_eq!(plain_lines(&env), ["B"]);
    let ini = format!("; a = b\n[x]\na = {a}\nb = plain\n\n[sops]\nversion = 3\nmac = {mac}\n");
    assert_eq!(plain_lines(&ini), ["b"]);
}

#[test]
fn the_length_of_a_text() {
    let cipher = |data: &str, kind: &str| {
        Value::from(format!("ENC[AES256_GCM,data:{data},iv:x,tag:x,type:{kind}]"))
    };
    assert_eq!(length(&cipher("AAECAwQFBgc=", "str")), Some(8));
    assert_eq!(length(&cipher("AAEC", "str")), Some(3));
    assert_eq!(length(&cipher("AAEC", "int")), None);
    assert_eq!(length(&Value::from("plain")), None);
}
