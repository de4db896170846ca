"""Calls uv; no other module uses its command line."""

import configparser
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import installed, paths
from .paths import Failed

# uv's settings about the sources of packages and how to reach them. All others are dropped:
# a UV_NO_DEPS or UV_TARGET in somebody's shell must not change what an environment contains.
_KEPT = re.compile(
    r"UV_(INDEX.*|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|KEYRING_PROVIDER|CONFIG_FILE"
    r"|CACHE_DIR|NO_CACHE|LINK_MODE|HTTP_.*|REQUEST_.*|CONCURRENT_.*|INSECURE_HOST|OFFLINE"
    r"|NATIVE_TLS|SYSTEM_CERTS|SSL_.*|GIT_LFS)"
)
_PYTHON_STATE = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
_PIP_CONFIGS = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")


# Build requirements that packages do not declare, by package.
Needs = Mapping[str, Sequence[str]]
NO_NEEDS: Needs = {}


class UvError(Failed):
    """A failure of uv; the text is its output."""


def _program() -> str:
    found = shutil.which("uv", path=f"/usr/local/bin:{os.environ.get('PATH', '')}")
    if not found:
        raise Failed("uv is not installed: it comes with the common image")
    return found


def environment() -> dict[str, str]:
    """Returns the environment for uv: only index settings, caches and certificates."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith(("UV_", "PIP_")) or name in _PYTHON_STATE) or _KEPT.fullmatch(name)
    }
    if not _has_index(env):
        env |= _pip_indexes()
    env["UV_NO_PROGRESS"] = "1"
    env["UV_PYTHON_DOWNLOADS"] = "never"
    # By default in the home, where a lock file would remain.
    env["UV_CREDENTIALS_DIR"] = f"{env.get('UV_CACHE_DIR') or tempfile.gettempdir()}/credentials"
    env.setdefault("UV_LINK_MODE", "copy" if _cache_is_mounted(env) else "hardlink")
    return env


def _has_index(env: dict[str, str]) -> bool:
    if any(env.get(name) for name in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX")):
        return True
    try:
        settings = tomllib.loads(_config_file(env).read_text(encoding="utf-8"))
    except OSError:
        return False
    return bool({"index", "index-url"} & {*settings, *settings.get("pip", {})})


def _pip_indexes() -> dict[str, str]:
    """Returns pip's index settings as uv's, for a machine on which only pip was configured."""
    parser = configparser.RawConfigParser()
    named = os.environ.get("PIP_CONFIG_FILE")
    files = [Path(name).expanduser() for name in ([named] if named else _PIP_CONFIGS)]
    parser.read([file for file in files if os.access(file, os.R_OK)], encoding="utf-8")
    found = {}
    for pip_name, uv_name in (("index-url", "UV_DEFAULT_INDEX"), ("extra-index-url", "UV_INDEX")):
        value = os.environ.get("PIP_" + pip_name.upper().replace("-", "_"))
        for section in ("global", "install"):
            value = value or parser.get(section, pip_name, fallback="")
        if value:
            found[uv_name] = " ".join(value.split())
    return found


def _cache_is_mounted(env: dict[str, str]) -> bool:
    """Returns whether uv's cache is on another file system, where hard links cannot reach."""
    cache = Path(env.get("UV_CACHE_DIR") or "~/.cache/uv").expanduser()
    while not cache.exists():
        cache = cache.parent
    return cache.stat().st_dev != paths.CONDA_DIR.stat().st_dev


def _run(arguments: Sequence[str | Path], *, needs: Needs = NO_NEEDS) -> None:
    """Runs uv away from the current folder, so that a pyproject.toml there has no effect."""
    with _configured(needs) as env:
        result = paths.run([_program(), *arguments], env=env, cwd=Path("/"), capture=True)
    if result.returncode:
        raise _error((result.stderr or result.stdout).strip())
    if result.stderr.strip():
        paths.say(result.stderr.strip())


def _run_on(prefix: Path, arguments: Sequence[str | Path], needs: Needs = NO_NEEDS) -> None:
    """Runs uv on an environment, without its lock file afterwards: everybody may write there."""
    try:
        _run(arguments, needs=needs)
    finally:
        (prefix / ".lock").unlink(missing_ok=True)


