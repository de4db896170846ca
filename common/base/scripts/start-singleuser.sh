#!/bin/bash
# The name that older deployments use for start-singleuser.py.
set -euo pipefail
exec start-singleuser.py "$@"
