"""The tester as the first process of a pod's container.

It finds out whether the network is closed, and keeps the results until they were read.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from platform_env.testing import limits
from platform_env.testing.first_process import with_first_process

# Seconds that a cluster has to close the network of a new pod: its policies reach nodes late.
CLOSING = 20.0

# Seconds for a connection or an answer.
_ANSWER = 2.0

# Names that the addresses of the cluster's API are in, in every container:
# https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
API = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
RESOLV_CONF = Path("/etc/resolv.conf")
DNS = 53

# A question for the address of `kubernetes.default.svc`, RFC 1035.
_QUESTION = (
    b"\x2a\x2a\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    b"\x0akubernetes\x07default\x03svc\x00\x00\x01\x00\x01"
)


def attended(run: Callable[[], int], results: Path, keep: float) -> int:
    """Runs tests, and keeps their results for `keep` seconds; the status is one of the results.

    Without a connection to the cluster's API and its name server, the network counts as closed.
    """
    results.chmod(0o755)
    closed = is_closed(limits.stretched(CLOSING))
    (results / "network").write_text("none" if closed else "cluster")
    status = with_first_process(lambda: sys.exit(run()))
    ended = results / "ended"
    ended.with_suffix(".part").write_text(str(status))
    ended.with_suffix(".part").rename(ended)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    time.sleep(keep)
    return 0


def is_closed(patience: float) -> bool:
    """Returns whether the network closes in time; one of which nothing is known is open."""
    host, port = (os.environ.get(it, "") for it in API)
    if not (host and port.isdecimal()):
        return False
    servers = _name_servers()
    end = time.monotonic() + patience
    while _connects(host, int(port)) or any(_answers(it) for it in servers):
        if time.monotonic() >= end:
            return False
        time.sleep(0.5)
    return True


def _name_servers() -> list[str]:
    if not RESOLV_CONF.is_file():
        return []
    lines = (it.split() for it in RESOLV_CONF.read_text(errors="replace").splitlines())
    return [words[1] for words in lines if words[:1] == ["nameserver"] and len(words) > 1]


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), _ANSWER).close()
    except OSError:
        return False
    return True


def _answers(server: str) -> bool:
    try:
        family, kind, _, _, address = socket.getaddrinfo(server, DNS, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as asked:
            asked.settimeout(_ANSWER)
            asked.connect(address)
            asked.send(_QUESTION)
            return bool(asked.recv(512))
    except OSError:
        return False
