//! What the documents point at is there.

use std::{fs, path::Path};

/// The targets of Markdown's links in `text`, but those that lead out of the repository.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|it| Some(it.split_once(')')?.0));
    targets.filter(|it| !it.contains("://"))
}

/// The anchor that a heading of a document has.
fn anchor(heading: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|c| plain(*c)).collect()
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files: Vec<_> =
        fs::read_dir(root.join("docs")).unwrap().map(|it| it.unwrap().path()).collect();
    files.push(root.join("README.md"));
    let mut seen = 0;
    for file in files.iter().filter(|it| it.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(file).unwrap();
        for link in links(&text) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { file.clone() } else { file.with_file_name(path) };
            assert!(target.exists(), "{}: {link}", file.display());
            if !fragment.is_empty() {
                let target = fs::read_to_string(target).unwrap();
                let mut headings = target.lines().filter(|it| it.starts_with('#'));
                assert!(headings.any(|it| anchor(it) == fragment), "{}: {link}", file.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 2, "the documents have links");
}
