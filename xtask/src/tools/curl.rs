//! curl: requests to registries, many at once. Its configuration goes through a pipe and answers
//! into memory, so that no credential is in a process list or on a disk.
//! Reference: <https://curl.se/docs/manpage.html>.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail, ensure};
use fs_err as fs;

use crate::{
    run::{
        failure::Failure,
        memory_folder::MemoryFolder,
        process::{self, Change, Cmd, Permit, cmd},
    },
    tools::retries::{self, FailedAttempt, patience},
};

/// Number of requests of one process.
const BATCH: usize = 100;

/// Limits of answers.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Largest body in bytes.
    bytes: usize,
    /// Time for a batch of requests, in multiples of [`patience`].
    patience: u32,
}

const USUAL: Limits = Limits { bytes: 8_000_000, patience: 1 };

/// Limit of a large file's body in bytes: it fits in the 64 MiB that a container has in memory by
/// default.
pub(crate) const LARGEST_FILE: usize = 60_000_000;

/// Limits of [`get_large`].
const LARGE: Limits = Limits { bytes: LARGEST_FILE, patience: 5 };

/// Starts a program whose files end at the limit, a number of blocks: curl itself limits an
/// answer that does not tell its length only since 8.4. Writing fails instead of ending the program,
/// and with it all other requests.
const LIMITED: &str = "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"";

/// Bytes of a block of `ulimit`.
const BLOCK: usize = 512;

/// Network of the requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    /// Working directory of curl.
    pub(crate) dir: PathBuf,
    /// Certificates in place of the system's.
    pub(crate) ca_bundle: Option<PathBuf>,
    /// `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
    pub(crate) proxies: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) url: String,
    /// Lines `Name: value`.
    pub(crate) headers: Vec<String>,
    /// Text that is sent, if any.
    pub(crate) body: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Header fields of the last answer, after redirects; names in lower case.
    headers: Vec<(String, String)>,
    /// Empty if it is too large.
    pub(crate) body: Vec<u8>,
    pub(crate) is_too_large: bool,
}

