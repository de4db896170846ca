//! A socket that leads to the engine until it is cut: for the tool an engine that dies.

use std::{
    fs, io,
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

pub(crate) struct Cable {
    dir: tempfile::TempDir,
    /// Both ends of all connections; `None` once it is cut.
    streams: Arc<Mutex<Option<Vec<UnixStream>>>>,
}

impl Cable {
    pub(crate) fn to(engine: &Path) -> Cable {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("engine.sock")).unwrap();
        let streams = Arc::new(Mutex::new(Some(Vec::new())));
        let (all, engine) = (streams.clone(), engine.to_owned());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut all = all.lock().unwrap();
                let Some(all) = all.as_mut() else { return };
                let far = UnixStream::connect(&engine).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
                all.extend([near, far]);
            }
        });
        Cable { dir, streams }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("engine.sock")
    }

    /// Ends all connections, and accepts no other.
    pub(crate) fn cut(&self) {
        let streams = self.streams.lock().unwrap().take();
        fs::remove_file(self.socket()).unwrap();
        for it in streams.iter().flatten() {
            let _ = it.shutdown(Shutdown::Both);
        }
    }
}
