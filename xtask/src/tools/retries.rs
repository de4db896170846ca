//! Retries for registries that are busy, down or silent: time limits and number of attempts.

use std::{
    env, fmt, thread,
    time::{Duration, Instant},
};

use crate::run::process;

/// Time a registry may show no progress.
const PATIENCE: Duration = Duration::from_secs(60);

/// First pause between two attempts; later ones are longer.
const PAUSE: Duration = Duration::from_secs(3);

/// Number of attempts.
const ATTEMPTS: u32 = 3;

/// Returns [`PATIENCE`], or the value a test sets: `XTASK_PATIENCE=300`, in milliseconds.
pub(crate) fn patience() -> Duration {
    millis("XTASK_PATIENCE").unwrap_or(PATIENCE)
}

/// Returns a value that a test sets in the environment, in milliseconds.
fn millis(name: &str) -> Option<Duration> {
    let millis = env::var(name).ok()?.parse().ok()?;
    Some(Duration::from_millis(millis))
}

/// How an attempt failed.
pub(crate) enum FailedAttempt {
    /// Message of the failure.
    Said(String),
    /// No progress for as long as [`patience`].
    Hangs,
}

impl FailedAttempt {
    /// Returns the message; `hangs` is that of an attempt without progress for so many seconds.
    pub(crate) fn text(self, hangs: impl FnOnce(u64) -> String) -> String {
        match self {
            FailedAttempt::Said(text) => text,
            FailedAttempt::Hangs => hangs(patience().as_secs()),
        }
    }
}

/// A registry that refuses, or does not answer.
#[derive(Debug)]
pub(crate) struct Unanswered(pub(crate) String);

impl std::error::Error for Unanswered {}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unanswered(text) = self;
        let has_fix = text.lines().any(|it| it.trim_start().starts_with("fix: "));
        match (has_fix, self.is_refusal()) {
            (true, _) => f.write_str(text),
            (_, true) => write!(
                f,
                "{text}\n    fix: `docker login` to this registry as a user who may, or correct its name"
            ),
            (_, false) => write!(
                f,
                "{text}\n    fix: check the registry's name and the network (`cargo xtask doctor` looks at both), and run it again"
            ),
        }
    }
}

impl Unanswered {
    /// Returns whether the registry answers other users, or about other names.
    pub(crate) fn is_refusal(&self) -> bool {
        let said = self.0.to_lowercase();
        // A file or a socket of this machine, and a proxy.
        if ["permission denied", "tunnel failed", "proxyconnect"].iter().any(|it| said.contains(it))
        {
            return false;
        }
        REFUSED.iter().any(|it| has_word(&said, it))
    }
}

/// Makes `attempt` up to three times, as long as waiting may help. Returns its result, or how the
/// last attempt failed.
pub(crate) fn attempts<T>(
    mut attempt: impl FnMut() -> anyhow::Result<Result<T, FailedAttempt>>,
) -> anyhow::Result<Result<T, FailedAttempt>> {
    let mut made = 1;
    loop {
        match attempt()? {
            Err(failed) if made < ATTEMPTS && failed.may_pass() => pause(made)?,
            res => return Ok(res),
        }
        made += 1;
    }
}

/// Waits after the attempt with this number.
fn pause(made: u32) -> anyhow::Result<()> {
    let end = Instant::now() + millis("XTASK_PAUSE").unwrap_or(PAUSE) * made;
    while Instant::now() < end {
        process::check_interrupted()?;
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Words of registries and docker about a login that is missing, or may not do this.
const REFUSED: &[&str] = &[
    "401",
    "403",
    "unauthorized",
    "forbidden",
    "denied",
    "no basic auth",
    "authentication required",
];

/// Words of final refusals: a retry would get the same answer. Statuses, and the words of
/// registries and docker.
const FINAL: &[&str] = &[
    "401",
    "403",
    "404",
    "unauthorized",
    "denied",
    "no basic auth",
    "authentication required",
    "not found",
    "unknown",
    "no such host",
    "connection refused",
];

/// RFC 6585, 4 (429), RFC 9110, 15.6 (5xx), in docker's words, and broken connections.
const PASSING: &[&str] = &[
    "429",
    "toomanyrequests",
    "too many requests",
    "500",
    "502",
    "503",
    "504",
    "internal server error",
    "bad gateway",
    "service unavailable",
    "gateway timeout",
    "timeout",
    "timed out",
    "deadline exceeded",
    "connection reset",
    "unexpected eof",
    "broken pipe",
];

impl FailedAttempt {
    fn may_pass(&self) -> bool {
        match self {
            FailedAttempt::Hangs => true,
            FailedAttempt::Said(text) => may_pass(text),
        }
    }
}

/// Returns whether a retry may help after this message of a registry.
fn may_pass(said: &str) -> bool {
    let said = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|it| has_word(&said, it));
    says(PASSING) && !says(FINAL)
}

/// Returns whether `text` contains `word` by itself, not as a part of a longer number or word.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|it| it.is_ascii_alphanumeric());
    text.match_indices(word).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + word.len()..]);
        !is_part(before.chars().next_back()) && !is_part(after.chars().next())
    })
}

#[test]
fn each_has_its_fix() {
    let fix = |said: &str| Unanswered(said.to_owned()).to_string();
    for said in ["unauthorized: a", "no basic auth credentials", "status 403", "denied: b"] {
        assert!(fix(said).contains("fix: `docker login`"), "{said}");
    }
    for said in [
        "no such host",
        "prefix: b",
        "status 503",
        "sha256:403aa",
        "connection refused",
        "open /root/.docker/config.json: permission denied",
        "CONNECT tunnel failed, response 403",
    ] {
        assert!(fix(said).contains("fix: check the registry"), "{said}");
    }
    assert_eq!(fix("a\nfix: b"), "a\nfix: b");
}

#[test]
fn what_may_pass() {
    for said in [
        "received unexpected HTTP status: 503 Service Unavailable",
        "toomanyrequests: You have reached your pull rate limit",
        "Get \"https://quay.io/v2/\": net/http: TLS handshake timeout",
        "error parsing HTTP 429 response body: too many requests",
        "read tcp 10.0.0.1:5000: read: connection reset by peer",
    ] {
        assert!(may_pass(said), "{said}");
    }
    for said in [
        "no basic auth credentials",
        "unauthorized: access to the requested resource is not authorized",
        "denied: requested access to the resource is denied",
        "received unexpected HTTP status: 403 Forbidden",
        "name unknown: repository not found, after a timeout",
        "dial tcp 127.0.0.1:1: connect: connection refused",
        "sha256:500aa2429ffe: a digest and no status",
        "x509: certificate signed by unknown authority",
    ] {
        assert!(!may_pass(said), "{said}");
    }
}