impl Answer {
    /// Returns the value of a header field, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// Returns whether this machine has curl.
pub(crate) fn is_installed() -> bool {
    process::on_path("curl")
}

/// Returns the answers to `requests`, in their order. Redirects are followed, without credentials
/// for another host.
///
/// # Errors
/// curl is not installed, or a server does not answer; a refusal is an [`Answer`].
pub(crate) fn get(network: &Network, requests: &[Request]) -> anyhow::Result<Vec<Answer>> {
    all(network, "GET", requests, USUAL, &Change::only_reads)
}

/// Returns the answer to a request for a large file, like [`get`].
pub(crate) fn get_large(network: &Network, request: Request) -> anyhow::Result<Answer> {
    Ok(all(network, "GET", &[request], LARGE, &Change::only_reads)?.remove(0))
}

/// Returns the answers to requests that delete what their URLs name, like [`get`].
pub(crate) fn delete(
    permit: Permit,
    network: &Network,
    requests: &[Request],
) -> anyhow::Result<Vec<Answer>> {
    all(network, "DELETE", requests, USUAL, &|it| it.permitted(permit))
}

/// Returns the answers to requests that store their bodies under their URLs, like [`get`].
pub(crate) fn put(
    permit: Permit,
    network: &Network,
    requests: &[Request],
) -> anyhow::Result<Vec<Answer>> {
    all(network, "PUT", requests, USUAL, &|it| it.permitted(permit))
}

fn all(
    network: &Network,
    method: &str,
    requests: &[Request],
    limits: Limits,
    runnable: &dyn Fn(Change) -> Cmd,
) -> anyhow::Result<Vec<Answer>> {
    if !is_installed() {
        let (text, fix) = ("curl is not on PATH".to_owned(), "install it".to_owned());
        return Err(Failure::Machine { text, fix }.into());
    }
    let batches = requests.chunks(BATCH).map(|it| batch(network, method, it, limits, runnable));
    Ok(batches.collect::<anyhow::Result<Vec<_>>>()?.concat())
}

fn batch(
    network: &Network,
    method: &str,
    requests: &[Request],
    limits: Limits,
    runnable: &dyn Fn(Change) -> Cmd,
) -> anyhow::Result<Vec<Answer>> {
    let within: Duration = patience() * limits.patience;
    let blocks = (limits.bytes / BLOCK + 1).to_string();
    let answers = retries::attempts(|| {
        let folder = MemoryFolder::new()?;
        for (at, body) in
            requests.iter().enumerate().filter_map(|(at, it)| Some((at, it.body.as_ref()?)))
        {
            folder.file(&format!("{at}.body"), body)?;
        }
        let mut curl = cmd!(
            network.dir,
            "sh -c {LIMITED} {blocks} curl --disable --silent --no-progress-meter --show-error --parallel --config -"
        )
        .stdin(config(network, method, requests, limits, folder.path()));
        for (name, value) in &network.proxies {
            curl = curl.secret_env(name, value);
        }
        let cmd = runnable(curl);
        let Some(output) = process::output_within(&cmd, within)? else {
            return Ok(Err(FailedAttempt::Hangs));
        };
        let read = |at| answer(folder.path(), at, limits.bytes);
        let answers: anyhow::Result<Vec<Answer>> = (0..requests.len()).map(read).collect();
        let said = process::last_lines(&output.stderr, 3);
        Ok(answers.map_err(|err| {
            // What curl says is the reason.
            FailedAttempt::Said(if said.is_empty() { format!("{err:#}") } else { said })
        }))
    })?;
    answers
        .map_err(|it| anyhow!(it.text(|_| format!("curl: no answer for {} s", within.as_secs()))))
}

/// Returns the configuration, a block for each request; `folder` gets the answers.
fn config(
    network: &Network,
    method: &str,
    requests: &[Request],
    limits: Limits,
    folder: &Path,
) -> String {
    let mut res = String::new();
    for (at, request) in requests.iter().enumerate() {
        if at > 0 {
            res += "next\n";
        }
        res += "location\ngloboff\nmax-redirs = 5\nproto = \"=http,https\"\nconnect-timeout = 30\n";
        let mut line = |name: &str, value: &str| res += &format!("{name} = {}\n", quoted(value));
        line("max-filesize", &limits.bytes.to_string());
        if method != "GET" {
            line("request", method);
        }
        line("url", &request.url);
        request.headers.iter().for_each(|it| line("header", it));
        if request.body.is_some() {
            let file = folder.join(format!("{at}.body"));
            line("data-binary", &format!("@{}", file.to_string_lossy()));
        }
        line("output", &folder.join(at.to_string()).to_string_lossy());
        line("dump-header", &folder.join(format!("{at}.head")).to_string_lossy());
        if let Some(file) = &network.ca_bundle {
            line("cacert", &file.to_string_lossy());
        }
        if request.url.starts_with("http://") {
            line("noproxy", "*");
        }
    }
    res
}

/// Returns a value as curl's configuration reads it.
fn quoted(value: &str) -> String {
    let mut res = String::from('"');
    for it in value.chars() {
        match it {
            '"' | '\\' => res.extend(['\\', it]),
            '\n' => res += "\\n",
            '\r' => res += "\\r",
            _ => res.push(it),
        }
    }
    res + "\""
}

fn answer(folder: &Path, at: usize, largest: usize) -> anyhow::Result<Answer> {
    let head = fs::read(folder.join(format!("{at}.head"))).context("no answer")?;
    let (status, headers) = last_head(&String::from_utf8_lossy(&head))?;
    // curl makes no file for an empty body.
    let body = folder.join(at.to_string());
    let mut bytes = Vec::new();
    if body.exists() {
        fs::File::open(body)?.take(largest as u64 + 1).read_to_end(&mut bytes)?;
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: Option<usize> = length.and_then(|(_, value)| value.parse().ok());
    if bytes.len() > largest || length.is_some_and(|it| it > largest) {
        return Ok(Answer { status, headers, body: Vec::new(), is_too_large: true });
    }
    ensure!(length.is_none_or(|it| it == bytes.len()), "an incomplete answer");
    Ok(Answer { status, headers, body: bytes, is_too_large: false })
}

/// Returns the status and the header fields of the last answer: redirects and proxies come first.
fn last_head(text: &str) -> anyhow::Result<(u16, Vec<(String, String)>)> {
    let (mut status, mut headers) = (None, Vec::new());
    for line in text.lines() {
        if line.starts_with("HTTP/") {
            status = line.split(' ').nth(1).and_then(|it| it.parse().ok());
            headers.clear();
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    match status {
        Some(status) => Ok((status, headers)),
        None => bail!("not an HTTP answer"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use expect_test::expect;

    use super::{BLOCK, LIMITED, Network, Request, USUAL, answer, config, last_head};
    use crate::run::process::{self, query};

    #[test]
    fn a_block_for_each_request() {
        let request = |url: &str, headers: &[&str]| Request {
            url: url.to_owned(),
            headers: headers.iter().map(|&it| it.to_owned()).collect(),
            body: None,
        };
        let requests = [
            request("https://a/b", &["A: \"b\\c\"\nurl = x"]),
            request("http://127.0.0.1:5/", &[]),
        ];
        let network = Network { ca_bundle: Some("/ca".into()), ..Network::default() };
        expect![[r#"
            location
            globoff
            max-redirs = 5
            proto = "=http,https"
            connect-timeout = 30
            max-filesize = "8000000"
            url = "https://a/b"
            header = "A: \"b\\c\"\nurl = x"
            output = "/f/0"
            dump-header = "/f/0.head"
            cacert = "/ca"
            next
            location
            globoff
            max-redirs = 5
            proto = "=http,https"
            connect-timeout = 30
            max-filesize = "8000000"
            url = "http://127.0.0.1:5/"
            output = "/f/1"
            dump-header = "/f/1.head"
            cacert = "/ca"
            noproxy = "*"
        "#]]
        .assert_eq(&config(&network, "GET", &requests, USUAL, Path::new("/f")));
        let put = Request { body: Some("{}".to_owned()), ..request("https://a/b", &[]) };
        let put = config(&network, "PUT", &[put], USUAL, Path::new("/f"));
        assert!(
            put.contains("request = \"PUT\"\nurl = ")
                && put.contains("data-binary = \"@/f/0.body\"\n")
        );
        let deletes = config(&network, "DELETE", &requests, USUAL, Path::new("/f"));
        assert_eq!(deletes.matches("request = \"DELETE\"\nurl = ").count(), 2);
    }

    #[test]
    fn a_file_ends_at_the_limit_and_its_program_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let script =
            format!("printf '{head}' > 0.head; head -c 20000000 /dev/zero > 0; echo after");
        let (dir, words) = (folder.path(), ["sh", "-c", &script]);
        let (largest, blocks) = (USUAL.bytes, (USUAL.bytes / BLOCK + 1).to_string());
        let output = process::output(&query!(dir, "sh -c {LIMITED} {blocks} {words...}")).unwrap();
        assert_eq!(output.stdout, "after\n");
        let size = dir.join("0").metadata().unwrap().len();
        assert!(size > largest as u64 && size < 2 * largest as u64, "{size}");
        let answer = answer(dir, 0, largest).unwrap();
        assert!(answer.is_too_large && answer.body.is_empty());
    }

    #[test]
    fn the_last_of_several_heads() {
        let text = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\n\r\nHTTP/2 200\r\nDocker-Content-Digest: sha256:a\r\n\r\n";
        let headers = vec![("docker-content-digest".to_owned(), "sha256:a".to_owned())];
        assert_eq!(last_head(text).unwrap(), (200, headers));
        for damaged in ["", "HTTP/1.1", "HTTP/1.1 ok", "Location: x"] {
            assert!(last_head(damaged).is_err(), "{damaged}");
        }
    }
}
