#!/bin/bash
# The name that older deployments use for start-notebook.py.
set -euo pipefail
exec start-notebook.py "$@"
