"""Spec files: the kind of a file, and its requirement lines, each with file and line."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from . import lists, redact, requirement, yml
from .yml import SpecError

# Syntax that only pip reads: an option, a URL, a marker.
_PIP_SYNTAX = re.compile(r"--|@|;(?![ \t]*if[ \t])")
_CONDA_NAME = re.compile(r"[A-Za-z0-9_*][A-Za-z0-9_.*-]*")
_AFTER_CONDA_NAME = re.compile(r"[ \t=<>!~;@^(]|$")
_INDEX_OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index")


@dataclass(frozen=True)
class Line:
    """A requirement: its text, and its position."""

    file: str
    number: int
    text: str

    @property
    def where(self) -> str:
        return f"{self.file}:{self.number}"

    @property
    def origin(self) -> str:
        """Returns the spec file's name for `# via` comments."""
        return Path(self.file).name

    @property
    def requirement(self) -> Requirement:
        """Returns the requirement without its hashes."""
        return Requirement(requirement.split(self.text)[0])

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def hashes(self) -> list[str]:
        return requirement.hashes(requirement.split(self.text)[1])

    def error(self, problem: str, remedy: str = "") -> SpecError:
        return SpecError(self.file, self.number, problem, remedy)


@dataclass
class Spec:
    """The requests of a spec file; texts of `needs` are `package: requirement`."""

    file: str
    sha256: str
    channels: list[str] = field(default_factory=list)
    conda: list[Line] = field(default_factory=list)
    pip: list[Line] = field(default_factory=list)
    constraints: list[Line] = field(default_factory=list)
    no_binary: list[Line] = field(default_factory=list)  # names of packages to build
    needs: list[Line] = field(default_factory=list)  # build requirements nobody declared


def find(argument: str, folder: Path) -> Path:
    """Returns the file of an argument: absolute, from the current folder, or from `folder`."""
    path = Path(argument)
    for candidate in (path, folder / argument):
        if candidate.is_file():
            return candidate.absolute()
    raise SpecError(argument, 1, "the file does not exist", f"neither here nor in {folder}")


def read(path: Path) -> Spec:
    """Reads a spec file; its kind is its last extension."""
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
    elif path.suffix == ".build":
        spec.needs = [need_line(Line(str(path), *entry)) for entry in _plain_lines(text)]
    else:
        raise SpecError(
            path,
            1,
            f"the extension {path.suffix or '(none)'} names no kind of spec file",
            "use .yml, .conda, .pip or .build",
        )
    return spec


def _check_name(path: Path) -> None:
    """Refuses a name that would be split in a frozen spec's comments, which list names."""
    if found := re.search(r"[,;]", path.name):
        raise SpecError(path, 1, f"the name has `{found[0]}`", "rename the file")


def _read_yml(path: Path, text: str, spec: Spec) -> None:
    document = yml.parse(path, text)
    for item in document.channels:
        check_channel(Line(str(path), item.line, item.text))
    # conda treats `nodefaults` as a channel's name; the defaults are not used here anyway.
    spec.channels = [item.text for item in document.channels if item.text != "nodefaults"]
    spec.conda = [conda_line(Line(str(path), item.line, item.text)) for item in document.conda]
    for item in document.pip:
        _take_pip(path, Line(str(path), item.line, item.text), spec, (path,))


def channel_lines(file: str) -> list[Line]:
    """Returns the channels of a .yml; none of another file."""
    try:
        document = yml.parse(Path(file), Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, SpecError):
        return []
    return [Line(file, item.line, item.text) for item in document.channels]


def _plain_lines(text: str) -> list[tuple[int, str]]:
    lines = ((number, lists.without_comment(raw)) for number, raw in lists.numbered(text))
    return [(number, line) for number, line in lines if line]


