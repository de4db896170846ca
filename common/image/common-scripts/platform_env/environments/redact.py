"""Finds and hides credentials in text. `cargo xtask` does the same
(redact.rs); both read redact_cases.json."""

import re
from collections.abc import Iterator

# Separators of words, like Rust's split_whitespace.
_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_WORD = re.compile("[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_TOKENS = (
    "AGE-SECRET-KEY-",
    "AKIA",
    "ASIA",
    "dckr_pat_",
    "ghp_",
    "gho_",
    "ghr_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "hf_",
    "pypi-AgE",
    "xoxb-",
    "xoxp-",
)
_CAPITALS = ("AGE-SECRET-KEY-", "AKIA", "ASIA")
# Characters before a user's name: HTTP_PROXY=user:password@host.
_DELIMITERS = ",;=\"'`(<>{|"
_NAME = re.compile(r"[^:/@,;=\"'`(<>{|]*:(?!//)")

_ASSIGNED = re.compile(r"(?<![^\W_])([A-Z0-9_]+)=")
# Parts of the names of variables with secrets, and last parts of names that only point to one.
_SECRET = {
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "SECRET",
    "TOKEN",
}
_KEYS = re.compile("(ACCESS|API|AUTH|ENCRYPTION|PRIVATE|SIGNING)_KEY")
_POINTERS = {"DIR", "FILE", "ID", "LENGTH", "NAME", "PATH", "TYPE", "URL"}
_AUTHORITY = re.compile("[^/?#]*")

Range = tuple[int, int]


def redact(text: str) -> str:
    """Returns the text with `…` in the place of each user, password, token and secret value."""
    return _replace(text, list(_hidden(text)), "…")


def without_login(url: str) -> str:
    """Returns the URL without its login."""
    return _replace(url, [(start, end + 1) for start, end in userinfos(url)], "")


def bare_channel(url: str) -> str:
    """Returns a channel's URL without a login and without conda's token."""
    tokens = [(start - len("/t/"), end) for start, end in _channel_tokens(url)]
    return without_login(_replace(url, tokens, ""))


def userinfos(text: str) -> list[Range]:
    """Returns the ranges of URLs' users and passwords; ssh's `git` alone does not count."""
    return [
        (word.start() + start, word.start() + end)
        for word in _WORD.finditer(text)
        for start, end in _userinfos(word[0])
    ]


def in_channel(text: str) -> bool:
    """Returns whether a conda channel, or a conda line with one, holds a password or a token."""
    return redact(text) != text or any(
        re.search("(?:^|/)t/[^/]", word[0]) for word in _WORD.finditer(text)
    )


def _is_secret_name(name: str) -> bool:
    parts = name.split("_")
    return bool(_SECRET.intersection(parts) or _KEYS.search(name)) and parts[-1] not in _POINTERS


def _values(text: str) -> Iterator[Range]:
    """Yields the ranges of the values of NAME=value whose names mark them as secrets."""
    done = 0
    for found in _ASSIGNED.finditer(text):
        if found.end() <= done or not _is_secret_name(found[1]):
            continue
        before, start = text[max(found.start() - 1, 0) : found.start()], found.end()
        quote = text[start : start + 1]
        if quote in ("'", '"'):
            start += 1
        else:
            quote = before
        closing = re.compile(quote) if quote in ("'", '"') else _SPACE
        end = closing.search(text, start)
        done = end.start() if end else len(text)
        yield start, done


def _hidden(text: str) -> Iterator[Range]:
    yield from _values(text)
    for word in _WORD.finditer(text):
        for find in (_userinfos, _schemeless, _channel_tokens, _tokens):
            for start, end in find(word[0]):
                yield word.start() + start, word.start() + end


def _userinfos(word: str) -> Iterator[Range]:
    for scheme in re.finditer("://", word):
        end = _end_of_userinfo(word, scheme.end())
        if end is None or (
            word.endswith("ssh://", 0, scheme.end()) and word[scheme.end() : end] == "git"
        ):
            continue
        yield scheme.end(), end


def _end_of_userinfo(word: str, start: int) -> int | None:
    """Returns the end of a URL's userinfo that begins at `start` without its scheme."""
    found = _AUTHORITY.match(word, start)
    authority, end = (found[0], found.end()) if found else ("", start)
    if "@" in authority:
        return start + authority.rindex("@")
    # A password with one of these characters: the text after the colon is not a port.
    port = authority.partition(":")[2]
    is_port = authority.startswith("[") or re.fullmatch("[0-9]*", port)
    is_cut_off = word.startswith(("?", "#"), end)
    last = word.rfind("@")
    return last if (not is_port or is_cut_off) and last > start else None


def _schemeless(word: str) -> Iterator[Range]:
    """Yields the range of user:password in user:password@host; not in name:tag@sha256:…."""
    ats = [it.start() for it in re.finditer("@(?!sha256:|<)", word)]
    if not ats:
        return
    starts = [0, *(at + 1 for at, it in enumerate(word) if it in _DELIMITERS)]
    for start in starts:
        if start < ats[-1] and _NAME.match(word, start, ats[-1]):
            yield start, ats[-1]
            return


def _channel_tokens(word: str) -> Iterator[Range]:
    """Yields the range of the token in a conda channel's URL https://host/t/TOKEN/channel."""
    if "://" in word:
        for found in re.finditer("/t/", word[word.index("://") :]):
            start = word.index("://") + found.end()
            end = word.find("/", start)
            yield start, len(word) if end < 0 else end


def _tokens(word: str) -> Iterator[Range]:
    """Yields the ranges of tokens of well-known services."""
    for prefix in _TOKENS:
        if prefix in _CAPITALS:
            rest = "[A-Z0-9]{16,}"
        else:
            rest = "[A-Za-z0-9_-]{16,}" if prefix.endswith("-") else "[A-Za-z0-9_]{16,}"
        for found in re.finditer(f"(?<![A-Za-z0-9]){prefix}{rest}", word):
            yield found.span()


def _replace(text: str, ranges: list[Range], new: str) -> str:
    """Returns the text with `new` in the place of each range; ranges may overlap."""
    result, done = "", 0
    for start, end in sorted(it for it in ranges if it[0] < it[1]):
        if start >= done:
            result += text[done:start] + new
        done = max(done, end)
    return result + text[done:]
