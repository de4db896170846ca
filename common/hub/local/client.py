"""Asks the hub of this container, as the service that smoke tests use.

    client.py health SECONDS    waits until the hub answers
    client.py smoke CHOICE      starts a server, runs a cell in every kernel, stops the server
    client.py clean             removes the server and the user of an interrupted smoke test

`smoke` prints a JSON object per step on stdout, {"step": …, "seconds": …}, and at a failure
{"error": …} with status 1. Reference: https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html
and https://jupyter-server.readthedocs.io/en/latest/developers/websocket-protocols.html.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import uuid
from pathlib import Path

import aiohttp

# Seconds for an answer, for a cell of a kernel that starts, and between questions.
ANSWER = 60
CELL = 300
PAUSE = 0.2

FILE = "xtask-smoke.txt"

# The pid of a smoke test that runs.
RUNNING = Path("/dev/shm/smoke.pid")


class SmokeError(Exception):
    """A step that failed, in one line."""


class Hub:
    """The hub's API, and a user's server through the proxy."""

    def __init__(self, session, settings):
        self.session = session
        self.root = f"http://127.0.0.1:8000{settings['base_url']}"
        self.user = settings["smoke_user"]
        self.limit = settings["start_timeout"]
        self.headers = {"Authorization": f"token {settings['smoke_token']}"}

    async def ask(self, method, path, body=None, expected=(200, 201, 202, 204)):
        """Returns the answer, as JSON where it is; a status that is not expected is an error."""
        async with self.session.request(
            method, self.root + path, json=body, headers=self.headers
        ) as answer:
            text = await answer.text()
            if answer.status not in expected:
                raise SmokeError(f"{method} {path}: status {answer.status}: {_end(text)}")
            return json.loads(text) if text and answer.content_type == "application/json" else text

    @property
    def account(self):
        return f"hub/api/users/{self.user}"

    @property
    def server(self):
        return f"user/{self.user}/"

    async def start(self, choice):
        await self.ask("POST", f"{self.account}/server", {"choice": choice})
        end = time.monotonic() + self.limit
        while time.monotonic() < end:
            user = await self.ask("GET", self.account)
            server = user["servers"].get("")
            if server is None:
                raise SmokeError(await self.why())
            if server["ready"]:
                return
            await asyncio.sleep(PAUSE)
        raise SmokeError(f"the server does not answer after {self.limit} s")

    async def why(self):
        """Returns why the last server did not start, as the progress page says it."""
        path = f"{self.root}{self.account}/server/progress"
        async with self.session.get(path, headers=self.headers) as answer:
            async for line in answer.content:
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    if event.get("failed") or event.get("ready"):
                        return " ".join(event.get("message", "").split())
        return "the server ended while it started"

    async def stop(self):
        await self.ask("DELETE", f"{self.account}/server", expected=(202, 204, 400, 404))
        end = time.monotonic() + self.limit
        while time.monotonic() < end:
            user = await self.ask("GET", self.account)
            if not user["servers"]:
                return
            await asyncio.sleep(PAUSE)
        raise SmokeError(f"the server has not stopped after {self.limit} s")

    async def run(self, kernel):
        """Runs a cell in a new kernel, and returns what it prints."""
        made = await self.ask("POST", f"{self.server}api/kernels", {"name": kernel})
        path = f"{self.server}api/kernels/{made['id']}"
        try:
            async with self.session.ws_connect(
                self.root + path + "/channels", headers=self.headers, max_msg_size=0
            ) as channel:
                return await asyncio.wait_for(_cell(channel, "print(6 * 7)"), CELL)
        except TimeoutError:
            raise SmokeError(f"the cell has not ended after {CELL} s") from None
        finally:
            await self.ask("DELETE", path, expected=(204, 404))

    async def clean(self):
        async with self.session.get(self.root + self.account, headers=self.headers) as answer:
            if answer.status == 404:
                return
        await self.stop()
        await self.ask("DELETE", self.account, expected=(204, 404))


def _end(text):
    """Returns the end of an answer's message, on one line: a server's last words."""
    with contextlib.suppress(ValueError, AttributeError):
        text = json.loads(text).get("message") or text
    words = " ".join(text.split())
    return words if len(words) <= 300 else f"…{words[-300:]}"


async def _cell(channel, code):
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": ""}
    header |= {"session": uuid.uuid4().hex, "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    rest = {"parent_header": {}, "metadata": {}, "channel": "shell"}
    await channel.send_json({"header": header, "content": content} | rest)
    printed = ""
    async for frame in channel:
        if frame.type != aiohttp.WSMsgType.TEXT:
            continue
        message = json.loads(frame.data)
        if message.get("parent_header", {}).get("msg_id") != header["msg_id"]:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            printed += content["text"]
        elif kind == "error":
            raise SmokeError(f"the cell failed: {content['ename']}: {content['evalue']}")
        elif kind == "status" and content["execution_state"] == "idle":
            return printed.strip()
    raise SmokeError("the kernel closed its channel")


async def smoke(hub, choice):
    text = uuid.uuid4().hex
    file = f"{hub.server}api/contents/{FILE}"

    async def log_in():
        await hub.clean()
        await hub.ask("POST", hub.account)

    async def write():
        await hub.ask("PUT", file, {"type": "file", "format": "text", "content": text})

    async def read():
        if (await hub.ask("GET", file))["content"] != text:
            raise SmokeError("the home has another file than was written before the restart")

    async def run(kernel):
        if (said := await hub.run(kernel)) != "42":
            raise SmokeError(f"`print(6 * 7)` printed {said!r}")

    await _step("log in", log_in())
    await _step("start the server", hub.start(choice))
    kernels = await _step("list kernels", hub.ask("GET", f"{hub.server}api/kernelspecs"))
    if not kernels["kernelspecs"]:
        raise SmokeError("list kernels: the server has no kernel")
    for it in sorted(kernels["kernelspecs"]):
        await _step(f"cell in {it}", run(it))
    await _step("write a file in the home", write())
    await _step("stop the server", hub.stop())
    await _step("start it again", hub.start(choice))
    await _step("read the file", read())
    await _step("remove user and server", hub.clean())


async def _step(name, work):
    started = time.monotonic()
    try:
        result = await work
    except (TimeoutError, SmokeError, aiohttp.ClientError, KeyError, ValueError) as error:
        told = str(error) or type(error).__name__
        raise SmokeError(f"{name}: {' '.join(told.split())}") from None
    _tell({"step": name, "seconds": round(time.monotonic() - started, 2)})
    return result


async def health(hub, seconds):
    end = time.monotonic() + seconds
    while True:
        try:
            return await hub.ask("GET", "hub/health")
        except (TimeoutError, SmokeError, aiohttp.ClientError) as error:
            if time.monotonic() >= end:
                raise SmokeError(f"the hub does not answer: {error}") from None
        await asyncio.sleep(PAUSE)


def _end_interrupted():
    """Ends the smoke test whose caller was interrupted."""
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(RUNNING.read_text()), signal.SIGKILL)
    RUNNING.unlink(missing_ok=True)


def _tell(message):
    print(json.dumps(message), flush=True)


async def main(command, *args):
    settings = json.loads(Path("/etc/hub/settings.json").read_text())
    limit = aiohttp.ClientTimeout(total=None, sock_read=ANSWER, sock_connect=ANSWER)
    async with aiohttp.ClientSession(timeout=limit) as session:
        hub = Hub(session, settings)
        try:
            if command == "health":
                await health(hub, float(args[0]))
            elif command == "smoke":
                RUNNING.write_text(str(os.getpid()))
                await smoke(hub, args[0])
                RUNNING.unlink()
            elif command == "clean":
                _end_interrupted()
                await hub.clean()
            else:
                sys.exit(f"{command}: expected health, smoke or clean")
        except SmokeError as error:
            _tell({"error": str(error)})
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
