#!/usr/bin/python3 -Es
"""Usage: docker_healthcheck.py

Succeed when a Jupyter server of this container answers at /api. Its address is in files that
servers keep while they run, whatever port, base URL, socket or certificate they were started with.
A container that was asked for another user than it has is not healthy.
"""

import http.client
import json
import os
import pwd
import socket
import sys
from pathlib import Path

# Seconds to wait for an answer; servers that were killed leave files, so there may be several.
TIMEOUT = 2

# A server on all addresses of a family is asked at the loopback one.
LOOPBACK = {"": "localhost", "*": "localhost", "0.0.0.0": "127.0.0.1", "::": "::1"}


class UnixConnection(http.client.HTTPConnection):
    """A connection to a server that listens on a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connection(server: dict) -> http.client.HTTPConnection:
    if server.get("sock"):
        return UnixConnection(server["sock"])
    host = LOOPBACK.get(server["hostname"], server["hostname"])
    if not server["secure"]:
        return http.client.HTTPConnection(host, server["port"], timeout=TIMEOUT)
    import ssl  # most servers need none of it

    context = ssl._create_unverified_context()
    return http.client.HTTPSConnection(host, server["port"], timeout=TIMEOUT, context=context)


def ask(file: Path) -> str:
    """Return what the server of this file answers; raise one of ERRORS without a good answer."""
    server = json.loads(file.read_text())
    asked = connection(server)
    asked.request("GET", f"{server['base_url']}api")
    answer = asked.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise ValueError(f"{server['url']}api answers with status {answer.status}")
    return f"{server['url']}api: {text}"


ERRORS = (OSError, ValueError, LookupError, TypeError, AttributeError, http.client.HTTPException)


def another_user() -> str:
    """Return the problem of a container that cannot be NB_USER's, for want of root."""
    asked = os.environ.get("NB_USER") or "jovyan"
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""
    if os.getuid() == 0 or name == asked:
        return ""
    return f"NB_USER={asked} was asked for, and the user is {name}: that needs --user root"


def main() -> int:
    if sys.argv[1:] == ["--help"]:
        print(__doc__, end="")
        return 0
    problem = another_user()
    if problem:
        print(problem)
        return 1
    folder = Path(os.environ.get("JUPYTER_RUNTIME_DIR") or "/tmp/jupyter-runtime")
    problems = []
    for file in sorted(folder.glob("jpserver-*.json"), reverse=True):
        try:
            print(ask(file))
            return 0
        except ERRORS as error:
            problems.append(f"{file}: {error!r}")
    print("\n".join(problems) or f"no server has been started: {folder} has no jpserver-*.json")
    return 1


if __name__ == "__main__":
    sys.exit(main())
