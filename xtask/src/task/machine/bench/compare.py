"""Time image-all beside docker commands: `python3 -c SCRIPT XTASK DOCKER RECORDER DIR ROUNDS`.

Runs in a checkout of its own, on an engine that has the base image and that of the registry;
removes the other images of this project and the build cache. DIR is an empty folder. Prints JSON:
the seconds of each row, way and round, those of image-all that no child process took, and those in
which one changed something.

The ways are:
- image-all.
- bare: each docker command by which image-all changes something in a build from nothing (builds,
  containers of tests and of the frozen spec, tags and pushes), at once where it was at once,
  without a question, whatever has changed.
- sequence: the same builds without caches of packages and after a copy of all files, imports and
  one papermill after the other in a container, pushes of the human tags.
"""

import atexit
import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

EXE, DOCKER, RECORDER, DIR, ROUNDS = sys.argv[1:]
SCRATCH = Path(DIR)
STATE = Path("target/xtask").absolute()
ENVIRONMENT = "environments/hello"
LIST = f"{ENVIRONMENT}/hello.pip"
NOTEBOOKS = 8
NAMES = ("common", "hello")
REGISTRY = "xtask-compare-registry"
CHANGES = {
    *("build", "volume create", "volume rm", "create", "cp", "start", "run", "rm"),
    *("image tag", "image push", "image rm"),
}
TESTS = f"""
cd /opt/{ENVIRONMENT}/tests
kernel=${{CONDA_DIR}}/share/jupyter/kernels/hello/kernel.json
python=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["argv"][0])' "${{kernel}}")
sed 's/#.*//; /^$/d; s/^/import /' imports | "${{python}}"
for notebook in *.ipynb; do papermill --kernel hello "${{notebook}}" /tmp/out.ipynb; done
"""
Call = dict[str, Any]


def run(command: list[str], env: dict[str, str], given: bytes = b"") -> str:
    done = subprocess.run(command, env=os.environ | env, input=given, capture_output=True)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr.decode(errors='replace')[-4000:]}")
    return done.stdout.decode(errors="replace").strip()


def docker(*argv: str) -> str:
    return run([DOCKER, *argv], {"DOCKER_BUILDKIT": "1"})


def remove_registry() -> None:
    """Remove the registry, also that of a run that was killed; one that does not exist is fine."""
    command = [DOCKER, "rm", "--force", "--volumes", REGISTRY]
    subprocess.run(command, capture_output=True, check=False)


def start_registry(port: str = "") -> str:
    """Start an empty registry without a password, and return its address."""
    remove_registry()
    config = "/etc/docker/registry/config.yml"
    serve = f"sed '/^auth:/,/path:/d' {config} >/tmp/c.yml; exec docker-registry serve /tmp/c.yml"
    start = ["run", "--detach", "--name", REGISTRY, "--publish", f"127.0.0.1:{port}:5000"]
    docker(*start, "--entrypoint", "bash", "science-platform/registry:latest", "-c", serve)
    return docker("port", REGISTRY, "5000")


atexit.register(remove_registry)
ADDRESS = start_registry()


def without_images() -> None:
    """Forget the images, what was published, and what the checkout knows."""
    start_registry(ADDRESS.rpartition(":")[2])
    images = docker("image", "ls", "--format", "{{.Repository}} {{.ID}}").splitlines()
    of_them = re.compile(rf"(science-platform|{ADDRESS})/({'|'.join(NAMES)}) (.*)")
    if found := {it[3] for it in map(of_them.fullmatch, images) if it}:
        docker("image", "rm", "--force", *found)
    shutil.rmtree(STATE, ignore_errors=True)


def from_nothing() -> None:
    without_images()
    docker("builder", "prune", "--all", "--force")


def image_all(**env: str) -> tuple[float, float]:
    """Return the seconds without a child process, and those in which one changed something."""
    env = {"DOCKER": DOCKER, "REGISTRY": ADDRESS} | env
    printed = run([EXE, "image-all", "hello", "--floating", "--json"], env)
    summary = json.loads(printed)
    own = summary["own_seconds"]
    return own, summary["seconds"] - own - summary["asking_seconds"]


def record() -> list[Call]:
    """Return the calls that change something; what they read is copied."""
    file = SCRATCH / "calls"
    image_all(DOCKER=RECORDER, RECORDED_DOCKER=DOCKER, RECORD=str(file))
    for way in ("bare", "sequence"):
        for folder in ("build", "test"):
            shutil.copytree(STATE / folder, SCRATCH / way / folder, symlinks=True)
    calls = [json.loads(line) for line in file.read_text().splitlines()]
    changes = (it for it in calls if CHANGES & {it["argv"][0], " ".join(it["argv"][:2])})
    return sorted(changes, key=lambda it: it["started"])


