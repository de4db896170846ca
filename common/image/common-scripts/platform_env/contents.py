"""What the image says of itself: versions of Python, of packages, and of JupyterHub."""

import json

from platform_env import installed, paths, results


def write() -> None:
    """Leave `image.json` among the results, if results are kept."""
    folder = results.folder()
    if folder is None:
        return
    hub = installed.scan(paths.prefix("base")).get("jupyterhub")
    contents = {
        "jupyterhub": hub.version if hub else "",
        "environments": {it: _installed(it) for it in paths.environments()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image.json").write_text(json.dumps(contents, indent=1) + "\n")


def _installed(environment: str) -> dict:
    prefix = paths.prefix(environment)
    try:
        python = installed.full_python_version(prefix)
        packages = installed.scan(prefix)
    except paths.Failed:
        return {"python": "", "packages": {}}  # its tests fail, and say why
    return {"python": python, "packages": {it: packages[it].version for it in sorted(packages)}}
