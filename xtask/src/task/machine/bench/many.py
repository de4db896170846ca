"""Measure tasks on many missions: `python3 -c SCRIPT XTASK`, in their checkout.

Prints, for each task, the median of its seconds and its most memory in megabytes, as JSON. One of
them asks a registry on the loopback about all missions: it answers as if each image was published
and tested, with whatever inputs it is asked for.
"""

import gzip
import hashlib
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RUNS = 3
ENVIRONMENT = "sky"
INSTALLED = {"python": "3.13.5", "packages": {"humanize": "4.10.0"}}
LABEL = "science-platform."
TESTS = "common/image/common-scripts/platform_env/environments/image_tests.json"


class Registry:
    """Images of missions that are built on one common image, made when they are asked for."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.common = ""
        self.has_common = threading.Event()
        whole = json.loads(Path(TESTS).read_text())
        own = [("consistency", "pip check"), ("import", "humanize"), ("kernel", ENVIRONMENT)]
        self.tests = [
            *(_test("", *it) for it in whole["prepare"] + whole["hub"]),
            _test("base", "kernel", whole["base_kernel"]),
            *(_test(ENVIRONMENT, *it) for it in own),
        ]

    def answer(self, path: str) -> bytes | None:
        """Return what is under `path`, like `/v2/NAME/manifests/REFERENCE`."""
        name, kind, reference = path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "blobs":
            return self.blobs.get(reference)
        if reference.startswith("inputs-"):
            return self._image(name, reference.removeprefix("inputs-"))
        # All human tags name the last image.
        return self.manifests.get((name, reference)) or self.manifests.get((name, ""))

    def _image(self, name: str, inputs: str) -> bytes:
        labels = {f"{LABEL}inputs": inputs}
        if name != "common":
            # The registry is asked about the common image, too.
            self.has_common.wait()
            labels |= {
                f"{LABEL}parent": self.common,
                f"{LABEL}mission": name,
                f"{LABEL}frozen-specs": "{}",
            }
        described = {"os": "linux", "architecture": "amd64", "config": {"Labels": labels}}
        config = self._blob(json.dumps(described).encode())
        manifest = self._manifest(name, "", config, [])
        if name == "common":
            immutable = f"{inputs[:12]}-{config.removeprefix('sha256:')[:12]}"
            self.manifests[name, immutable] = manifest
            self.common = config
            self.has_common.set()
        else:
            self._receipt(name, inputs, config, _digest(manifest))
        return manifest

    def _receipt(self, name: str, inputs: str, image: str, digest: str) -> None:
        tag = f"{inputs[:12]}-{image.removeprefix('sha256:')[:12]}"
        receipt = {
            "receipt": 1,
            "mission": name,
            "image": image,
            "platform": "linux/amd64",
            "inputs": inputs,
            "frozen_specs": {},
            "started": "2026-01-01T00:00:00Z",
            "seconds": 1.0,
            "complete": True,
            "contents": {"jupyterhub": "", "environments": {ENVIRONMENT: INSTALLED}},
            "tests": self.tests,
            "refrozen": {},
            "published": [{"repository": f"r/{name}", "tag": tag, "digest": digest}],
        }
        layer = self._blob(_archive("receipt.json", json.dumps(receipt).encode()))
        self._manifest(name, f"{digest.replace(':', '-')}.receipt", self._blob(b"{}"), [layer])

    def _manifest(self, name: str, tag: str, config: str, layers: list[str]) -> bytes:
        parts = {"config": {"digest": config}, "layers": [{"digest": it} for it in layers]}
        res = json.dumps({"schemaVersion": 2, **parts}).encode()
        self.manifests[name, tag] = res
        return res

    def _blob(self, content: bytes) -> str:
        digest = _digest(content)
        self.blobs[digest] = content
        return digest


def _test(environment: str, kind: str, name: str) -> dict:
    return {
        "environment": environment,
        "kind": kind,
        "name": name,
        "outcome": "passed",
        "seconds": 1.0,
        "message": "",
    }


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _archive(name: str, content: bytes) -> bytes:
    res = io.BytesIO()
    with tarfile.open(fileobj=res, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return gzip.compress(res.getvalue(), mtime=0)


def _served(registry: Registry) -> str:
    """Serve `registry`, and return its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = registry.answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        # Connections come many at once, and each that finds no place is tried again seconds later.
        request_queue_size = 1000

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


def _measured(words: list[str]) -> tuple[float, float]:
    """Return the seconds of a run, and the most memory that it had, in megabytes."""
    started = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{words} failed\n{said[-2000:].decode()}")
    return time.monotonic() - started, used.ru_maxrss / 1000


def main() -> None:
    xtask = sys.argv[1]
    alone = ["--set", "REUSE=never"]
    asks = ["--set", f"REGISTRY={_served(Registry())}"]
    tasks = {
        "check": ["check"],
        "plan": ["image-all", "--all", "--floating", "--dry-run", *alone],
        "explain": ["explain", "--all", "--floating", *alone],
        "asked": ["explain", "--all", "--floating", *asks],
    }
    res = {}
    for name, words in tasks.items():
        runs = [_measured([xtask, *words]) for _ in range(RUNS)]
        seconds, megabytes = zip(*runs, strict=True)
        res[name] = [statistics.median(seconds), max(megabytes)]
    print(json.dumps(res))


main()
