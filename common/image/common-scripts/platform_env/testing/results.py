"""Outcome of a test: shown to people at once, and recorded for the program that asked.

With a folder for results, each is a line of JSON in its `results.jsonl`, written when the test
ends, so that nothing that comes later can lose it.
"""

import dataclasses
import json
import os
import shlex
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from platform_env.environments import image_tests, paths, printable

Kind = Literal[
    "command", "consistency", "import", "mission", "notebook", "script", "tests",
    # Tests of the image as a whole, or as a hub starts it.
    "home", "kernel", "permissions", "server", "shell",
]  # fmt: skip

INTERRUPTED = 130


@dataclasses.dataclass(frozen=True)
class Result:
    """The outcome of a test; a message means that it failed."""

    environment: str
    kind: Kind
    name: str
    message: str = ""
    seconds: float = 0.0
    command: tuple[str, ...] = ()  # reproduces it; `env-test` where nothing smaller does

    @property
    def outcome(self) -> str:
        return "failed" if self.message else "passed"

    def key(self) -> tuple[str, str, str]:
        """Returns environment, kind and name."""
        return self.environment, self.kind, self.name

    def title(self) -> str:
        """Returns the name of the test on a line."""
        where = f"{self.environment}: " if self.environment else ""
        return printable.line(f"{where}{self.kind} {self.name}")

    def as_json(self) -> str:
        """Returns the line of `results.jsonl`."""
        names = ("environment", "kind", "name", "outcome", "seconds", "message")
        values = {name: getattr(self, name) for name in names}
        values["seconds"] = round(self.seconds, 3)
        values["again"] = self.again()
        return json.dumps(values, ensure_ascii=False)

    def again(self) -> str:
        """Returns the command line that runs this test alone; '' where only image-test can."""
        if self.kind in (*image_tests.KINDS, "mission"):
            return ""
        command = self.command or ("env-test", self.environment)
        return shlex.join([f"/opt/common-scripts/{command[0]}", *command[1:]])


SCRIPTS = Path(__file__).resolve().parents[2]


_folders: list[Path] = []


def keep_in(folder: Path) -> None:
    """Keeps results there, whatever the environment sets."""
    _folders[:] = [folder]


def folder() -> Path | None:
    """Returns the folder for results and executed notebooks, if they are kept."""
    name = os.environ.get("TEST_RESULTS")
    return next(iter(_folders), Path(name) if name else None)


class Report:
    """Collects results, and reports the failures at the end."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.listener: Callable[[str], None] | None = None  # who also gets each line
        self._started = time.monotonic()
        self._complete = True

    def add(self, result: Result) -> None:
        """Records a result and prints its line; of two about one test, the first counts."""
        if result.key() in self.done():
            return
        self.results.append(result)
        _append(result.as_json())
        word = "FAILED" if result.message else "passed"
        line = f"{word}  {result.title()} ({result.seconds:.1f} s)"
        paths.show(line)
        if self.listener is not None:
            self.listener(line)

    def skip(self, tests: Iterable[tuple[str, str, str]]) -> None:
        """Records tests that need not run."""
        lines = [json.dumps(test) for test in tests]
        if not lines:
            return
        _append("\n".join(lines), "skipped.jsonl")
        paths.show(f"{len(lines)} tests cannot see what changed, and are not run again")

    def done(self) -> set[tuple[str, str, str]]:
        """Returns the tests that have a result."""
        return {it.key() for it in self.results}

    def failures(self) -> list[Result]:
        return [it for it in self.results if it.message]

    def interrupted(self) -> None:
        """Records that not everything ran."""
        self._complete = False

    def finish(self) -> int:
        """Prints the failures with their commands, then the count; returns the exit status."""
        failures = self.failures()
        for result in failures:
            paths.show(f"\nFAILED  {result.title()}")
            for line in result.message.splitlines():
                paths.show(f"    {line}".rstrip())
            if result.again():
                paths.show(f"    again: {printable.line(result.again())}")
        seconds = time.monotonic() - self._started
        passed = len(self.results) - len(failures)
        paths.show(f"\n{passed} passed, {len(failures)} failed in {seconds:.1f} s")
        if not self._complete:
            paths.say("interrupted: the other tests did not run")
            return INTERRUPTED
        return paths.FAILED if failures else 0


def _append(line: str, name: str = "results.jsonl") -> None:
    """Adds a line to the record in one write, which cannot mix with that of another process."""
    directory = folder()
    if directory is None:
        return
    directory.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    handle = os.open(directory / name, flags, 0o664)
    try:
        os.write(handle, (line + "\n").encode())
    finally:
        os.close(handle)
