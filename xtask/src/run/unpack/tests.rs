use std::{fs, os::unix::fs::symlink};

use super::*;

const LIMITS: Limits = Limits { bytes: 100, entries: 10 };

/// A tar stream, written as a hostile container could.
struct Stream(tar::Builder<Vec<u8>>);

impl Stream {
    fn new() -> Stream {
        Stream(tar::Builder::new(Vec::new()))
    }

    /// Adds an entry with the bytes of `name` unchanged, which the library refuses to write.
    fn add(mut self, name: &str, kind: EntryType, link: &str, text: &str) -> Stream {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(text.len() as u64);
        header.set_mode(0o4777);
        header.set_cksum();
        self.0.append(&header, text.as_bytes()).unwrap();
        self
    }

    fn file(self, name: &str, text: &str) -> Stream {
        self.add(name, EntryType::Regular, "", text)
    }

    fn unpack(self, dir: &Path) -> anyhow::Result<Vec<String>> {
        unpack(
            crate::run::process::Permit::of_test(),
            &mut self.0.into_inner().unwrap().as_slice(),
            dir,
            LIMITS,
        )
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let outside = tempfile::tempdir().unwrap();
    let dir = outside.path().join("results");
    (outside, dir)
}

#[test]
fn files_and_folders_are_unpacked_without_their_modes() {
    let (_outside, dir) = place();
    let stream = Stream::new().add("./", EntryType::Directory, "", "");
    let left_out = stream.file("./a/b.txt", "text").file("c", "").unpack(&dir).unwrap();
    assert_eq!(left_out, [""; 0]);
    assert_eq!(fs::read_to_string(dir.join("a/b.txt")).unwrap(), "text");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(fs::metadata(dir.join("c")).unwrap().permissions().mode() & 0o7000, 0);
}

#[test]
fn a_copied_link_leads_nowhere() {
    let (outside, dir) = place();
    let target = outside.path().join("hooks");
    fs::create_dir(&target).unwrap();
    let link = target.to_str().unwrap();
    let left_out = Stream::new()
        .add("out", EntryType::Symlink, link, "")
        .file("out/post-commit", "#!/bin/sh")
        .add("hard", EntryType::Link, "/etc/passwd", "")
        .add("fifo", EntryType::Fifo, "", "")
        .add("null", EntryType::Char, "", "")
        .unpack(&dir)
        .unwrap();
    assert_eq!(left_out.len(), 4, "{left_out:?}");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(dir.join("out/post-commit")).unwrap(), "#!/bin/sh");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
}

#[test]
fn names_that_lead_elsewhere_are_left_out() {
    let (outside, dir) = place();
    let left_out = Stream::new()
        .file("../up", "x")
        .file("/tmp/absolute", "x")
        .file("a/../../up", "x")
        .file("colour\x1b[31m", "x")
        .file("twice", "first")
        .file("twice", "second")
        .file("twice/below", "x")
        .unpack(&dir)
        .unwrap();
    assert_eq!(left_out.len(), 6, "{left_out:?}");
    assert!(!left_out.concat().contains('\x1b'));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(dir.join("twice")).unwrap(), "first");
}

#[test]
fn a_link_in_place_of_the_folder_is_removed() {
    let (outside, dir) = place();
    fs::create_dir(outside.path().join("kept")).unwrap();
    crate::run::files::write(
        crate::run::process::Permit::of_test(),
        &outside.path().join("kept/file"),
        b"mine",
    )
    .unwrap();
    symlink(outside.path().join("kept"), &dir).unwrap();
    Stream::new().file("file", "theirs").unpack(&dir).unwrap();
    assert_eq!(fs::read_to_string(outside.path().join("kept/file")).unwrap(), "mine");
}

#[test]
fn limits_end_the_copy() {
    let (_outside, dir) = place();
    let large = Stream::new().file("a", &"x".repeat(60)).file("b", &"x".repeat(60));
    assert!(format!("{:#}", large.unpack(&dir).unwrap_err()).contains("more than 0 MB"));
    let many = (0..11).fold(Stream::new(), |stream, it| stream.file(&it.to_string(), ""));
    assert!(format!("{:#}", many.unpack(&dir).unwrap_err()).contains("more than 10 files"));
    assert!(Stream::new().add("sparse", EntryType::GNUSparse, "", "").unpack(&dir).is_err());
    // Declared, but never sent.
    let mut header = tar::Header::new_gnu();
    header.set_size(3_000_000_000);
    header.set_cksum();
    assert!(
        unpack(
            crate::run::process::Permit::of_test(),
            &mut header.as_bytes().as_slice(),
            &dir,
            LIMITS
        )
        .is_err()
    );
}
