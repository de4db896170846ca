#!/usr/bin/python3 -Es
"""Start the single-user server of a JupyterHub, which gives its settings in the environment.

Takes jupyterhub-singleuser's arguments, after those of NOTEBOOK_ARGS.
"""

import os
import shlex
import sys


def main() -> None:
    extra = shlex.split(os.environ.get("NOTEBOOK_ARGS", ""))
    command = ["jupyterhub-singleuser", *extra, *sys.argv[1:]]
    print("Executing:", shlex.join(command), file=sys.stderr, flush=True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
