"""Makes a conda installation: `python -m conda_base.root [--serve CHANNELS] FOLDER SPEC…`.

The same code that becomes the package `conda` links it, so that the base holds what conda leaves:
conda-meta with its history, `python` pinned to its minor version, and a .condarc. With --serve, the
packages come from a folder of channels, and are recorded as conda's public channel's, as those of
a published base are.
"""

import argparse
import os
import sys
import threading
from pathlib import Path

from .serve import Server, aliases
from .wheels import MINOR

_CONDARC = "channels:\n  - conda-forge\nauto_update_conda: false\nshow_channel_urls: true\n"
_PUBLIC = "https://conda.anaconda.org"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", type=Path, metavar="CHANNELS")
    parser.add_argument("folder", type=Path)
    parser.add_argument("specs", nargs="+")
    given = parser.parse_args()
    alias = serve(given.serve) if given.serve else ""
    if alias:
        os.environ["CONDA_CHANNEL_ALIAS"] = alias
    make(given.folder, given.specs)
    if alias:
        publish(given.folder, alias)


def serve(folder: Path) -> str:
    server = Server(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return aliases(server.host)["open"]


def make(prefix: Path, specs: list[str]) -> None:
    os.environ["CONDA_ROOT"] = str(prefix)  # before the settings are read
    from .conda import install, link, settings

    known = settings.load()
    packages = install.solved(known, prefix, ["conda-forge"], specs)
    link.execute(known, prefix, packages, specs)
    (prefix / "conda-meta" / "pinned").write_text(f"python {MINOR}.*\n", encoding="utf-8")
    (prefix / ".condarc").write_text(_CONDARC, encoding="utf-8")
    (prefix / "envs").mkdir(exist_ok=True)


def publish(prefix: Path, alias: str) -> None:
    """Records the packages as those of the public channel."""
    for path in (prefix / "conda-meta").glob("*.json"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(alias, _PUBLIC), encoding="utf-8")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # py-rattler's threads may outlive an orderly end
