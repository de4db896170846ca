#!/usr/bin/python3 -Es
"""Start the container's server: JupyterLab, or the frontend that DOCKER_STACKS_JUPYTER_CMD names.

Takes Jupyter's arguments, after those of NOTEBOOK_ARGS. RESTARTABLE=yes starts it again at its end.
Where JupyterHub started the container (JUPYTERHUB_API_TOKEN), start-singleuser.py takes over.
"""

import os
import shlex
import sys


def restartable() -> bool:
    value = os.environ.get("RESTARTABLE", "")
    if value not in ("", "no", "0", "false", "yes", "1"):
        sys.exit(f"RESTARTABLE is '{value}'; expected yes or no")
    return value in ("yes", "1")


def main() -> None:
    arguments = sys.argv[1:]
    if os.environ.get("JUPYTERHUB_API_TOKEN"):
        reason = "since JUPYTERHUB_API_TOKEN is set"
        print(f"WARNING: using start-singleuser.py, {reason}", file=sys.stderr, flush=True)
        os.execvp("start-singleuser.py", ["start-singleuser.py", *arguments])
    frontend = os.environ.get("DOCKER_STACKS_JUPYTER_CMD") or "lab"
    loop = ["run-one-constantly"] if restartable() else []
    extra = shlex.split(os.environ.get("NOTEBOOK_ARGS", ""))
    command = [*loop, "jupyter", frontend, *extra, *arguments]
    print("Executing:", shlex.join(command), file=sys.stderr, flush=True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
