"""A package index and git repositories of small packages that are made here."""

import hashlib
import http.server
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yeast

_BUILD = '[build-system]\nrequires = ["yeast"]\nbuild-backend = "yeast"\n'


class Server:
    """Serves a folder: /simple/NAME/ lists the files in packages/NAME, the rest is unchanged."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self.folder = folder
        (folder / "packages").mkdir(parents=True)
        self.requests: list[str] = []
        handler = partial(_Handler, directory=str(folder), requests=self.requests)
        self._server = http.server.ThreadingHTTPServer((address, 0), handler)
        self.url = f"http://{address}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        """Returns the variables that make uv use packages from here alone."""
        return {"UV_DEFAULT_INDEX": f"{self.url}/simple", "NO_PROXY": "127.0.0.1"}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add_wheel(self, name: str, version: str, source: str = "", requires: Sequence[str] = ()):
        data = yeast.wheel(name, version, source, requires)
        return self._add(name, yeast.wheel_name(name, version), data)

    def add_backend(self, version: str) -> Path:
        return self.add_wheel("yeast", version, Path(yeast.__file__).read_text())

    def add_source(self, name: str, version: str, imports: Sequence[str] = ()) -> Path:
        """Adds a source archive, which yeast builds; its build imports undeclared modules."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as archive:
            for file, text in _source_files(name, version, imports).items():
                entry = tarfile.TarInfo(f"{name}-{version}/{file}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        return self._add(name, f"{name}-{version}.tar.gz", data.getvalue())

    def _add(self, name: str, file: str, data: bytes) -> Path:
        path = self.folder / "packages" / name / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path


class Repository:
    """A git repository that a server serves; yeast builds the package in it."""

    def __init__(self, server: Server, name: str) -> None:
        self.folder = server.folder / f"{name}.git"
        self.url = f"git+{server.url}/{name}.git"
        self._work = server.folder / f"{name}-work"
        self._git(server.folder, "init", "--quiet", "--initial-branch=main", self._work)
        for file, text in _source_files(name, "1.0").items():
            (self._work / file).write_text(text)
        self._git(self._work, "add", ".")
        self.commit("first")
        self._git(server.folder, "clone", "--quiet", "--bare", self._work, self.folder)
        self._git(self.folder, "update-server-info")

    def commit(self, message: str) -> None:
        author = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
        self._git(self._work, *author, "commit", "--quiet", "--allow-empty", f"--message={message}")

    def push(self, branch: str) -> str:
        """Publishes the commits as that branch; returns the last commit."""
        self._git(self._work, "push", "--quiet", self.folder, f"HEAD:refs/heads/{branch}")
        self._git(self.folder, "update-server-info")
        return self._git(self._work, "rev-parse", "HEAD")

    def forget(self, branch: str) -> None:
        """Removes a branch with its commits, like a forced push."""
        self._git(self.folder, "branch", "--quiet", "-D", branch)
        self._git(self.folder, "gc", "--quiet", "--prune=now")
        self._git(self.folder, "update-server-info")

    def _git(self, folder: Path, *arguments: str | Path) -> str:
        command = ["git", "-C", folder, *arguments]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        return result.stdout.strip()


def _source_files(name: str, version: str, imports: Sequence[str] = ()) -> dict[str, str]:
    package = json.dumps({"name": name, "version": version, "imports": list(imports)})
    project = f'{_BUILD}[project]\nname = "{name}"\nversion = "{version}"\n'
    metadata = f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n"
    return {"pyproject.toml": project, "package.json": package, "PKG-INFO": metadata}


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, requests: list[str], **more: object) -> None:
        self._requests = requests
        super().__init__(*arguments, **more)

    def do_GET(self) -> None:
        self._requests.append(self.path)
        if not self.path.startswith("/simple/"):
            super().do_GET()
            return
        name = self.path.strip("/").removeprefix("simple/")
        folder = Path(self.directory, "packages", name)
        if not folder.is_dir():
            self.send_error(404)
            return
        links = "".join(
            f'<a href="/packages/{name}/{file.name}#sha256={_sha256(file)}">{file.name}</a>\n'
            for file in sorted(folder.iterdir())
        )
        body = f"<!DOCTYPE html><html><body>\n{links}</body></html>\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests print nothing of this."""


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
