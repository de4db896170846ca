use serde_json::json;

use super::*;

fn layer(file: &str, text: &str) -> Layer {
    let source = Source { file: file.into(), is_secret: file.starts_with("secrets") };
    Layer { source, text: text.to_owned() }
}

fn merged(texts: &[(&str, &str)]) -> Values {
    let layers = texts.iter().map(|(file, text)| layer(file, text)).collect();
    Values::merged(layers).unwrap()
}

fn found(file: &str, text: &str) -> Vec<String> {
    let findings = Values::merged(vec![layer(file, text)]).unwrap_err();
    let line = |it: &Finding| it.line.map_or_else(|| "-".to_owned(), |it| it.to_string());
    findings.iter().map(|it| format!("{}: {}", line(it), it.what)).collect()
}

#[test]
fn maps_merge_and_the_rest_is_replaced() {
    let values = merged(&[
        (
            "a",
            "singleuser:\n  memory: {limit: 1G, guarantee: 512M}\n  profileList: [a, b]\nx: 1\nz: {a: 1}\n",
        ),
        ("b", "singleuser:\n  memory:\n    limit: 2G\n  profileList:\n    - c\nx: null\nz: 2\n"),
        ("c", "z: {w: []}\n"),
    ]);
    let expected = json!({
        "singleuser": {"memory": {"limit": "2G", "guarantee": "512M"}, "profileList": ["c"]},
        "x": null, "z": {"w": []}
    });
    assert_eq!(values.json(), expected);
    let at = |path: &str| {
        let At { source, line } = &values.get(path).unwrap().at;
        format!("{}:{line}", source.file.to_string_lossy())
    };
    assert_eq!(at("singleuser.memory.limit"), "b:3");
    assert_eq!(at("singleuser.memory.guarantee"), "a:2");
    let replaced: Vec<_> = values.replaced.iter().map(|it| (it.key.as_str(), it.items)).collect();
    assert_eq!(replaced, [("singleuser.profileList", 2)]);
    assert!(values.get("singleuser.cmd").is_none() && values.get("x.y").is_none());
}

#[test]
fn own_settings_are_no_values() {
    let values = merged(&[
        ("a", "xtask: {kubernetes: {namespace: a, context: c}}\n"),
        ("b", "xtask: {kubernetes: {namespace: b}}\nhub: {}\n"),
    ]);
    assert_eq!(values.json(), json!({"hub": {}}));
    let own = values.own.unwrap();
    assert_eq!(own.json(), json!({"kubernetes": {"namespace": "b", "context": "c"}}));
}

#[test]
fn what_the_tool_sets_is_above_all_layers() {
    let set = json!({"singleuser": {"image": {"name": "r", "tag": "t"}}});
    let layers = vec![layer("a", "singleuser: {image: {name: x, pullPolicy: Always}}\n")];
    let values = Values::merged(layers).unwrap().with(&set);
    let image = json!({"name": "r", "tag": "t", "pullPolicy": "Always"});
    assert_eq!(values.get("singleuser.image").unwrap().json(), image);
}

#[test]
fn readers_of_yaml_agree_or_there_is_a_finding() {
    assert_eq!(
        found("a", "a:\n  b: yes\n  c: [1, 0644]\n  d: \"no\"\non: 1\n"),
        [
            "2: `a.b`: `yes` is a boolean to some YAML readers and text to others",
            "3: `a.c[1]`: `0644` is an octal number to some YAML readers and text to others",
            "5: `on` is a boolean to some YAML readers and text to others",
        ]
    );
    assert_eq!(
        found("a", "a:\n  b: 1\n  c: 2\n  b: 3\n"),
        ["4: `a.b`: a duplicate key; the first is in line 2"]
    );
    assert_eq!(
        found("a", "a: &x 1\nb: *x\nc: !!str 1\n"),
        [
            "1: `a`: an anchor (`&name`) is not supported",
            "2: `b`: an alias (`*name`) is not supported",
            "3: `c`: a tag (`!name`) is not supported",
        ]
    );
    for text in ["", "# only\n", "null\n", "---\n"] {
        assert_eq!(found("a", text), ["-: an empty values file, which helm accepts"], "{text}");
    }
    assert_eq!(found("a", "- a\n"), ["1: not a mapping of keys to values"]);
    assert_eq!(found("a", "a: 1\n---\na: 2\n"), ["2: a second YAML document, which helm ignores"]);
    assert_eq!(found("a", &"- ".repeat(5000)).len(), 1);
    assert_eq!(found("a", "1: a\n"), ["1: a key that is not text"]);
    assert!(found("a", "a: [1\n").len() == 1 && found("a", "a:\n\tb: 1\n").len() == 1);
}

#[test]
fn findings_hold_no_secret() {
    for text in ["a: 0042\n", "a: [hunter2\n", "a: {hunter2: 1\nb", "a: &hunter2 1\n", "\thunter2"]
    {
        let found = found("secrets/x/prod.yaml", text).join("\n");
        assert!(!found.contains("hunter2") && !found.contains("0042"), "{found}");
    }
}
