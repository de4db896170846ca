"""Asks the hub of this container, as the service that smoke tests use: the hub on this machine, or,
sent to `python3 -` in its pod, a hub of the Zero to JupyterHub chart.

    client.py health SECONDS    waits until the hub answers
    client.py smoke [CHOICE]    starts a server, runs a cell in every kernel, stops the server
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

# Settings of the hub on this machine.
LOCAL = Path("/etc/hub/settings.json")

# Files of the chart in the hub's pod; the service, which `hub-deploy` adds, and its user.
CHART = Path("/usr/local/etc/jupyterhub")
SERVICE = "xtask-smoke"
USER = "xtask-smoke-user"

# The pid of a smoke test that runs.
RUNNING = Path("/dev/shm/smoke.pid")


class SmokeError(Exception):
    """A step that failed, in one line."""


class Hub:
    """The hub's API, and a user's server through the proxy."""

    def __init__(self, session, settings):
        self.session = session
        self.hub_url = settings["hub_url"]
        self.proxy_url = settings["proxy_url"]
        self.keeps_home = settings["keeps_home"]
        self.user = settings["smoke_user"]
        self.limit = settings["start_timeout"]
        self.headers = {"Authorization": f"token {settings['smoke_token']}"}

    def url(self, path):
        """Returns the address of a path of the hub, or of a user's server behind the proxy."""
        return (self.hub_url if path.startswith("hub/") else self.proxy_url) + path

    async def ask(self, method, path, body=None, expected=(200, 201, 202, 204)):
        """Returns the answer, as JSON where it is; a status that is not expected is an error."""
        async with self.session.request(
            method, self.url(path), json=body, headers=self.headers
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
        await self.ask("POST", f"{self.account}/server", {"choice": choice} if choice else {})
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
        url = self.url(f"{self.account}/server/progress")
        async with self.session.get(url, headers=self.headers) as answer:
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
                self.url(f"{path}/channels"), headers=self.headers, max_msg_size=0
            ) as channel:
                return await asyncio.wait_for(_cell(channel, "print(6 * 7)"), CELL)
        except TimeoutError:
            raise SmokeError(f"the cell has not ended after {CELL} s") from None
        finally:
            await self.ask("DELETE", path, expected=(204, 404))

    async def clean(self):
        async with self.session.get(self.url(self.account), headers=self.headers) as answer:
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


async def smoke(hub, choice=None):
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
    if hub.keeps_home:
        await _step("write a file in the home", write())
    await _step("stop the server", hub.stop())
    if hub.keeps_home:
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


def _settings():
    if not LOCAL.exists():
        return _of_chart()
    settings = json.loads(LOCAL.read_text())
    url = f"http://127.0.0.1:8000{settings['base_url']}"
    return settings | {"hub_url": url, "proxy_url": url, "keeps_home": True}


def _of_chart():
    """Returns the settings of a deployed hub. Its values, and the token as the chart's own
    configuration reads it: https://z2jh.jupyter.org/en/stable/resources/reference.html#hub-services
    """
    import yaml  # Of JupyterHub; the tests of this file do without.

    values = yaml.safe_load((CHART / "secret/values.yaml").read_text()) or {}
    base = _value(values, "hub.baseUrl", "/").rstrip("/") + "/"
    https = _value(values, "proxy.https", {})
    if not https.get("enabled") or https.get("type") == "offload":
        proxy = "http://proxy-public"
    elif https.get("type") == "letsencrypt":
        proxy = "http://proxy-http:8000"
    else:
        proxy = "https://proxy-public"
    name = f"hub.services.{SERVICE}.apiToken"
    files = [CHART / folder / name for folder in ("existing-secret", "secret")]
    file = next((it for it in files if it.exists()), None)
    if file is None:
        raise SmokeError(f"the hub has no token `hub.services.{SERVICE}.apiToken`")
    return {
        "hub_url": f"http://127.0.0.1:8081{base}",
        "proxy_url": proxy + base,
        "smoke_user": USER,
        "smoke_token": file.read_text().strip(),
        "start_timeout": _value(values, "singleuser.startTimeout", 300),
        "keeps_home": _value(values, "singleuser.storage.type", "dynamic") != "none",
    }


def _value(values, path, default):
    for name in path.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return default if values is None else values


def _tell(message):
    print(json.dumps(message), flush=True)


async def main(command, *args):
    try:
        settings = _settings()
    except (SmokeError, OSError) as error:
        _tell({"error": str(error)})
        return 1
    limit = aiohttp.ClientTimeout(total=None, sock_read=ANSWER, sock_connect=ANSWER)
    # The certificate is of the public name, and the proxy is in the same namespace.
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(timeout=limit, connector=connector) as session:
        hub = Hub(session, settings)
        try:
            if command == "health":
                await health(hub, float(args[0]))
            elif command == "smoke":
                RUNNING.write_text(str(os.getpid()))
                await smoke(hub, *args)
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
