#!/opt/conda/bin/python -Es
"""A stand-in for conda, strict about its documented command line, and with its traps.

Statuses, messages and what is looked at are those of conda 26.7, as it did the same with packages
like these. It knows a few invented packages. Each environment gets a real Python (a bare venv) and
conda-meta as conda writes it. Calls are logged, one JSON list a line, to calls.jsonl in the
CONDA_DIR.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(sys.argv[0]).parent.parent
CHANNEL = "https://mirror.invalid/conda/conda-forge"
CHANNEL_WITH_CREDENTIALS = "https://user:word@mirror.invalid/conda/t/token/conda-forge"
PACKAGES = {  # name: (versions, Python distribution)
    "python": (["3.13.5"], ""),
    "pip": (["26.0"], "pip"),
    "idna": (["3.4", "3.6"], "idna"),
    "six": (["1.16.0"], "six"),
    "libtool-ours": (["1.0"], ""),
}
FLAGS = {
    "create": {"-y", "--yes", "--no-default-packages"},
    "env create": {"-y", "--yes", "--no-default-packages"},
    "install": {"-y", "--yes"},
    "config": {"--json"},
}
OPTIONS = {
    "create": {"-n", "--file", "--clone", "-c"},
    "env create": {"-n", "-f"},
    "install": {"-n", "--file", "-c"},
    "config": set(),
}


def fail(message: str, status: int = 1) -> None:
    print(message, file=sys.stderr)
    raise SystemExit(status)


def parse(arguments: list[str]) -> tuple[str, set[str], dict[str, list[str]], list[str]]:
    command = arguments.pop(0)
    if command == "env":
        command += " " + arguments.pop(0)
    if command not in FLAGS:
        fail(f"conda: error: argument COMMAND: invalid choice: '{command}'", 2)
    flags, options, rest = set(), {}, []
    while arguments:
        word = arguments.pop(0)
        if word in FLAGS[command]:
            flags.add(word)
        elif word in OPTIONS[command]:
            options.setdefault(word, []).append(arguments.pop(0))
        elif command == "config" and word == "--show":
            while arguments and not arguments[0].startswith("-"):
                rest.append(arguments.pop(0))
        elif word.startswith("-"):
            fail(f"conda: error: unrecognized arguments: {word}", 2)
        else:
            rest.append(word)
    return command, flags, options, rest


def config(names: list[str]) -> None:
    def place(location: str, name: str, auth: str | None, token: str | None) -> dict:
        fixed = {"scheme": "https", "platform": None, "package_filename": None}
        return {"location": location, "name": name, "auth": auth, "token": token, **fixed}

    known = {
        "channel_alias": place("mirror.invalid/conda", "", "user:word", "token"),
        "custom_channels": {"ours": place("ours.invalid", "ours", None, None)},
    }
    print(json.dumps({name: known[name] for name in names}))


def create(flags: set[str], options: dict, rest: list[str], prefix: Path) -> None:
    if prefix.exists() and not flags & {"-y", "--yes"}:
        print("Exiting.")
        raise SystemExit(0)
    if "--clone" in options:
        if rest or "--file" in options:
            fail("TooManyArgumentsError: Got 1 argument but expected 0.", 2)
        source = ROOT / "envs" / options["--clone"][0]
        if options["--clone"][0] == "base":
            source = ROOT
        if not (source / "conda-meta" / "history").exists():
            fail(f"EnvironmentLocationNotFound: Not a conda environment: {source}")
        clone(source, prefix)
        return
    wanted = list(rest)
    for file in options.get("--file", []):
        lines = [line for line in Path(file).read_text().splitlines() if line]
        if "@EXPLICIT" in lines:
            make(prefix, [explicit(line) for line in lines if line != "@EXPLICIT"])
            return
        wanted += lines
    make(prefix, solve(wanted))


def env_create(options: dict, prefix: Path) -> None:
    file = Path(options["-f"][0])
    if file.suffix not in (".yml", ".yaml"):
        fail("EnvironmentSpecPluginNotDetected")
    if prefix.exists():
        shutil.rmtree(prefix)  # as the real one does, without asking
    wanted = re.findall(r"^  - (.*)$", file.read_text().split("dependencies:")[1], re.MULTILINE)
    make(prefix, solve([json.loads(word) for word in wanted]))


def install(options: dict, rest: list[str], prefix: Path) -> None:
    if not (prefix / "conda-meta" / "history").exists():
        fail(f"DirectoryNotACondaEnvironmentError: {prefix}")
    lines = [
        line for file in options.get("--file", []) for line in Path(file).read_text().split("\n")
    ]
    make(prefix, solve([line for line in [*rest, *lines] if line]))


def solve(specs: list[str]) -> dict[str, str]:
    """The newest version of each package that all specs allow; always with a Python."""
    chosen: dict[str, str] = {}
    for spec in ["python", *specs]:
        found = re.fullmatch(r"([\w-]+)\s*(?:(=|==|<|>=)\s*([\d.]+)(?:\.\*)?)?", spec)
        if not found:
            fail(f"InvalidMatchSpec: {spec}")
        name, operator, version = found.groups()
        if name not in PACKAGES:
            fail(f"PackagesNotFoundInChannelsError: {spec}, from {CHANNEL_WITH_CREDENTIALS}/noarch")
        allowed = [one for one in PACKAGES[name][0] if holds(one, operator, version)]
        allowed = [
            one for one in allowed if name not in chosen or name == "python" or one <= chosen[name]
        ]
        if not allowed:
            fail(f"LibMambaUnsatisfiableError: nothing provides requested {spec}")
        chosen[name] = allowed[-1]
    return chosen


def holds(one: str, operator: str | None, version: str | None) -> bool:
    if operator is None or version is None:
        return True
    left, right = ([int(part) for part in text.split(".")] for text in (one, version))
    return {"=": left[: len(right)] == right, "==": left == right, "<": left < right}.get(
        operator, left >= right
    )


def file_name(name: str, version: str) -> str:
    return f"{name}-{version}-h0_0.conda"


def digest(name: str, version: str) -> str:
    return hashlib.sha256(file_name(name, version).encode()).hexdigest()


def explicit(line: str) -> tuple[str, str]:
    """What lies at a URL: its version and build are those of the file, whatever a spec says."""
    url, _, checksum = line.partition("#")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", checksum):
        fail(f"ParseError: Could not parse explicit URL: {line}")
    place = rf"{CHANNEL_WITH_CREDENTIALS}/linux-64/([\w-]+)-([\d.]+)-h0_0\.conda"
    shown = url.replace(CHANNEL_WITH_CREDENTIALS, CHANNEL)
    found = re.fullmatch(place, url)
    if not found:
        fail(f"CondaHTTPError: HTTP 404 File not found for url <{shown}>")
    if checksum != f"sha256:{digest(*found.groups())}":
        fail(f"ChecksumMismatchError: Conda detected a mismatch for url '{shown}'.")
    return found.groups()


def make(prefix: Path, packages: dict[str, str] | list[tuple[str, str]]) -> None:
    if not (prefix / "bin" / "python").exists():
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", prefix], check=True)
    meta = prefix / "conda-meta"
    meta.mkdir(exist_ok=True)
    (meta / "history").touch()
    for name, version in dict(packages).items():
        for old in meta.glob(f"{name}-*.json"):
            uninstall(prefix, old)
        link(prefix, name, version)


def uninstall(prefix: Path, meta: Path) -> None:
    for file in json.loads(meta.read_text())["files"]:
        (prefix / file).unlink(missing_ok=True)
    meta.unlink()


def link(prefix: Path, name: str, version: str) -> None:
    files = []
    if distribution := PACKAGES[name][1]:
        site = next(prefix.glob("lib/python3.*/site-packages"))
        folder = site / f"{distribution}-{version}.dist-info"
        folder.mkdir(exist_ok=True)
        for file, text in (
            ("METADATA", f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"),
            ("INSTALLER", "conda\n"),
            ("RECORD", ""),
        ):
            (folder / file).write_text(text)
            files.append(str((folder / file).relative_to(prefix)))
    record = {
        "name": name,
        "version": version,
        "build": "h0_0",
        "subdir": "linux-64",
        "channel": f"{CHANNEL}/linux-64",
        "fn": file_name(name, version),
        "sha256": digest(name, version),
        "files": files,
    }
    (prefix / "conda-meta" / f"{name}-{version}-h0_0.json").write_text(json.dumps(record))


def clone(source: Path, prefix: Path) -> None:
    """conda's packages and every untracked file, with the prefix replaced in text."""
    shutil.copytree(source, prefix, symlinks=True, ignore=shutil.ignore_patterns("envs"))
    for file in prefix.rglob("*"):
        if file.is_file() and not file.is_symlink():
            data = file.read_bytes().replace(str(source).encode(), str(prefix).encode())
            file.write_bytes(data)


def main() -> None:
    with (ROOT / "calls.jsonl").open("a") as log:
        log.write(json.dumps(sys.argv[1:]) + "\n")
    command, flags, options, rest = parse(sys.argv[1:])
    if command == "config":
        config(rest)
        return
    if len(options.get("-n", [])) != 1:
        fail("ArgumentError: one of the arguments -n/--name -p/--prefix is required", 2)
    prefix = ROOT / "envs" / options["-n"][0]
    if command == "create":
        create(flags, options, rest, prefix)
    elif command == "env create":
        env_create(options, prefix)
    else:
        install(options, rest, prefix)


main()
