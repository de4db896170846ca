"""Requests of a mission's own `test`, which is tested itself, to the tester for standard tests.

It asks over a UNIX socket. The request is a line of JSON: parts of a plan, and the environment in
which the tests are to run. The answer is a line of JSON for each line to print, {"line": "…"}, and
at the end {"status": 0}, or 1 when a test has failed, or 2 when the request is wrong.
"""

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from platform_env.environments import paths

# Variable with the socket's path, for processes that may ask.
VARIABLE = "TEST_SOCKET"

# Largest request in bytes; an environment of execve(2) is smaller.
_LIMIT = 8_000_000

# Seconds for a request to arrive once it has begun, and for its sender to take an answer's line.
_PATIENCE = 30.0

# Runs the tests for a request, printing lines by the second argument, and gives the status.
Answer = Callable[[Mapping[str, Any], Callable[[str], None]], int]


def ask(parts: Mapping[str, object]) -> int:
    """Asks the tester, prints its lines, and returns the status."""
    request = {"plan": dict(parts), "variables": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[VARIABLE])
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile(encoding="utf-8") as answer:
            for text in answer:
                told = json.loads(text)
                if "status" in told:
                    return told["status"]
                paths.show(told["line"])
    paths.say("the tester has ended")
    return paths.FAILED


class Desk:
    """The tester's end."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="desk-")
        folder = Path(self._folder.name)
        folder.chmod(0o711)
        self.address = str(folder / "socket")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.address)
        Path(self.address).chmod(0o666)
        self._socket.listen()

    def close(self) -> None:
        self._socket.close()
        self._folder.cleanup()

    def serve(self, answer: Answer, seconds: float) -> None:
        """Answers a request, if one arrives within some seconds."""
        self._socket.settimeout(seconds)
        try:
            connection, _ = self._socket.accept()
        except TimeoutError:
            return
        with connection:
            connection.settimeout(_PATIENCE)
            listener = _Listener(connection)
            try:
                status = answer(_request(connection), listener.say)
            except ValueError as error:
                listener.say(f"test-environments: error: {error}")
                status = paths.WRONG
            listener.tell({"status": status})


class _Listener:
    """The client of a request, while it listens."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def say(self, line: str) -> None:
        self.tell({"line": line})

    def tell(self, told: Mapping[str, object]) -> None:
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(told).encode() + b"\n")


def _request(connection: socket.socket) -> dict[str, Any]:
    """Returns the parts of the plan, checked, with the environment as its `variables`."""
    told = json.loads(b"".join(_chunks(connection)))
    if not isinstance(told, dict) or set(told) != {"plan", "variables"}:
        raise ValueError("a request has a plan and variables")
    plan, variables = told["plan"], told["variables"]
    if not isinstance(plan, dict) or not set(plan) <= set(_CHECKS):
        raise ValueError(f"a plan has no other parts than {', '.join(_CHECKS)}")
    for name, value in plan.items():
        if not _CHECKS[name](value):
            raise ValueError(f"{name} cannot be {value!r}")
    if not isinstance(variables, dict) or not all(_is_variable(*it) for it in variables.items()):
        raise ValueError("variables are names with text")
    return {**plan, "variables": {it: variables[it] for it in variables if it != VARIABLE}}


def _chunks(connection: socket.socket) -> Iterator[bytes]:
    size = 0
    while size <= _LIMIT:
        chunk = connection.recv(65536)
        yield chunk
        if not chunk or chunk.endswith(b"\n"):
            return
        size += len(chunk)
    raise ValueError(f"a request has at most {_LIMIT} bytes")


def _is_variable(name: object, value: object) -> bool:
    is_text = isinstance(name, str) and isinstance(value, str)
    return is_text and bool(name) and "=" not in name and "\0" not in name + value


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(it, str) for it in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6


_CHECKS: dict[str, Callable[[object], bool]] = {
    "environments": _are_names,
    "only": _are_names,
    "kinds": _are_names,
    "jobs": lambda it: _is_number(it) and isinstance(it, int),
    "timeout": _is_number,
}
