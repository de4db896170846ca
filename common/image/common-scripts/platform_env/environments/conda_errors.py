"""Errors that conda prints: each message once, with the spec lines that it names."""

import itertools
import re
from collections.abc import Sequence

from .specs import Line, channel_lines, conda_name

# An error begins with the name of its class; a report of an unexpected one with a ruler.
_BEGINNING = re.compile(r"(?=\w*[a-z][A-Z])(?!\w*Warning)[A-Z]\w+:|# >>>>>|Traceback ")
# Errors about the request as a whole, which may name no package.
_REQUEST = re.compile(r"\w*(Unsatisfiable|Spec|Plugin)\w*:")
# The exception in a report, between the traceback's frames and the command line.
_REPORT = re.compile(r"# >>>>>.*\n\s*(\w+(?:Error|Exception)\b.*?)\n\s*`\$ ", re.DOTALL)
_FOLDERS = re.compile(r"\w+://\S*/")
_CHANNEL = re.compile(r"for channel (\S+)")
_URL = re.compile(r"<(\w+://[^>\s]+)>")
_WORD = re.compile(r"[A-Za-z0-9_][\w.!+-]*")
_ARCHIVE = re.compile(r"(.+)-[^-]*\d[^-]*-[^-]+")


def begins(line: str) -> bool:
    """Returns whether an error begins in that line of conda's output."""
    return bool(_BEGINNING.match(line))


def once(lines: Sequence[str]) -> str:
    """Returns each paragraph once: conda repeats some for every attempt and package."""
    text = "\n".join(line for line, _ in itertools.groupby(lines))
    unique: dict[str, str] = {}
    for paragraph in re.split(r"\n\s*\n", text):
        unique.setdefault(paragraph.strip(), paragraph.strip("\n"))
    return "\n\n".join(text for key, text in unique.items() if key)


def about(message: str, lines: Sequence[Line]) -> list[Line]:
    """Returns the lines about packages that a message names."""
    if found := _REPORT.match(message):
        # conda did not expect the error: the exception may name a version or build alone.
        parts = _words(found[1])
        return [line for line in lines if parts & _words(line.text)]
    words = _words(_FOLDERS.sub(" ", message).lower())
    words |= {found[1] for word in words if (found := _ARCHIVE.fullmatch(word))}
    named = [line for line in lines if conda_name(line) in words]
    return named or (list(lines) if _REQUEST.match(message) else [])


def about_channels(message: str, lines: Sequence[Line]) -> list[Line]:
    """Returns the channels in the files of the lines that a message names, or a URL in it."""
    names = set(_CHANNEL.findall(message))
    urls = [f"{url}/" for url in _URL.findall(message)]
    files = dict.fromkeys(line.file for line in lines)
    return [
        line
        for file in files
        for line in channel_lines(file)
        if line.text in names or any(f"/{line.text}/" in f"/{url}" for url in urls)
    ]


def _words(text: str) -> set[str]:
    return {word.rstrip(".!-") for word in _WORD.findall(text)}


def explain(message: str, lines: Sequence[Line], remedy: str) -> str:
    """Returns a message, the spec lines about the packages that it names, and the fix."""
    message = message or "its messages are above"
    named = about(message, lines) or about_channels(message, lines)
    guilty = [f"  {line.where}: {line.text}" for line in named]
    return "\n".join([message, "the lines about them:", *guilty, remedy] if guilty else [message])
