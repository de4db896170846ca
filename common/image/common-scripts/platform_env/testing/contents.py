"""Contents that the image reports: versions of Python, of packages, and of JupyterHub."""

import json
import re
from pathlib import Path

from platform_env.environments import installed, paths


def of_image() -> str:
    """Returns the versions as JSON."""
    hub = installed.scan(paths.prefix("base")).get("jupyterhub")
    contents = {
        "jupyterhub": hub.version if hub else "",
        "environments": {it: _installed(it) for it in ["base", *paths.environments()]},
        "debian": _debian(),
    }
    return json.dumps(contents, indent=1)


def _debian() -> dict[str, str]:
    """Returns the versions of the Debian packages, from dpkg's database (dpkg-query(1))."""
    try:
        text = Path("/var/lib/dpkg/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    res = {}
    for stanza in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in stanza.splitlines() if re.match(r"[A-Z][\w-]*: ", line)
        )
        if fields.get("Status", "").split()[-1:] == ["installed"]:
            res[fields.get("Package", "")] = fields.get("Version", "")
    return dict(sorted(res.items()))


def _installed(environment: str) -> dict:
    prefix = paths.prefix(environment)
    try:
        python = installed.full_python_version(prefix)
        packages = installed.scan(prefix)
    except paths.Failed:
        return {"python": "", "packages": {}}  # its tests fail, and say why
    return {"python": python, "packages": {it: packages[it].version for it in sorted(packages)}}
