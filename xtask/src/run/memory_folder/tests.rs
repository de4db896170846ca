use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{MEMORY, MemoryFolder, OF_SECRETS, OF_TESTS, sweep};

#[test]
fn a_folder_is_private_and_goes() {
    let folder = MemoryFolder::new().unwrap();
    let file = folder.file("x", "text").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(folder.path()), mode(&file)), (0o700, 0o600));
    let path = folder.path().to_owned();
    drop(folder);
    assert!(!path.exists());
}

#[test]
fn a_panic_removes_it_too() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let folder = MemoryFolder::new().unwrap();
        sender.send(folder.path().to_owned()).unwrap();
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    assert!(!receiver.recv().unwrap().exists());
}

#[test]
fn a_sweep_takes_what_nobody_owns() {
    let owned = MemoryFolder::new().unwrap();
    let tests = MemoryFolder::with_prefix(OF_TESTS).unwrap();
    let left = [OF_SECRETS, OF_TESTS].map(|prefix| {
        std::path::Path::new(MEMORY).join(format!("{prefix}left-{}", std::process::id()))
    });
    left.iter().for_each(|it| fs::create_dir(it).unwrap());
    sweep(crate::run::process::Permit::of_test()).unwrap();
    assert!(owned.path().is_dir() && tests.path().is_dir());
    assert!(left.iter().all(|it| !it.exists()));
}

#[test]
fn the_files_of_tests_need_room() {
    assert!(MemoryFolder::for_tests(u64::MAX).is_none());
}
