//! Servers on loopback, each with a port of its own; they end when dropped.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use crate::scratch::{Scratch, wait_until};

/// A process that is killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the repositories in the scratch folder by `git http-backend`.
pub(crate) fn http(scratch: &Scratch, flags: &[&str]) -> Server {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/secrets/http_backend.py");
    let mut child = Command::new("python3")
        .arg(script)
        .arg(scratch.path(""))
        .args(flags)
        .env("HOME", scratch.path("home"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Server { child, port: line.trim().parse().unwrap() }
}

/// Sets up AWS, for all tests of this process.
pub(crate) fn aws(scratch: &mut Scratch) {
    static PORT: OnceLock<u16> = OnceLock::new();
    let port = *PORT.get_or_init(|| {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // The server ends with this process, by the pipe that it holds.
        let script = format!(
            "moto_server --host 127.0.0.1 --port {port} >/dev/null 2>&1 & read -r _ || kill $!"
        );
        let mut server = Command::new("bash");
        let child = server.args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("bash");
        std::mem::forget(child);
        let answers = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        wait_until("moto_server does not answer; is it on PATH?", answers);
        port
    });
    scratch.set("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}"));
    scratch.set("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
    scratch.set("AWS_SECRET_ACCESS_KEY", "the person's own");
    scratch.set("AWS_DEFAULT_REGION", "us-east-1");
    scratch.set("NO_PROXY", "127.0.0.1");
    scratch.set("no_proxy", "127.0.0.1");
}
