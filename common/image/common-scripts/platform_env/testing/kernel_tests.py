"""Tests of kernels as users have them: started by the server, each in its own environment."""

import json
import string
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import websocket
from jupyter_client.kernelspec import KernelSpecManager

from platform_env.environments import kernels, paths
from platform_env.environments.activation import ActivationError, activation
from platform_env.environments.printable import tail
from platform_env.testing import limits
from platform_env.testing.notebook_run import run_cell
from platform_env.testing.plan import Plan
from platform_env.testing.results import Report, Result
from platform_env.testing.servers import Server
from platform_env.testing.stale_home import USER

# Seconds for a kernel to start and run the cell.
LIMIT = 300.0

_CELL = """
import json, os, shutil, sys
_pip = !pip --version
print("\\n" + json.dumps({
    "prefix": sys.prefix,
    "executable": sys.executable,
    "python": shutil.which("python"),
    "conda": shutil.which("conda"),
    "pip": "\\n".join(_pip),
    "variables": dict(os.environ),
}))
"""

# Runs a cell in a new kernel of that name, and returns its output.
RunCell = Callable[[str, str], str]


class CellError(Exception):
    """A cell that failed."""


def test_kernels(server: Server | None, plan: Plan, report: Report) -> None:
    """Runs a cell in every kernel of the image, through the server when there is one.

    Where no server runs, kernels are told apart from it.
    """

    def run(name: str, code: str) -> str:
        return (
            _through(server, name, code) if server else run_cell(name, code, plan.variables, USER)
        )

    for name, environment in sorted(_kernels().items()):
        if not plan.wants(environment, "kernel", name):
            continue
        started = time.monotonic()
        try:
            message = "\n".join(_problems(name, environment, run, plan.variables))
        except Exception as error:  # of many kinds; each is that kernel's failure
            message = f"it runs no cell: {tail(str(error)) or type(error).__name__}"
        seconds = time.monotonic() - started
        report.add(Result(environment, "kernel", name, message, seconds))


def _kernels() -> dict[str, str]:
    """Returns existing and required kernels, with their environments ('' for another's)."""
    # Those in the home are the user's own.
    found = KernelSpecManager().find_kernel_specs()
    home = Path.home()
    others = {name: "" for name, path in found.items() if not Path(path).is_relative_to(home)}
    ours = {kernels.kernel_name(it): it for it in ("base", *paths.environments())}
    return others | ours


def _problems(
    name: str, environment: str, run: RunCell, outside: Mapping[str, str]
) -> Iterator[str]:
    """Yields the problems of a kernel."""
    if not environment:
        run(name, "")
        return
    told = json.loads(run(name, _CELL).rpartition("\n")[2])
    prefix = paths.prefix(environment)
    if told["prefix"] != str(prefix):
        yield f"sys.prefix is {told['prefix']}, not {prefix}"
    for what in ("executable", "python"):
        if not str(told[what]).startswith(f"{prefix}/bin/"):
            yield f"{what} is {told[what]}, not in {prefix}/bin"
    if f" {prefix}/lib/" not in told["pip"]:
        yield f"!pip is not the environment's: {told['pip']}"
    conda = paths.CONDA_DIR / "condabin" / "conda"
    if paths.is_conda_base() and told["conda"] != str(conda):
        yield f"!conda is {told['conda']}, not the base's {conda}"
    yield from _wrong_variables(environment, told["variables"], outside)


def _wrong_variables(
    environment: str, variables: dict[str, str], outside: Mapping[str, str]
) -> Iterator[str]:
    """Yields variables that activating the environment sets to other values."""
    try:
        wanted = activation(environment)
    except ActivationError as error:
        yield str(error)
        return
    for name, template in wanted.items():
        value = string.Template(template).safe_substitute(outside)
        has = variables.get(name)
        is_right = has is not None and has.startswith(value) if name == "PATH" else has == value
        if not is_right:
            yield f"{name} is {has!r}; activation sets {value!r}: run kernel-setup last"


def _through(server: Server, name: str, code: str) -> str:
    """Runs a cell like a browser does:
    https://jupyter-server.readthedocs.io/en/latest/developers/websocket-protocols.html
    """
    kernel: Any = server.ask("api/kernels", "POST", {"name": name})
    address = f"{server.url}api/kernels/{kernel['id']}/channels".replace("http", "ws", 1)
    header = [f"Authorization: token {server.token}"]
    try:
        limit = limits.stretched(LIMIT)
        connection = websocket.create_connection(address, timeout=limit, header=header)
        try:
            return _run(connection, code)
        finally:
            connection.close()
    finally:
        server.ask(f"api/kernels/{kernel['id']}", "DELETE")


def _run(connection: Any, code: str) -> str:
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "username": "",
        "session": uuid.uuid4().hex,
        "version": "5.3",
    }
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    request = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    connection.send(json.dumps(request | {"channel": "shell"}))
    printed = ""
    limit = limits.stretched(LIMIT)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        message = json.loads(connection.recv())
        if message.get("parent_header", {}).get("msg_id") != header["msg_id"]:
            continue
        printed += _printed(message)
        state = message["content"].get("execution_state")
        if message["msg_type"] == "status" and state == "idle":
            return printed.strip()
    raise CellError(f"the cell has not ended after {limit:g} s; {limits.advice()}")


def _printed(message: dict[str, Any]) -> str:
    if message["msg_type"] == "error":
        raise CellError("\n".join(message["content"]["traceback"]))
    is_text = message["msg_type"] == "stream" and message["content"]["name"] == "stdout"
    return message["content"]["text"] if is_text else ""
