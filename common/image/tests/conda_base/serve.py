#!/usr/bin/env python3
"""Serves channels over HTTP: `serve.py FOLDER ADDRESS [PORT]`, without dependencies.

  /open/CHANNEL/…              to anyone
  /closed/CHANNEL/…            with basic authentication (CREDENTIALS), or
  /closed/t/TOKEN/CHANNEL/…    with the token in the path
The channel `private` requires credentials under either. As a program it prints JSON lines: first
where it serves, then each request with its credentials and its status.
"""

import base64
import json
import re
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

CREDENTIALS = "user:word"
TOKEN = "tk-1234-secret"
_PATH = re.compile(r"/(open|closed)(/t/(?P<token>[^/]+))?/(?P<file>(?P<channel>[^/]+)/.+)")


def aliases(host: str) -> dict[str, str]:
    """Returns values for CONDA_CHANNEL_ALIAS."""
    return {
        "open": f"http://{host}/open",
        "closed": f"http://{CREDENTIALS}@{host}/closed",
        "token": f"http://{host}/closed/t/{TOKEN}",
    }


class Server(ThreadingHTTPServer):
    """A server of a folder of channels."""

    daemon_threads = True

    def __init__(self, folder: Path, address: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((address, port), _Handler)
        self.folder = folder
        self.requests: list[dict[str, str | int]] = []
        self.prints = False

    @property
    def host(self) -> str:
        return f"{self.server_address[0]}:{self.server_address[1]}"

    def note(self, **request: str | int) -> None:
        self.requests.append(request)
        if self.prints:
            print(json.dumps(request), flush=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        found = _PATH.fullmatch(path)
        sent = self.headers.get("Authorization", "")
        token = found["token"] or "" if found else ""
        status, data = self._answer(found, sent, token)
        self.server.note(path=path, authorization=sent, token=token, status=int(status))
        self.send_response(status)
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="channels"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET

    def _answer(
        self, found: re.Match[str] | None, sent: str, token: str
    ) -> tuple[HTTPStatus, bytes]:
        if not found or ".." in found["file"].split("/"):
            return HTTPStatus.NOT_FOUND, b""
        is_closed = found[1] == "closed" or found["channel"] == "private"
        expected = "Basic " + base64.b64encode(CREDENTIALS.encode()).decode()
        if is_closed and sent != expected and token != TOKEN:
            return HTTPStatus.UNAUTHORIZED, b""
        path = self.server.folder / found["file"]
        return (HTTPStatus.OK, path.read_bytes()) if path.is_file() else (HTTPStatus.NOT_FOUND, b"")

    def log_message(self, format: str, *arguments: object) -> None:
        """Prints nothing: `note` keeps what tests want to see."""


def main() -> int:
    if len(sys.argv) not in (3, 4) or not Path(sys.argv[1]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    folder, address, port = [*sys.argv[1:], "0"][:3]
    with Server(Path(folder), address, int(port)) as server:
        server.prints = True
        print(json.dumps({"serving": server.host}), flush=True)
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
