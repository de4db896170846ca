"""The frozen spec: a text that determines an environment, stable to the byte."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from packaging.utils import canonicalize_name

from . import lists, requirement, specs, yml
from .yml import SpecError

_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
_FREEZE = "freeze the environment again"
_PIP = re.compile(r"(?P<name>[^=]*)==(?P<version>[^ \t;]+)(?P<rest>.*)")
_VCS = re.compile(
    r"(?P<name>.*?) @ (?P<url>git\+[!-~]+)@(?P<commit>[0-9a-f]{40})"
    r"(?:#subdirectory=(?P<subdirectory>[!-~]+))?"
)
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_FIELD = r"(?:(?![][,*=]|::)[!-~])+"  # of printable characters; `::` ends a channel
_CONDA = re.compile(
    rf"(?:(?P<channel>(?:(?![][])[!-~])+)::)?(?P<name>{_WORD.pattern})"
    rf"=(?P<version>{_FIELD})=(?P<build>{_FIELD})"
    rf"\[subdir=(?P<subdir>[A-Za-z0-9_-]+),fn=(?P<fn>{_FIELD}),sha256=(?P<sha256>[0-9a-f]{{64}})\]"
)


@dataclass
class Pin:
    """A Python distribution: an artefact by its hash, or a git commit."""

    name: str
    version: str = ""
    sha256: str = ""
    file: str = ""
    url: str = ""
    commit: str = ""
    subdirectory: str = ""
    is_source: bool = False  # has to be built: a source archive, or a git commit
    via: list[str] = field(default_factory=list)
    line: int = 0

    @property
    def is_vcs(self) -> bool:
        return bool(self.commit)

    @property
    def requirement(self) -> str:
        """Returns the line that installs exactly this package."""
        if self.is_vcs:
            folder = f"#subdirectory={self.subdirectory}" if self.subdirectory else ""
            return f"{self.name} @ {self.url}@{self.commit}{folder}"
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


@dataclass
class CondaPin:
    """A conda package file."""

    name: str
    version: str
    build: str
    subdir: str
    fn: str
    sha256: str
    channel: str = ""  # only when it is not the first of the list
    via: list[str] = field(default_factory=list)
    provides: list[str] = field(default_factory=list)  # Python distributions, as name==version
    line: int = 0

    @property
    def text(self) -> str:
        channel = f"{self.channel}::" if self.channel else ""
        return (
            f"{channel}{self.name}={self.version}={self.build}"
            f"[subdir={self.subdir},fn={self.fn},sha256={self.sha256}]"
        )


AnyPin = TypeVar("AnyPin", Pin, CondaPin)


@dataclass
class Frozen:
    """The content of a frozen spec."""

    platform: str
    base: str
    name: str
    channels: list[str]
    python: str = ""  # on the embedded base, and of base
    conda: list[CondaPin] = field(default_factory=list)
    pip: list[Pin] = field(default_factory=list)
    build: list[Pin] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # conda packages that may be missing
    # Only of base: packages of its image that lists request, or that require what was added.
    in_base: list[str] = field(default_factory=list)
    # Names in `build` that packages need without declaring it, by package.
    needs: dict[str, list[str]] = field(default_factory=dict)


def this_platform() -> str:
    machine = os.uname().machine
    return _PLATFORMS.get(machine, f"linux/{machine}")


def render(frozen: Frozen) -> str:
    """Returns the text: fixed order, normalised names, LF."""
    lines = ["# frozen: 1", f"# platform: {frozen.platform}", f"# base: {frozen.base}"]
    lines += [f"# build: {pin.requirement}" for pin in _sorted(frozen.build)]
    lines += [
        f"# build-for: {package}: {name}"
        for package in sorted(frozen.needs)
        for name in sorted(frozen.needs[package])
    ]
    lines += [f"# in-base: {name}" for name in sorted(frozen.in_base)]
    lines += [f"# missing: {name}" for name in sorted(frozen.missing)]
    lines += [f"name: {frozen.name}", "channels:"]
    lines += [f"  - {channel}" for channel in frozen.channels]
    lines += ["dependencies:"]
    if frozen.python:
        lines += [f"  - python={frozen.python}"]
    lines += [f"  - {pin.text}{_comment(pin)}" for pin in _sorted(frozen.conda)]
    if frozen.pip:
        lines += ["  - pip:", *_pip_lines(frozen.pip)]
    return "\n".join(lines) + "\n"


def _pip_lines(pins: list[Pin]) -> list[str]:
    hashed = [pin for pin in _sorted(pins) if not pin.is_vcs]
    vcs = [pin for pin in _sorted(pins) if pin.is_vcs]
    lines = ["    - --no-require-hashes"] if vcs else []
    for pin in [*hashed, *vcs]:
        lines.append(f"    - {pin.requirement}{_comment(pin)}")
    return lines


def _comment(pin: Pin | CondaPin) -> str:
    """Returns the comment of a line: the packages that need this one, and what else it provides."""
    provides = pin.provides if isinstance(pin, CondaPin) else []
    parts = {"via": pin.via, "provides": provides}
    texts = [f"{key} {', '.join(sorted(words))}" for key, words in parts.items() if words]
    return f"  # {'; '.join(texts)}" if texts else ""


def _sorted(pins: list[AnyPin]) -> list[AnyPin]:
    return sorted(pins, key=lambda pin: pin.name)


def parse(path: Path, text: str) -> Frozen:
    """Parses a frozen spec; SpecError names the part that is not frozen."""
    document = yml.parse(path, text)
    values, build, needs, names = _header(path, document.comments)
    if document.name is None:
        raise SpecError(path, 1, "the line `name:` is missing", _FREEZE)
    if not document.channels:
        raise SpecError(path, document.name.line, "the list `channels:` is missing", _FREEZE)
    for item in document.channels:
        specs.check_channel(specs.Line(str(path), item.line, item.text))
    channels = [item.text for item in document.channels]
    frozen = Frozen(values["platform"], values["base"], document.name.text, channels)
    frozen.build, frozen.needs = build, needs
    frozen.missing, frozen.in_base = names["missing"], names["in-base"]
    lines: dict[str, int] = {}
    for item in document.conda:
        _note(path, lines, _take_conda(path, item, frozen), item.line)
    if not frozen.python and not any(pin.name == "python" for pin in frozen.conda):
        raise SpecError(path, document.name.line, "no line says which python", _FREEZE)
    frozen.pip = _pip_pins(path, document.pip)
    return frozen


_Header = tuple[dict[str, str], list[Pin], dict[str, list[str]], dict[str, list[str]]]


def _header(path: Path, comments: list[yml.Item]) -> _Header:
    values: dict[str, str] = {}
    build: list[Pin] = []
    needs: dict[str, list[str]] = {}
    names: dict[str, list[str]] = {"missing": [], "in-base": []}
    lines: dict[str, int] = {}
    for item in comments:
        key, _, value = item.text.partition(": ")
        if key == "build":
            build.append(_hashed_pin(path, yml.Item(value, item.line)))
            _note(path, lines, build[-1].name, item.line)
        elif key == "build-for":
            package, _, name = value.partition(": ")
            known = needs.setdefault(_normalised(path, item, package), [])
            known.append(_normalised(path, item, name))
        elif key in names:
            names[key].append(_conda_name(path, yml.Item(value, item.line)))
        elif key in ("frozen", "platform", "base"):
            if key in values:
                raise SpecError(path, item.line, f"duplicate line `# {key}:`", _FREEZE)
            _check_value(path, item.line, key, value)
            values[key] = value
    for key in ("frozen", "platform", "base"):
        if key not in values:
            raise SpecError(path, 1, f"the line `# {key}:` is missing", _FREEZE)
    return values, build, needs, names


def _check_value(path: Path, line: int, key: str, value: str) -> None:
    if key == "frozen" and value != "1":
        raise SpecError(path, line, f"unsupported format `{value}`; expected 1", _FREEZE)
    if key == "platform" and value not in _PLATFORMS.values():
        known = " or ".join(_PLATFORMS.values())
        raise SpecError(path, line, f"unsupported platform `{value}`; expected {known}", _FREEZE)


def _conda_name(path: Path, item: yml.Item) -> str:
    if not _WORD.fullmatch(item.text):
        raise SpecError(path, item.line, f"`{item.text}` is not a package name", _FREEZE)
    return item.text


def _take_conda(path: Path, item: yml.Item, frozen: Frozen) -> str:
    """Records a conda package, or the Python of the embedded base; returns its name."""
    if found := re.fullmatch(r"python=([0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9]*)", item.text):
        frozen.python = found[1]
        return "python"
    specs.check_channel(specs.Line(str(path), item.line, item.text))
    if found := _CONDA.fullmatch(item.text):
        frozen.conda.append(_with_place(CondaPin(**found.groupdict(default="")), item))
        return found["name"]
    raise SpecError(path, item.line, f"`{item.text}` is not pinned to one package file", _FREEZE)


def _pip_pins(path: Path, items: list[yml.Item]) -> list[Pin]:
    pins: list[Pin] = []
    lines: dict[str, int] = {}
    for item in items:
        if item.text == "--no-require-hashes":
            continue
        pins.append(_vcs_pin(path, item) if " @ " in item.text else _hashed_pin(path, item))
        _note(path, lines, pins[-1].name, item.line)
    return pins


def _hashed_pin(path: Path, item: yml.Item) -> Pin:
    found = _PIP.fullmatch(item.text)
    if not found or not _is_version(found["version"]):
        raise SpecError(path, item.line, f"`{item.text}` is not pinned to one version", _FREEZE)
    digest = re.fullmatch(r" --hash=sha256:([0-9a-f]{64})", found["rest"])
    if not digest:
        raise SpecError(
            path,
            item.line,
            f"`{found['name']}=={found['version']}` has not exactly one sha256",
            _FREEZE,
        )
    pin = Pin(_normalised(path, item, found["name"]), found["version"], digest[1])
    return _with_place(pin, item)


def _is_version(text: str) -> bool:
    try:
        requirement.check_version(text)
    except ValueError:
        return False
    return True


def _normalised(path: Path, item: yml.Item, name: str) -> str:
    if not requirement.NAME.fullmatch(name):
        raise SpecError(path, item.line, f"`{name}` is not a package name", _FREEZE)
    return canonicalize_name(name)


def _vcs_pin(path: Path, item: yml.Item) -> Pin:
    found = _VCS.fullmatch(item.text)
    if not found or "#" in found["url"] or "#" in (found["subdirectory"] or ""):
        raise SpecError(
            path,
            item.line,
            f"`{item.text}` does not end with a full commit (40 hex digits)",
            _FREEZE,
        )
    specs.check_url(specs.Line(str(path), item.line, item.text), found["url"])
    fields = found.groupdict(default="")
    fields["name"] = _normalised(path, item, fields["name"])
    return _with_place(Pin(**fields, is_source=True), item)


def _with_place(pin: AnyPin, item: yml.Item) -> AnyPin:
    """Returns the pin with its line, and with the content of its comment."""
    pin.line = item.line
    for part in item.comment.split("; "):
        key, _, words = part.partition(" ")
        if key == "via":
            pin.via = _words(words)
        elif key == "provides" and isinstance(pin, CondaPin):
            pin.provides = _words(words)
    return pin


def _words(text: str) -> list[str]:
    words = (word.strip(lists.BLANKS) for word in text.split(","))
    return [word for word in words if word]


def _note(path: Path, lines: dict[str, int], name: str, line: int) -> None:
    """Records the line of a name; a second one is refused."""
    if name in lines:
        problem = f"duplicate entry `{name}`, first listed on line {lines[name]}"
        raise SpecError(path, line, problem, _FREEZE)
    lines[name] = line
