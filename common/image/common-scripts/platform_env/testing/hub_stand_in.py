"""A hub's API, as far as a starting single-user server needs it, on the loopback interface.

The variables are those of JupyterHub's Spawner.get_env; the API is that of
https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html, as far as a server asks for it.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata

TOKEN = "a-token-of-the-hub"
USER = "astronomer"
PREFIX = f"/user/{USER}/"
PORT = 8890


class _Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        user = {"kind": "user", "name": USER, "admin": False, "groups": [], "scopes": []}
        self._answer({"version": metadata.version("jupyterhub"), **user})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer({})

    def _answer(self, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-JupyterHub-Version", metadata.version("jupyterhub"))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Runs a hub's API, and yields the variables that a server is started with."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield _variables(server.server_port)
        finally:
            server.shutdown()


def _variables(port: int) -> dict[str, str]:
    api = f"http://127.0.0.1:{port}/hub/api"
    return {
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "JPY_API_TOKEN": TOKEN,
        "JUPYTERHUB_API_URL": api,
        "JUPYTERHUB_ACTIVITY_URL": f"{api}/users/{USER}/activity",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": f"jupyterhub-user-{USER}",
        "JUPYTERHUB_HOST": "",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": json.dumps([f"access:servers!user={USER}"]),
        "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
        "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES": "[]",
        "JUPYTERHUB_OAUTH_SCOPES": json.dumps([f"access:servers!user={USER}"]),
        "JUPYTERHUB_SERVER_NAME": "",
        "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{PORT}{PREFIX}",
        "JUPYTERHUB_USER": USER,
    }