class Bare:
    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls
        self.containers: dict[str, str] = {}
        tags = (it["argv"][2:] for it in calls if it["argv"][:2] == ["image", "tag"])
        self.names = {image: re.search("/(.*):", name)[1] for image, name in tags}

    def run(self) -> None:
        """Start each call when those have ended that had ended before it."""
        running: dict[int, Future[None]] = {}
        with ThreadPoolExecutor() as pool:
            for number, call in enumerate(self.calls):
                for it in [n for n in running if self.calls[n]["ended"] <= call["started"]]:
                    running.pop(it).result()
                running[number] = pool.submit(self.repeat, call)
            for it in running.values():
                it.result()

    def repeat(self, call: Call) -> None:
        argv = [self.image(it) for it in moved(call["argv"], "bare")]
        argv = [re.sub("[0-9a-f]{64}", self.container, it) for it in argv]
        given = base64.b64decode(call["stdin"])
        if not call["container"]:
            self.docker(argv, call, given)
            return
        file = SCRATCH / f"{call['container']}.cid"
        file.unlink(missing_ok=True)
        argv[argv.index("--cidfile") + 1] = str(file)
        self.docker(argv, call, given)
        self.containers[call["container"]] = file.read_text().strip()

    def docker(self, argv: list[str], call: Call, given: bytes) -> None:
        run([DOCKER, *argv], call["env"] | {"DOCKER_BUILDKIT": "1"}, given)

    def image(self, argument: str) -> str:
        """Return the new image in place of the recorded one."""
        if not argument.startswith("sha256:"):
            return argument
        return (SCRATCH / f"bare/build/{self.names[argument]}.iid").read_text().strip()

    def container(self, found: re.Match[str]) -> str:
        return self.containers.get(found[0], found[0])


def moved(argv: list[str], way: str) -> list[str]:
    return [it.replace(str(STATE), str(SCRATCH / way)) for it in argv]


class Sequence:
    def __init__(self, calls: list[Call]) -> None:
        self.builds = {}
        for name in NAMES:
            (call,) = (it for it in calls if f"{STATE}/build/{name}.Dockerfile" in it["argv"])
            self.builds[name] = call
            file = SCRATCH / f"sequence/build/{name}.Dockerfile"
            text = re.sub(r"--mount=type=(cache|bind,from=specs)\S* \\\n +", "", file.read_text())
            text = re.sub(r"(UV|PIP)_CACHE_DIR=\S+", r"\1_NO_CACHE_DIR=1 \1_NO_CACHE=1", text)
            if name == "hello":
                copy = f"COPY --chown=1000:100 {ENVIRONMENT} /opt/{ENVIRONMENT}\n"
                text = text.replace("RUN ", f"{copy}RUN ", 1)
            file.write_text(text)

    def run(self) -> None:
        for name, call in self.builds.items():
            argv = moved(call["argv"], "sequence")
            argv = [re.sub(r"(science-platform/common):\S+", r"\1:latest", it) for it in argv]
            argv[1:1] = ["--tag", f"science-platform/{name}:latest"]
            run([DOCKER, *argv], call["env"] | {"DOCKER_BUILDKIT": "1"})
        tests = ["run", "--rm", "--no-healthcheck", "science-platform/hello:latest"]
        docker(*tests, "bash", "-euo", "pipefail", "-c", TESTS)
        for name in NAMES:
            docker("image", "tag", f"science-platform/{name}:latest", f"{ADDRESS}/{name}:latest")
            docker("image", "push", f"{ADDRESS}/{name}:latest")


def machine() -> list[str]:
    """Describe what the times depend on."""
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    kilobytes = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1])
    version, driver = docker("info", "--format", "{{.ServerVersion}}\n{{.Driver}}").split()
    return [
        f"{len(models)} processors {models[0] if models else 'of an unknown model'}",
        f"{kilobytes / 1e6:.0f} GB of memory",
        f"docker {version} with {driver}",
        f"{NOTEBOOKS} notebooks, {ROUNDS} rounds, {time.strftime('%Y-%m-%d')}",
    ]


def add_notebooks() -> None:
    tests = Path("missions/hello", ENVIRONMENT, "tests")
    for number in range(NOTEBOOKS - 1):
        shutil.copy(tests / "cmb.ipynb", tests / f"cmb-{number}.ipynb")


def main() -> None:
    add_notebooks()
    from_nothing()
    calls = record()
    ways: dict[str, tuple[Callable[[], tuple[float, float] | None], Path]] = {
        "image-all": (image_all, Path("missions/hello", LIST)),
        "bare": (Bare(calls).run, SCRATCH / "bare/build/hello" / LIST),
        "sequence": (Sequence(calls).run, SCRATCH / "sequence/build/hello" / LIST),
    }
    original = Path("missions/hello", LIST).read_text()
    edits = itertools.count()
    seconds = {row: {way: [] for way in ways} for row in ("cold", "warm", "edited", "unchanged")}
    own: dict[str, list[float]] = {row: [] for row in seconds}
    changing: dict[str, list[float]] = {row: [] for row in seconds}
    for number in range(int(ROUNDS)):
        names = list(ways)
        for way in names[number % 3 :] + names[: number % 3]:
            work, file = ways[way]
            file.write_text(original)
            for row in seconds:
                if row == "cold":
                    from_nothing()
                elif row == "warm":
                    without_images()
                elif row == "edited":
                    file.write_text(f"{original}\nhumanize  # {next(edits)}\n")
                started = time.monotonic()
                parts = work()
                seconds[row][way].append(time.monotonic() - started)
                if parts is not None:
                    own[row].append(parts[0])
                    changing[row].append(parts[1])
                took = f"{row}, {way}: {seconds[row][way][-1]:.2f} s"
                print(took, file=sys.stderr, flush=True)
    res = {"machine": machine(), "seconds": seconds, "own": own, "changing": changing}
    print(json.dumps(res))


main()
