"""Times builds of the missions on a conda base: `conda_figures.py XTASK CLONE FOLDER`.

CLONE is a checkout that may be changed, FOLDER keeps the channels. Prints seconds by name as JSON.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conda_base_served import Served, docker, served

MISSIONS = ("roman-classic", "survey")
FIXTURES = Path(__file__).resolve().parent / "conda_missions"
LIST = "missions/survey/environments/survey/survey.conda"


def main() -> None:
    xtask, clone, folder = (Path(argument) for argument in sys.argv[1:])
    with served(folder) as base:
        _add_missions(clone, base)
        os.environ |= {
            "BASE_IMAGE": _published(xtask, clone, base.image),
            "CONDA_CHANNEL_ALIAS": base.alias,
            "PIP_EXTRA_INDEX_URL": base.index,
            "NO_PROXY": f"{os.environ.get('NO_PROXY', '')},{base.address}",
        }
        print(json.dumps(_figures(xtask, clone)))


def _figures(xtask: Path, clone: Path) -> dict[str, float]:
    def seconds(*tasks: tuple[str, ...]) -> float:
        started = time.monotonic()
        for task, *flags in tasks:
            command = [xtask, task, *MISSIONS, *flags]
            subprocess.run(command, cwd=clone, check=True, stdout=sys.stderr)
        return time.monotonic() - started

    build, test = ("image-build", "--floating"), ("image-test", "--floating")
    seconds(build, test)
    res = {"floating": seconds((*build, "--refresh"))}
    seconds(("image-build", "--frozen"))
    res["frozen"] = seconds(("image-build", "--frozen", "--refresh"))
    with (clone / LIST).open("a") as file:
        file.write("eggy\n")
    res["added"] = seconds(build, test)
    res["nothing"] = seconds(build, test)
    return res


def _add_missions(clone: Path, base: Served) -> None:
    for mission in MISSIONS:
        shutil.copytree(FIXTURES / mission, clone / "missions" / mission)
    pip = clone / "missions/survey/environments/survey/survey.pip"
    pip.write_text(pip.read_text().replace("PACKAGES", base.packages))


def _published(xtask: Path, clone: Path, image: str) -> str:
    """Pushes the base image to the registry of this machine; returns its name by digest."""
    summary = _output(xtask, "image-all", "hello", "--json", folder=clone)
    tag = next(row["tag"] for row in json.loads(summary)["images"] if row["image"] == "hello")
    name = f"{tag.partition('/')[0]}/scipy-notebook"
    _output(docker(), "image", "tag", image, f"{name}:bench")
    _push(name, (clone / "target/xtask/registry.password").read_text().strip())
    template = "{{json .RepoDigests}}"
    digests = _output(docker(), "image", "inspect", "--format", template, f"{name}:bench")
    return next(it for it in json.loads(digests) if it.startswith(f"{name}@"))


def _push(name: str, password: str) -> None:
    """Pushes `name:bench`; the registry's password goes into a configuration of this push alone."""
    auth = base64.b64encode(f"xtask:{password}".encode()).decode()
    with tempfile.TemporaryDirectory() as config:
        auths = {"auths": {name.partition("/")[0]: {"auth": auth}}}
        (Path(config) / "config.json").write_text(json.dumps(auths))
        _output(docker(), "--config", config, "image", "push", "--quiet", f"{name}:bench")


def _output(*command: str | Path, folder: Path | None = None) -> str:
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
