//! A web server for programs that have no stand-in.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    thread,
};

/// Answers by path.
pub(crate) type Pages = BTreeMap<String, String>;

/// Serves answers on this machine until the tests end, and returns the address.
pub(crate) fn serve(pages: Pages) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            lines.take_while(|it| !it.is_empty()).for_each(drop);
            let path = first.split(' ').nth(1).unwrap_or_default();
            let missing = answer("404 Not Found", "");
            let _ = stream.write_all(pages.get(path).unwrap_or(&missing).as_bytes());
        }
    });
    address
}

pub(crate) fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}
