"""Contents that the image reports: versions of Python, of packages, and of JupyterHub."""

import json

from platform_env.environments import installed, paths


def of_image() -> str:
    """Returns the versions as JSON."""
    hub = installed.scan(paths.prefix("base")).get("jupyterhub")
    contents = {
        "jupyterhub": hub.version if hub else "",
        "environments": {it: _installed(it) for it in paths.environments()},
    }
    return json.dumps(contents, indent=1)


def _installed(environment: str) -> dict:
    prefix = paths.prefix(environment)
    try:
        python = installed.full_python_version(prefix)
        packages = installed.scan(prefix)
    except paths.Failed:
        return {"python": "", "packages": {}}  # its tests fail, and say why
    return {"python": python, "packages": {it: packages[it].version for it in sorted(packages)}}
