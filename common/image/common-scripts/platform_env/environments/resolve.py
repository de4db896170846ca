"""Turns requirement lines into pins: one artefact for each package, chosen for this machine."""

import difflib
import re
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging import tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from . import installed, paths, stubs, uv
from .frozen import Pin
from .paths import Failed
from .progress import Progress
from .specs import Line
from .stubs import Stub
from .uv import NO_NEEDS, Needs


class ConflictError(Failed):
    """Contradicting requirements; the text names their files and lines."""


def resolve(
    prefix: Path,
    lines: Sequence[Line],
    constraints: Sequence[Line],
    preferences: dict[str, str],
    only_wheels: bool = False,
    by_conda: Sequence[Stub] = (),
    no_binary: Collection[str] = (),
    needs: Needs = NO_NEEDS,
) -> tuple[dict[str, Pin], dict[str, str]]:
    """Returns pins for the lines and for dependencies that conda lacks, each with its origin.

    Packages in `no_binary` are sources; `needs` are build requirements that packages lack.
    """
    flags = ["--only-binary", ":all:"] if only_wheels else []
    flags += [part for name in sorted(no_binary) for part in ("--no-binary", name)]
    packages = _compile(prefix, lines, constraints, preferences, flags, by_conda, needs)
    ranks = _tag_ranks(prefix)
    allowed = {line.name: line.hashes for line in lines if line.hashes}
    pins, urls = {}, {}
    for name in sorted(packages.keys() - {stub.name for stub in by_conda}):
        tags_of = {} if name in no_binary else ranks
        pins[name], urls[name] = _choose(packages[name], tags_of, allowed.get(name, []))
    return pins, urls


def _compile(
    prefix: Path,
    lines: Sequence[Line],
    constraints: Sequence[Line],
    preferences: dict[str, str],
    flags: Sequence[str],
    by_conda: Sequence[Stub],
    needs: Needs,
) -> dict[str, dict]:
    """Returns uv's choices, by name."""
    wanted = [re.sub(r"\s--hash[= ]\S+", "", line.text) for line in lines]
    with tempfile.TemporaryDirectory(prefix="by-conda-") as folder:
        limits = [line.text for line in constraints]
        limits += [stub.write(Path(folder)) for stub in by_conda]
        try:
            python, watch = prefix / "bin" / "python", Progress([*lines, *constraints])
            packages = uv.compile(
                python, wanted, limits, preferences, flags, needs=needs, watch=watch.read
            )
        except uv.UvError as error:
            message = stubs.hide(str(error), Path(folder), by_conda)
            raise ConflictError(_blame(message, [*lines, *constraints], by_conda)) from error
    return {canonicalize_name(package["name"]): package for package in packages}


def _blame(message: str, lines: Sequence[Line], by_conda: Sequence[Stub]) -> str:
    """Returns uv's explanation, and the lines about the packages that it names."""
    words = {
        canonicalize_name(word) for word in re.findall(r"[A-Za-z0-9][\w.-]*[A-Za-z0-9]", message)
    }
    guilty = [f"  {line.where}: {line.text}" for line in lines if line.name in words]
    guilty += [f"  {stub.text}" for stub in by_conda if stub.name in words]
    about = ["the lines about them:", *guilty] if guilty else []
    if uv.FIX in message:
        return "\n".join([message, *about])
    advice = "change one of the lines so that they can hold together, or correct the name"
    return "\n".join([message, *about, *_suggestions(message), advice])


def _suggestions(message: str) -> list[str]:
    """Returns the nearest known name for each one that the index lacks."""
    unknown = re.findall(r"([A-Za-z0-9][\w.-]*) was not found in the package registry", message)
    if not unknown:
        return []
    known = uv.known_names()
    for environment in ["base", *paths.environments()]:
        known.update(installed.scan(paths.prefix(environment)))
    found = {name: difflib.get_close_matches(name, known - {name}, 1, 0.75) for name in unknown}
    return [f"{name}: did you mean {near[0]}?" for name, near in found.items() if near]


def _tag_ranks(prefix: Path) -> dict[tags.Tag, int]:
    """Ranks wheel tags for the environment's Python: a lower rank is better."""
    major, minor = (int(part) for part in installed.python_version(prefix).split("."))
    platforms = list(tags.platform_tags())
    supported = [
        *tags.cpython_tags((major, minor), platforms=platforms),
        *tags.compatible_tags((major, minor), f"cp{major}{minor}", platforms),
    ]
    return {tag: rank for rank, tag in reversed(list(enumerate(supported)))}


def _choose(package: dict, ranks: dict[tags.Tag, int], allowed: list[str]) -> tuple[Pin, str]:
    """Returns the artefact to install: a git commit, else the best wheel, else the sources."""
    name = canonicalize_name(package["name"])
    if vcs := package.get("vcs"):
        pin = Pin(
            name, package.get("version", ""), url="git+" + vcs["url"], commit=vcs["commit-id"]
        )
        pin.subdirectory, pin.is_source = vcs.get("subdirectory", ""), True
        return pin, vcs["url"]
    rated = sorted(
        ((_rating(file, ranks), file) for file in package.get("wheels", ())),
        key=lambda pair: pair[0] or (),
    )
    candidates = [file for rating, file in rated if rating]
    candidates += [package["sdist"]] if "sdist" in package else []
    for file in candidates:
        digest = file.get("hashes", {}).get("sha256", "")
        if not digest:
            raise Failed(
                f"the index gives no sha256 for {file.get('url', name)}: use one that does"
            )
        if not allowed or digest in allowed:
            pin = Pin(name, package["version"], digest, _file_name(file))
            pin.is_source = not pin.file.endswith(".whl")
            return pin, file.get("url", "")
    reason = "that its hash allows" if allowed else "that suits this Python and platform"
    raise Failed(
        f"{name} {package.get('version', '')} has no file {reason}: ask for another version"
    )


def _rating(file: dict, ranks: dict[tags.Tag, int]) -> tuple | None:
    try:
        _, _, build, wheel_tags = parse_wheel_filename(_file_name(file))
    except InvalidWheelFilename:
        return None
    known = [ranks[tag] for tag in wheel_tags if tag in ranks]
    return (min(known), *(-part for part in build[:1])) if known else None


def _file_name(file: dict) -> str:
    return file.get("name") or unquote(urlsplit(file["url"]).path.rsplit("/", 1)[-1])
