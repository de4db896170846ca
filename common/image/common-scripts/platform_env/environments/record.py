"""The packages installed into an environment, recorded in share/environment/record.json."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import paths
from .frozen import Pin
from .specs import Line, Spec

_VERSION = 2


@dataclass
class Record:
    """The requested specs in order, and the artefacts installed for them."""

    environment: str
    specs: list[Spec] = field(default_factory=list)
    # Only in an environment made from a frozen spec: the direct requests, and who made them.
    requested: dict[str, list[str]] = field(default_factory=dict)
    channels: list[str] = field(default_factory=list)
    packages: dict[str, Pin] = field(default_factory=dict)
    build: dict[str, Pin] = field(default_factory=dict)
    # Only in an environment made from a frozen spec: undeclared build requirements, by package.
    frozen_needs: dict[str, list[str]] = field(default_factory=dict)
    # The source environments of this clone, the nearest last.
    cloned: list[str] = field(default_factory=list)
    # Conda packages that may be missing, and by file what only a package's own metadata requires.
    missing: list[str] = field(default_factory=list)
    # Only of base: names in its image that lists request, or that require what was added.
    in_base: list[str] = field(default_factory=list)
    unpatched: dict[str, list[str]] = field(default_factory=dict)
    # The names of channels by URL, as the settings of build steps tell them.
    channel_names: dict[str, str] = field(default_factory=dict)
    # Only in an environment made from a frozen spec: what needs each conda package.
    conda_via: dict[str, list[str]] = field(default_factory=dict)

    @property
    def pip_lines(self) -> list[Line]:
        return [line for spec in self.specs for line in spec.pip]

    @property
    def extras(self) -> dict[str, set[str]]:
        """Returns the extras that lines request, by package."""
        found: dict[str, set[str]] = {}
        for line in self.pip_lines:
            found.setdefault(line.name, set()).update(line.requirement.extras)
        return found

    @property
    def constraints(self) -> list[Line]:
        return [line for spec in self.specs for line in spec.constraints]

    @property
    def needs(self) -> dict[str, list[str]]:
        """Returns build requirements that packages do not declare, by package."""
        found = {name: list(texts) for name, texts in self.frozen_needs.items()}
        for line in (line for spec in self.specs for line in spec.needs):
            package, _, text = line.text.partition(": ")
            found.setdefault(package, []).append(text)
        return found

    @property
    def no_binary(self) -> set[str]:
        return {line.text for spec in self.specs for line in spec.no_binary}

    @property
    def conda_lines(self) -> list[Line]:
        return [line for spec in self.specs for line in spec.conda]

    def add_spec(self, spec: Spec) -> None:
        """Adds a spec file; its new text replaces an earlier one."""
        self.specs = [known for known in self.specs if known.file != spec.file] + [spec]
        self.channels += [name for name in spec.channels if name not in self.channels]
        file = Path(spec.file)
        if file.suffix == ".build":
            self.frozen_needs = {}
        if paths.ENVIRONMENTS in file.parents or file.parent == paths.COMMON_ENV:
            self._replace_requests(file.name)

    def _replace_requests(self, origin: str) -> None:
        """Removes what a frozen spec requests for this list alone, which it knows by its name."""
        self.requested = {
            name: [it for it in origins if it != origin]
            for name, origins in self.requested.items()
            if origins != [origin]
        }


def path(prefix: Path) -> Path:
    return prefix / "share" / "environment" / "record.json"


def load(environment: str) -> Record:
    """Returns the environment's record; an empty one when nothing was recorded yet."""
    file = path(paths.prefix(environment))
    if not file.is_file():
        return Record(environment)
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return _decode(environment, data)
    except (ValueError, TypeError, KeyError) as error:
        problem = f"{file}:1: cannot read the record ({error}): create {environment} again"
        raise paths.Failed(problem) from error


def save(record: Record) -> None:
    """Writes the record beside the old one, then renames it: it is complete at any time."""
    file = path(paths.prefix(record.environment))
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    data = {"version": _VERSION, **asdict(record)}
    temporary.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(file)


def _decode(environment: str, data: dict) -> Record:
    if data["version"] != _VERSION:
        raise ValueError(f"expected version {_VERSION}, found {data['version']}")
    plain = (
        "requested",
        "channels",
        "cloned",
        "missing",
        "unpatched",
        "channel_names",
        "conda_via",
    )
    return Record(
        environment=environment,
        frozen_needs=data.get("frozen_needs", {}),
        in_base=data.get("in_base", []),
        specs=[_spec(spec) for spec in data["specs"]],
        packages={name: Pin(**pin) for name, pin in data["packages"].items()},
        build={name: Pin(**pin) for name, pin in data["build"].items()},
        **{key: data[key] for key in plain},
    )


def _spec(data: dict) -> Spec:
    keys = ("conda", "pip", "constraints", "no_binary", "needs")
    lines = {key: [Line(**line) for line in data.get(key, [])] for key in keys}
    return Spec(data["file"], data["sha256"], data["channels"], **lines)


def requests(record: Record, installed: dict, environment: dict) -> dict[str, list[str]]:
    """Returns the packages requested directly, each with the spec files that request it."""
    found = {name: list(origins) for name, origins in record.requested.items()}
    for line in record.pip_lines:
        marker = line.requirement.marker
        if line.name not in installed or line.file in record.cloned:
            continue
        if marker is None or marker.evaluate(environment):
            found.setdefault(line.name, []).append(line.origin)
    return found