def _joined_lines(text: str) -> list[tuple[int, str]]:
    """Returns the lines of a pip list, without comments and with continuation lines joined."""
    joined: list[tuple[int, str]] = []
    start, parts = 0, []
    for number, raw in lists.numbered(text):
        line = lists.without_comment(raw)
        start = start if parts else number
        if line.endswith("\\"):
            parts.append(line[:-1].strip(lists.BLANKS))
            continue
        joined.append((start, " ".join([*parts, line]).strip(lists.BLANKS)))
        parts = []
    if parts:
        joined.append((start, " ".join(parts).strip(lists.BLANKS)))
    return [(number, line) for number, line in joined if line]


def _read_pip(path: Path, text: str, spec: Spec, parents: tuple[Path, ...]) -> None:
    for number, line in _joined_lines(text):
        _take_pip(path, Line(str(path), number, line), spec, (*parents, path))


def _take_pip(path: Path, line: Line, spec: Spec, parents: tuple[Path, ...]) -> None:
    if not line.text.startswith("-"):
        spec.pip.append(pip_line(line))
        return
    option, value = re.fullmatch(r"([^ \t=]*)[ \t]*=?[ \t]*(.*)", line.text).groups()
    if option in ("-r", "--requirement"):
        _include(path, line, value, spec, parents)
    elif option in ("-c", "--constraint"):
        included = Spec(spec.file, spec.sha256)
        _include(path, line, value, included, parents)
        spec.constraints += included.pip + included.constraints
        spec.no_binary += included.no_binary
    elif option == "--no-binary":
        spec.no_binary += _names(line, value)
    elif option == "-":
        raise line.error("a dash before a requirement", "write the requirement alone, as `numpy`")
    elif option in ("-e", "--editable"):
        raise line.error(
            "an editable install cannot be repeated", "give `name @ git+https://…@commit`"
        )
    elif option in _INDEX_OPTIONS:
        raise line.error(
            f"`{option}` in a list", "package indexes belong to the settings (uv.toml, pip.conf)"
        )
    else:
        raise line.error(f"unsupported option `{option}`", "expected -r, -c or --no-binary")


def _names(line: Line, value: str) -> list[Line]:
    """Returns a line with each name of `--no-binary`, as pip reads them."""
    names = [name.strip(lists.BLANKS) for name in value.split(",")]
    for name in names:
        if not requirement.NAME.fullmatch(name):
            raise line.error(f"`{name}` is not the name of a package", "write --no-binary NAME")
    return [Line(line.file, line.number, canonicalize_name(name)) for name in names]


def need_line(line: Line) -> Line:
    """Returns the line `package: requirement` in its normalised form, if it is one."""
    package, colon, text = (part.strip(lists.BLANKS) for part in line.text.partition(":"))
    remedy = "write `package: requirement`, such as `bls-py: numpy`"
    if not colon or not requirement.NAME.fullmatch(package):
        raise line.error(f"`{line.text}` does not name a package and a requirement", remedy)
    wanted = pip_line(Line(line.file, line.number, text))
    parsed = wanted.requirement
    if parsed.url or parsed.marker or parsed.extras or wanted.hashes:
        raise line.error(f"`{text}` is more than a name and versions", remedy)
    return Line(line.file, line.number, f"{canonicalize_name(package)}: {text}")


def _include(path: Path, line: Line, value: str, spec: Spec, parents: tuple[Path, ...]) -> None:
    included = (path.parent / value).resolve() if value else path
    if not value or not included.is_file():
        raise line.error(f"missing file `{value}`", "the path is relative to this file")
    if included in {parent.resolve() for parent in parents}:
        raise line.error(f"`{value}` includes itself", "take one of the lines out")
    _check_name(included)
    try:
        text = included.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise line.error(f"cannot read `{value}` ({error})") from error
    _read_pip(included, text, spec, parents)


def pip_line(line: Line) -> Line:
    """Returns the line itself, if it is a requirement that a frozen spec can repeat."""
    if re.match(r"(git|hg|svn|bzr)\+|https?://|file:|[./~]", line.text):
        raise line.error(
            f"`{line.text}` does not begin with the package's name",
            "write `name @ git+https://…`, or ask for a version",
        )
    text, options = requirement.split(line.text)
    try:
        parsed = requirement.parse(text)
        requirement.hashes(options)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise line.error(f"`{line.text}` is not a requirement", reason) from error
    if parsed.url:
        check_url(line, parsed.url)
    return line


