"""Spec files: what kind a file is, and the requirement lines in it, each with file and line."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from . import redact, yml
from .yml import SpecError

_HASH = re.compile(r"\s--hash[= ](\S+)")
_COMMENT = re.compile(r"(^|\s+)#.*$")
# What only pip reads in a line: a hash, a URL, a marker.
_PIP_SYNTAX = re.compile(r"\s--|\s@\s|;(?!\s*if\b)")
_CONDA_FIELD = re.compile(r"[\[,]\s*name\s*=\s*['\"]?([\w.-]+)")
_CONDA_NAME = re.compile(r"(?:[^\s\[]*::)?([A-Za-z0-9_*][A-Za-z0-9_.*-]*)\s*(.*)")
_INDEX_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index")


@dataclass(frozen=True)
class Line:
    """One requirement: its text, and where it was read."""

    file: str
    number: int
    text: str

    @property
    def where(self) -> str:
        return f"{self.file}:{self.number}"

    @property
    def origin(self) -> str:
        """The spec file's name, as `# via` comments give it."""
        return Path(self.file).name

    @property
    def bare(self) -> str:
        """The text without hashes."""
        return _HASH.sub("", self.text).strip()

    @property
    def requirement(self) -> Requirement:
        return Requirement(self.bare)

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def hashes(self) -> list[str]:
        return [value.removeprefix("sha256:") for value in _HASH.findall(self.text)]

    def error(self, problem: str, remedy: str = "") -> SpecError:
        return SpecError(self.file, self.number, problem, remedy)


@dataclass
class Spec:
    """What one spec file asks for."""

    file: str
    sha256: str
    channels: list[str] = field(default_factory=list)
    conda: list[Line] = field(default_factory=list)
    pip: list[Line] = field(default_factory=list)
    constraints: list[Line] = field(default_factory=list)


def find(argument: str, folder: Path) -> Path:
    """The file that an argument means: absolute, from the current folder, or from `folder`."""
    path = Path(argument)
    for candidate in (path, folder / argument):
        if candidate.is_file():
            return candidate.absolute()
    raise SpecError(argument, 1, "there is no such file", f"neither here nor in {folder}")


def read(path: Path) -> Spec:
    """Read a spec file; its kind is its last extension."""
    _check_name(path)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(path, 1, f"cannot read it ({error})") from error
    spec = Spec(str(path), hashlib.sha256(data).hexdigest())
    if path.suffix in (".yml", ".yaml"):
        _read_yml(path, text, spec)
    elif path.suffix == ".conda":
        spec.conda = [conda_line(Line(str(path), *entry)) for entry in _plain_lines(text)]
    elif path.suffix == ".pip":
        _read_pip(path, text, spec, ())
    else:
        raise SpecError(
            path,
            1,
            f"the extension {path.suffix or '(none)'} names no kind of spec file",
            "use .yml, .conda or .pip",
        )
    return spec


def _check_name(path: Path) -> None:
    """Refuses a name that a frozen spec's comments, which list names, would tear apart."""
    if found := re.search(r"[,;]", path.name):
        raise SpecError(path, 1, f"the name has `{found[0]}`", "rename the file")


def _read_yml(path: Path, text: str, spec: Spec) -> None:
    document = yml.parse(path, text)
    for item in document.channels:
        check_channel(Line(str(path), item.line, item.text))
    # conda takes `nodefaults` for a channel's name; the defaults are not used here anyway.
    spec.channels = [item.text for item in document.channels if item.text != "nodefaults"]
    spec.conda = [conda_line(Line(str(path), item.line, item.text)) for item in document.conda]
    for item in document.pip:
        _take_pip(path, Line(str(path), item.line, item.text), spec, (path,))


def channel_lines(file: str) -> list[Line]:
    """The channels of a .yml; none of a file that is not one."""
    try:
        document = yml.parse(Path(file), Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, SpecError):
        return []
    return [Line(file, item.line, item.text) for item in document.channels]


def _plain_lines(text: str) -> list[tuple[int, str]]:
    lines = ((number, _COMMENT.sub("", raw).strip()) for number, raw in _numbered(text))
    return [(number, line) for number, line in lines if line]


def _numbered(text: str) -> list[tuple[int, str]]:
    return list(enumerate(text.split("\n"), start=1))  # no other character ends a line for uv


def _joined_lines(text: str) -> list[tuple[int, str]]:
    """The lines of a pip list, with comments off and continuation lines joined."""
    joined: list[tuple[int, str]] = []
    start, parts = 0, []
    for number, raw in _numbered(text):
        line = _COMMENT.sub("", raw).strip()
        start = start if parts else number
        if line.endswith("\\"):
            parts.append(line[:-1].strip())
            continue
        joined.append((start, " ".join([*parts, line]).strip()))
        parts = []
    if parts:
        joined.append((start, " ".join(parts)))
    return [(number, line) for number, line in joined if line]


