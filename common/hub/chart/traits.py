"""Writes traits.json: what can be configured of JupyterHub, KubeSpawner and the authenticators.

`cargo xtask ci --only 'hubs with helm'` compares the list with the packages of traits.txt; with
UPDATE_EXPECT=1 it writes the list. By hand, in a new environment:

    pip install --no-deps --require-hashes --requirement traits.txt
    python traits.py > traits.json
"""

import importlib
import inspect
import json
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

from traitlets.config import Configurable

MODULES = [
    "jupyterhub.app",
    "jupyterhub.auth",
    "jupyterhub.authenticators.shared",
    "jupyterhub.crypto",
    "jupyterhub.proxy",
    "jupyterhub.spawner",
    "kubespawner",
    "hmacauthenticator",
    "ltiauthenticator.lti11.auth",
    "ltiauthenticator.lti13.auth",
]


def classes():
    """Yields the configurable classes of all modules, their parents included."""
    groups = ["jupyterhub.authenticators", "jupyterhub.spawners", "jupyterhub.proxies"]
    entries = [it.module for group in groups for it in entry_points(group=group)]
    for name in sorted({*MODULES, *entries}):
        for _, value in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(value, Configurable):
                yield from (it for it in value.__mro__ if issubclass(it, Configurable))


def main():
    """Prints the classes, each with its configurable traits, and the versions of their packages."""
    requirements = Path(__file__).with_name("traits.in").read_text(encoding="utf-8").splitlines()
    packages = [it.split("==")[0] for it in requirements if "==" in it]
    found = {it.__name__: sorted(it.class_traits(config=True)) for it in classes()}
    lines = [f"    {json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
    versions = json.dumps({it: version(it) for it in packages}, sort_keys=True)
    sys.stdout.write('{\n  "versions": ' + versions + ',\n  "classes": {\n')
    sys.stdout.write(",\n".join(lines) + "\n  }\n}\n")


main()