def parse_requirement(text: str) -> Requirement:
    """Returns a requirement; ValueError if it cannot be parsed, or its marker not evaluated."""
    parsed = Requirement(text)
    if parsed.marker:
        try:
            parsed.marker.evaluate({"extra": ""})
        except KeyError as error:
            raise ValueError(f"unknown variable {error}") from error
    return parsed


def check_url(line: Line, url: str) -> None:
    """Accepts only git URLs without credentials: their commit determines the content."""
    if not re.match(r"git\+(https|http|ssh|file)://", url):
        raise line.error(
            f"`{url}` is not a git URL", "ask for a version from an index, or for git+https://…"
        )
    if redact.userinfos(url):
        shown = redact.redact(url)
        raise line.error(
            f"`{shown}` holds credentials", "take them out and configure git's credentials instead"
        )
    authority = re.match(r"[^/?#]*", url.partition("://")[2])[0]
    port = re.split(r"[@\]]", authority)[-1].partition(":")[2]
    if not re.fullmatch("[0-9]*", port):
        raise line.error(
            f"`{url}` has `{port}` behind the `:`", "expected a port; write `/` before a path"
        )


def check_channel(line: Line) -> None:
    """Refuses a channel with a password or a token, which would stay in the image."""
    if redact.in_channel(line.text):
        raise line.error(
            "a channel URL with credentials, which would stay in the image",
            "name the channel without them, and set CONDA_CHANNEL_ALIAS in setup-env",
        )


def conda_line(line: Line) -> Line:
    """Returns the line itself; conda checks the syntax that only conda can read."""
    check_channel(line)
    if problem := _conda_problem(line.text):
        raise line.error(
            f"`{line.text}` is not a conda package spec: {problem}",
            "write name or name=version, or move the line into a .pip list",
        )
    return line


def _conda_problem(text: str) -> str:
    if found := re.search(r"[^\t -~]|\\", text):
        return f"unexpected character U+{ord(found[0]):04X}"
    name, version, fields = _conda_parts(text)
    if fields and not fields.endswith("]"):
        return "a `[` is not closed"
    if not _CONDA_NAME.fullmatch(name):
        return "expected a name of letters, digits, `_`, `.` and `-`"
    if _PIP_SYNTAX.search(version):
        return "a hash, URL or marker of pip"
    if re.fullmatch(r"[=<>!~]+", version) and version != "=":
        return "missing version"
    return ""


def _conda_parts(text: str) -> tuple[str, str, str]:
    """Returns the name, the text after it, and the brackets, of a line without its channel."""
    outer, bracket, fields = text.partition("[")
    outer = outer.rpartition("::")[2].strip(lists.BLANKS)
    end = _AFTER_CONDA_NAME.search(outer).start()
    name, fields = outer[:end], bracket + fields
    of_field = _conda_field(fields, "name") if name == "*" else None
    return name if of_field is None else of_field, outer[end:].strip(lists.BLANKS), fields


def _conda_field(fields: str, key: str) -> str | None:
    """Returns the value of `key` in `[key=value,key='value']`."""
    rest = fields.removeprefix("[")
    while "=" in rest:
        name, _, value = rest.partition("=")
        value = value.lstrip(lists.BLANKS)
        if value.startswith(("'", '"')):
            value, quote, rest = value[1:].partition(value[0])
            if not quote:
                return None
        else:
            value, rest = re.fullmatch(r"([^], \t]*)(.*)", value).groups()
            if not rest:
                return None
        if name.rpartition(",")[2].strip(lists.BLANKS) == key:
            return value
    return None


def conda_name(line: Line) -> str:
    """Returns the package of a conda line: `numpy=2`, or `*[name=numpy]`."""
    return _conda_parts(line.text)[0].lower()


def conda_version(line: Line) -> str:
    """Returns the version of a conda line, as written."""
    _, version, fields = _conda_parts(line.text)
    return f"{version} {fields}".strip(lists.BLANKS)