def _read_pip(path: Path, text: str, spec: Spec, parents: tuple[Path, ...]) -> None:
    for number, line in _joined_lines(text):
        _take_pip(path, Line(str(path), number, line), spec, (*parents, path))


def _take_pip(path: Path, line: Line, spec: Spec, parents: tuple[Path, ...]) -> None:
    if not line.text.startswith("-"):
        spec.pip.append(pip_line(line))
        return
    option, _, value = line.text.replace("=", " ", 1).partition(" ")
    if option in ("-r", "--requirement"):
        _include(path, line, value.strip(), spec, parents)
    elif option in ("-c", "--constraint"):
        included = Spec(spec.file, spec.sha256)
        _include(path, line, value.strip(), included, parents)
        spec.constraints += included.pip + included.constraints
    elif option in ("-e", "--editable"):
        raise line.error(
            "an editable install cannot be repeated", "give `name @ git+https://…@commit`"
        )
    elif option in _INDEX_OPTIONS:
        raise line.error(
            f"`{option}` in a list", "package indexes belong to the settings (uv.toml, pip.conf)"
        )
    else:
        raise line.error(f"the option `{option}` is not known here", "only -r and -c are")


def _include(path: Path, line: Line, value: str, spec: Spec, parents: tuple[Path, ...]) -> None:
    included = (path.parent / value).resolve() if value else path
    if not value or not included.is_file():
        raise line.error(f"there is no file `{value}`", "the path is relative to this file")
    if included in {parent.resolve() for parent in parents}:
        raise line.error(f"`{value}` includes itself", "take one of the lines out")
    _check_name(included)
    try:
        text = included.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise line.error(f"cannot read `{value}` ({error})") from error
    _read_pip(included, text, spec, parents)


def pip_line(line: Line) -> Line:
    """The line itself, when it is a requirement that a frozen spec can repeat."""
    if re.match(r"(git|hg|svn|bzr)\+|https?://|file:|[./~]", line.text):
        raise line.error(
            f"`{line.text}` has no name", "write `name @ git+https://…`, or ask for a version"
        )
    try:
        requirement = parse_requirement(line.bare)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise line.error(f"`{line.text}` is not a requirement", reason) from error
    if requirement.url:
        check_url(line, requirement.url)
    if bad := [value for value in line.hashes if not re.fullmatch(r"[0-9a-f]{64}", value)]:
        raise line.error(f"`{bad[0]}` is not a sha256", "write --hash=sha256:<64 hex digits>")
    return line


def parse_requirement(text: str) -> Requirement:
    """Returns a requirement; ValueError if it cannot be read, or its marker not be evaluated."""
    requirement = Requirement(text)
    if requirement.marker:
        requirement.marker.evaluate({"extra": ""})
    return requirement


def check_url(line: Line, url: str) -> None:
    """Only git URLs without credentials: their commit determines what is installed."""
    if not re.match(r"git\+(https|http|ssh|file)://", url):
        raise line.error(
            f"`{url}` is not a git URL", "ask for a version from an index, or for git+https://…"
        )
    if redact.userinfos(url):
        shown = redact.redact(url)
        raise line.error(
            f"`{shown}` holds credentials", "take them out and configure git's credentials instead"
        )


def check_channel(line: Line) -> None:
    """Refuses a channel with a password or a token, which would stay in the image."""
    if redact.in_channel(line.text):
        raise line.error(
            "a channel URL with credentials, which would stay in the image",
            "name the channel without them, and set CONDA_CHANNEL_ALIAS in setup-env",
        )


def conda_line(line: Line) -> Line:
    """Returns the line itself; what only conda can judge is left to conda."""
    check_channel(line)
    if not _CONDA_NAME.fullmatch(line.text) or _PIP_SYNTAX.search(line.text):
        raise line.error(
            f"`{line.text}` is not a conda package spec",
            "write name or name=version, or move the line into a .pip list",
        )
    return line


def conda_name(line: Line) -> str:
    """The package that a conda line is about: `numpy=2`, or `*[name=numpy]`."""
    found = _CONDA_NAME.fullmatch(line.text)
    if found and found[1] == "*":
        found = _CONDA_FIELD.search(line.text) or found
    return found[1].lower() if found else line.text


def conda_version(line: Line) -> str:
    """What a conda line says about the version, as it stands there."""
    found = _CONDA_NAME.fullmatch(line.text)
    return found[2].strip() if found else ""
