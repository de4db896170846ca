"""What the scripts read in spec files and frozen specs, in a form that the host's tests have, too
(`xtask/src/specs/tests/form.rs`): JSON lines of kind, name and text on stdin, one answer for each.

    COMMON_SCRIPTS=common/image/common-scripts python3 common/image/tests/spec_reader.py < CASES
"""

import atexit
import functools
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import environments  # noqa: F401 - puts the scripts' package on the path
from packaging.markers import Marker
from packaging.specifiers import Specifier
from packaging.utils import canonicalize_name
from packaging.version import Version
from platform_env.environments import frozen, specs
from platform_env.environments.specs import Line
from platform_env.environments.yml import SpecError

# Other lists that a case may include.
INCLUDED = {"c.txt": "scipy<2\n", "bad.txt": "numpy>=\n", "loop.txt": "-r loop.txt\n"}
MACHINES = (("3.12.11", "x86_64"), ("3.13.5", "aarch64"))

Answer = dict[str, int | list[str]]


def read(kind: str, name: str, text: str) -> Answer:
    """Returns the requests of a case, or the line that is refused."""
    try:
        return {"reads": _frozen(text) if kind == "frozen" else _list(name, text)}
    except SpecError as error:
        return {"line": int(re.search(r":(\d+): ", str(error))[1])}


def _frozen(text: str) -> list[str]:
    text = text.removeprefix("\ufeff")  # as reading its file does
    return frozen.render(frozen.parse(Path("f.yml"), text)).removesuffix("\n").split("\n")


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    for name, text in INCLUDED.items():
        Path(folder, name).write_text(text)
    return folder


def _list(name: str, text: str) -> list[str]:
    path = _folder() / name
    path.write_text(text, newline="")
    spec = specs.read(path)
    return [
        *(f"channel {channel}" for channel in spec.channels),
        *(f"conda {line.origin}:{line.number} {specs.conda_name(line)}" for line in spec.conda),
        *(f"pip {_line(line)}" for line in spec.pip),
        *(f"limit {_line(line)}" for line in spec.constraints),
        *(f"source {line.origin}:{line.number} {line.text}" for line in spec.no_binary),
        *(f"need {_need(line)}" for line in spec.needs),
    ]


def _need(line: Line) -> str:
    package, _, text = line.text.partition(": ")
    where = f"{line.origin}:{line.number}"
    return f"{where} {package} {form(Line(line.file, line.number, text))}"


def _line(line: Line) -> str:
    return f"{line.origin}:{line.number} {form(line)}"


def form(line: Line) -> str:
    """Returns a requirement in its canonical form, with the marker's results on two machines."""
    parsed = line.requirement
    extras = ",".join(sorted({canonicalize_name(it) for it in parsed.extras}))
    text = line.name + (f"[{extras}]" if extras else "")
    text += ",".join(sorted(map(_specifier, parsed.specifier)))
    text += f" @ {parsed.url}" if parsed.url else ""
    if parsed.marker:
        text += f" ; {_tree(parsed.marker._markers)} {_results(parsed.marker)}"
    return text + "".join(f" --hash=sha256:{it}" for it in line.hashes)


def _specifier(item: Specifier) -> str:
    plain = item.version.removesuffix(".*")
    return f"{item.operator}{Version(plain)}{item.version[len(plain) :]}"


def _tree(items: list) -> str:
    """Returns the marker with parentheses around each `and` and `or`."""
    groups: list[list[str]] = [[]]
    for item in items:
        if item == "or":
            groups.append([])
        elif isinstance(item, list):
            groups[-1].append(_tree(item))
        elif item != "and":
            groups[-1].append(" ".join(part.serialize() for part in item))
    return _joined("or", [_joined("and", group) for group in groups])


def _joined(operator: str, parts: list[str]) -> str:
    return functools.reduce(lambda left, right: f"({left} {operator} {right})", parts)


def _results(marker: Marker) -> str:
    if re.search("platform_(release|version)", str(marker)):
        return "[machine]"
    return "[" + " ".join(str(_holds(marker, *it)).lower() for it in MACHINES) + "]"


def _holds(marker: Marker, version: str, machine: str) -> bool:
    return marker.evaluate(
        {
            "extra": "",
            "implementation_name": "cpython",
            "implementation_version": version,
            "os_name": "posix",
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": version,
            "python_version": version.rpartition(".")[0],
            "sys_platform": "linux",
        }
    )


if __name__ == "__main__":
    for case in sys.stdin:
        print(json.dumps(read(**json.loads(case))), flush=True)
