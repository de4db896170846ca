//! Live progress on a terminal of some width, and plain lines on a pipe.

use std::{
    fs::File,
    io::Read as _,
    process::Stdio,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::pty::{Winsize, openpty};
use serde_json::json;

use crate::checkout::Checkout;

/// A terminal of some width, and the output written to it.
struct Terminal {
    width: usize,
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    /// Starts `cargo xtask` with stderr on a terminal.
    fn run(checkout: &Checkout, args: &[&str], width: u16) -> (Terminal, std::process::Child) {
        let size = Winsize { ws_row: 50, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let mut command = checkout.command(args);
        let child = command.env("TERM", "xterm").stderr(Stdio::from(pty.slave)).spawn().unwrap();
        drop(command);
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (mut master, written) = (File::from(pty.master), Arc::clone(&bytes));
        let reader = thread::spawn(move || {
            let mut chunk = [0; 4096];
            // At the end of the last writer, Linux returns EIO.
            while let Ok(length @ 1..) = master.read(&mut chunk) {
                written.lock().unwrap().extend_from_slice(&chunk[..length]);
            }
        });
        (Terminal { width: width.into(), bytes, reader }, child)
    }

    /// Returns the lines of the screen.
    fn screen(&self) -> Vec<String> {
        screen(&String::from_utf8_lossy(&self.bytes.lock().unwrap()), self.width)
    }

    fn wait_for(&self, is_there: impl Fn(&[String]) -> bool) -> Vec<String> {
        loop {
            let screen = self.screen();
            if is_there(&screen) {
                return screen;
            }
            assert!(!self.reader.is_finished(), "{screen:#?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Returns the text that a terminal of `width` shows for `text`: ECMA-48, 8.3, as far as it is used
/// here.
fn screen(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut chars = text.chars().peekable();
    while let Some(it) = chars.next() {
        match it {
            '\r' => column = 0,
            '\n' => row += 1,
            '\x1b' => {
                assert_eq!(chars.next(), Some('['), "{text:?}");
                let mut count = String::new();
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    count.push(digit);
                }
                let count = count.parse::<usize>();
                match chars.next().unwrap() {
                    'A' => row -= count.unwrap_or(1),
                    'B' => row += count.unwrap_or(1),
                    'C' => column += count.unwrap_or(1),
                    'D' => column -= count.unwrap_or(1),
                    'G' => column = count.unwrap_or(1) - 1,
                    'K' if count == Ok(2) => lines[row].clear(),
                    'K' => lines[row].truncate(column),
                    'J' => {
                        lines[row].truncate(column);
                        lines.truncate(row + 1);
                    }
                    'm' => (),
                    other => panic!("{other} in {text:?}"),
                }
            }
            it => {
                if column == width {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = it;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    let lines = lines.iter().map(|it| it.iter().collect::<String>().trim_end().to_owned());
    lines.collect()
}

#[test]
fn the_screen_is_a_terminal_s() {
    assert_eq!(screen("ab\r\ncdef\r\x1b[1Ax\n\r\x1b[2Ky", 3), ["ab", "xde", "y"]);
}

/// Returns a run in which both sides of a test hang until `go` is written.
fn held() -> Checkout {
    let mut checkout = Checkout::new();
    checkout.run(&["image-build"]).status(0);
    checkout.flaw(json!({ "on": "start --attach", "hold": true }));
    checkout
}

fn is_of(line: &str, label: &str) -> bool {
    line.starts_with(|it: char| it.is_ascii_digit()) && line.contains(label)
}

#[test]
fn both_sides_of_a_test_have_a_line() {
    for width in [40, 200] {
        let checkout = held();
        let (terminal, mut child) = Terminal::run(&checkout, &["image-test"], width);
        let screen = terminal.wait_for(|screen| {
            let live = |label: &str| screen.iter().any(|it| is_of(it, label));
            live("image-test-hello ") && live("image-test-hello-hub ")
        });
        let live = screen.iter().filter(|it| is_of(it, "image-test"));
        assert_eq!(live.count(), 2, "{screen:#?}");
        let is_whole = screen.iter().any(|it| it.contains("running the mission's tests"));
        assert_eq!(is_whole, width == 200, "{screen:#?}");
        checkout.state("go", "");
        assert!(child.wait().unwrap().success());
        terminal.reader.join().unwrap();
    }
}

/// After the end the terminal shows the output of a pipe without the steps; live lines leave
/// nothing.
#[test]
fn messages_do_not_mix_with_live_lines() {
    for width in [40, 200] {
        let checkout = Checkout::new();
        checkout.failing(&["numpy"]);
        let (terminal, mut child) = Terminal::run(&checkout, &["image-all"], width);
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let bytes = Arc::clone(&terminal.bytes);
        terminal.reader.join().unwrap();
        let text = String::from_utf8(bytes.lock().unwrap().clone()).unwrap();
        let shown = screen(&text, width.into());
        let piped = checkout.run(&["image-all"]).status(1).stderr;
        let is_step = |it: &&str| it.starts_with("image-") && it.contains(": ");
        let times = |it: &str| it.replace(|it: char| it.is_ascii_digit(), "");
        let expected: Vec<&str> = piped.lines().filter(|it| !is_step(it)).collect();
        let last = shown.iter().rev().find(|it| !it.is_empty()).unwrap();
        assert_eq!(last, "failed", "{shown:#?}");
        let has_live = shown.iter().any(|it| is_of(it, "image-"));
        assert!(!has_live, "{shown:#?}");
        for line in expected.iter().filter(|it| it.contains("numpy")) {
            let cut: String = line.chars().take(width.into()).collect();
            let is_shown = shown.iter().any(|it| times(it) == times(cut.trim_end()));
            assert!(is_shown, "{line}: {shown:#?}");
        }
    }
}

/// A pipe gets lines without control characters, one for each step.
#[test]
fn a_pipe_gets_plain_lines() {
    let done = Checkout::new().run(&["image-all"]).status(0);
    done.says("image-test-hello: running the mission's tests\n")
        .never_says("\x1b")
        .never_says("\r");
}