def _run_watched(
    arguments: Sequence[str | Path], watch: Callable[[str], None], needs: Needs
) -> None:
    """Runs uv like `_run`, and passes on its log line by line; prints nothing."""
    said = []
    with _configured(needs) as env:
        process = subprocess.Popen(
            [_program(), "--verbose", *map(str, arguments)],
            env=env,
            cwd="/",
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        with process:
            for line in process.stderr or ():
                watch(line)
                if not line.startswith(("DEBUG ", "TRACE ", "INFO ")):
                    said.append(line)
    if process.returncode:
        raise _error("".join(said).strip())


# Start of the advice about a build requirement that a package does not declare.
FIX = "fix: write the line"
# uv's advice names files that an environment does not have.
_UNDECLARED = re.compile(
    r"^hint: [^\n]* `(?P<package>[^`@]+)@[^`]*` depends on `(?P<module>[^`]+)`"
    r", but doesn't declare.*",
    re.S | re.M,
)


def _error(said: str) -> UvError:
    said = re.sub(r"\A.*?^error: ", "", said, count=1, flags=re.S | re.M)
    fix = rf"{FIX} `\g<package>: \g<module>` into <environment>.build"
    return UvError(_UNDECLARED.sub(fix, said).strip())


# What PyPI says about its answers. A proxy on the way may leave that out: uv would then fetch all
# pages and metadata again, hundreds for a large environment, and build the metadata of sources.
_PYPI = """
[[index]]
url = "https://pypi.org/simple"
default = true
cache-control = { api = "max-age=600", files = "max-age=365000000, immutable" }
"""


@contextmanager
def _configured(needs: Needs) -> Iterator[dict[str, str]]:
    """Yields uv's environment, with a configuration that has `needs` beside the settings."""
    env = environment()
    # Only with the settings of a build: without them uv reads the system's own, too.
    index = _PYPI if "UV_CONFIG_FILE" in env and not _has_index(env) else ""
    if not (needs or index):
        yield env
        return
    file = _config_file(env)
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    lines = [f"{json.dumps(name)} = {json.dumps(list(needs[name]))}" for name in sorted(needs)]
    tables = ["", "[extra-build-dependencies]", *lines, ""] if lines else []
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder, "uv.toml")
        own.write_text("\n".join([text, *tables]) + index, encoding="utf-8")
        yield {**env, "UV_CONFIG_FILE": str(own)}


def _config_file(env: dict[str, str]) -> Path:
    return Path(env.get("UV_CONFIG_FILE") or "~/.config/uv/uv.toml").expanduser()


def venv(prefix: Path, python: Path | str = "/usr/bin/python3") -> None:
    """Makes an empty environment, on the Python of the embedded base."""
    _run_on(prefix, ["venv", "--quiet", "--no-project", "--python", python, prefix])


def compile(
    python: Path,
    requirements: Iterable[str],
    constraints: Iterable[str] = (),
    preferences: dict[str, str] | None = None,
    flags: Sequence[str | Path] = (),
    needs: Needs = NO_NEEDS,
    watch: Callable[[str], None] = lambda _: None,
) -> list[dict]:
    """Resolves requirements for that Python: returns the packages of a pylock.toml (PEP 751)."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, limits, lock = (
            Path(folder, name) for name in ("in.txt", "limits.txt", "pylock.toml")
        )
        wanted.write_text("\n".join([*requirements, ""]), encoding="utf-8")
        limits.write_text("\n".join([*constraints, ""]), encoding="utf-8")
        if preferences:
            lock.write_text(_preferred(preferences), encoding="utf-8")
        command = ["pip", "compile", "--format", "pylock.toml", "--no-header"]
        command += ["--python", python, "--constraints", limits, "--output-file", lock, wanted]
        _run_watched([*command, *flags], watch, needs)
        return tomllib.loads(lock.read_text(encoding="utf-8")).get("packages", [])


def _preferred(versions: dict[str, str]) -> str:
    """Writes a lock file that makes uv keep the installed versions."""
    head = 'lock-version = "1.0"\ncreated-by = "env-update"\n'
    return head + "".join(
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n'
        for name, version in sorted(versions.items())
    )


def known_names() -> set[str]:
    """Returns the packages that an index has answered for, by the entries of uv's cache."""
    cache = Path(environment().get("UV_CACHE_DIR") or "~/.cache/uv").expanduser()
    return {entry.stem for entry in cache.glob("simple-v*/**/*.rkyv")}


def install(
    python: Path, requirements: Sequence[str], *flags: str | Path, needs: Needs = NO_NEEDS
) -> None:
    """Installs exactly these lines, without their dependencies."""
    if not requirements:
        return
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "requirements.txt")
        wanted.write_text("\n".join([*requirements, ""]), encoding="utf-8")
        command = ["pip", "install", "--no-deps", "--break-system-packages", "--python", python]
        with _invalid_put_aside(python):
            _run_on(python.parent.parent, [*command, *flags, "--requirements", wanted], needs)


def uninstall(python: Path, names: Sequence[str]) -> None:
    if names:
        with _invalid_put_aside(python):
            command = ["pip", "uninstall", "--break-system-packages", "--python", python]
            _run_on(python.parent.parent, [*command, *names])


@contextmanager
def _invalid_put_aside(python: Path) -> Iterator[None]:
    """Hides metadata with an invalid name or version, beside which uv installs nothing."""
    prefix = python.parent.parent
    infos = installed.invalid_infos(prefix)
    if not infos:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="aside-", dir=prefix) as aside:
        try:
            for info in infos:
                shutil.move(info, aside)
            yield
        finally:
            for moved in sorted(Path(aside).iterdir()):
                shutil.move(moved, infos[0].parent)
