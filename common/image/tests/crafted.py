"""Environments as conda leaves them, made file by file: tests of what reads them need no conda."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from environments import Scratch
from loopback import Server


class CraftedScratch(Scratch):
    """A test on a base that looks like conda's, with an index on loopback."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        (cls.conda_dir / "conda-meta").mkdir()
        (cls.conda_dir / "conda-meta" / "history").touch()
        cls.index = Server(cls.root / "index")
        cls.addClassCleanup(cls.index.stop)
        cls.env |= {**cls.index.variables, "UV_CACHE_DIR": str(cls.root / "uv-cache")}

    def make(self, environment: str) -> "Crafted":
        prefix = self.prefix(environment)
        command = ["uv", "venv", "--quiet", "--python", "/usr/bin/python3", prefix]
        subprocess.run(command, check=True)
        return Crafted(prefix)

    def asked_for(self, name: str) -> bool:
        return any(f"/{name}" in path for path in self.index.requests)


class Crafted:
    """An environment to which packages are added by hand."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.site = next(prefix.glob("lib/python3.*/site-packages"))
        (prefix / "conda-meta").mkdir(exist_ok=True)
        (prefix / "conda-meta" / "history").touch()

    def conda(self, package: str, *infos: Path, depends: Sequence[str] = ()) -> None:
        """Adds conda's record of a package, named name-version-build, that owns metadata."""
        name, version, build = package.rsplit("-", 2)
        inside = [it for info in infos for it in ([info] if info.is_file() else info.iterdir())]
        record = {
            "name": name,
            "version": version,
            "build": build,
            "fn": f"{package}.conda",
            "depends": list(depends),
            "files": [str(file.relative_to(self.prefix)) for file in inside],
        }
        file = self.prefix / "conda-meta" / f"{package}.json"
        file.write_text(json.dumps(record))

    def info(self, name: str, version: str, requires: Sequence[str] = ()) -> Path:
        """Adds a .dist-info folder."""
        folder = self.site / f"{name}-{version}.dist-info"
        folder.mkdir()
        text = [*_head(name, version), *(f"Requires-Dist: {line}" for line in requires)]
        (folder / "METADATA").write_text("\n".join([*text, ""]))
        (folder / "RECORD").touch()
        return folder

    def egg_info(self, name: str, version: str, requires: str = "") -> Path:
        """Adds an .egg-info folder, like setuptools made them."""
        folder = self.site / f"{name}-{version}-py3.13.egg-info"
        folder.mkdir()
        (folder / "PKG-INFO").write_bytes("\n".join([*_head(name, version), ""]).encode("latin-1"))
        (folder / "requires.txt").write_text(requires)
        return folder

    def egg_info_file(self, name: str, version: str) -> Path:
        """Adds an .egg-info file, like distutils made them."""
        file = self.site / f"{name}-{version}-py3.13.egg-info"
        file.write_text("\n".join([*_head(name, version), ""]))
        return file


def _head(name: str, version: str) -> list[str]:
    return ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Author: Andr\u00e9"]
