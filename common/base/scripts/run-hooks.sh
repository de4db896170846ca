#!/bin/bash
# Run the hooks of a folder, to be sourced: . run-hooks.sh FOLDER
# *.sh files are sourced (outside functions, so that a hook's declare is global), other executables
# run, in the order of their names. A hook that fails is reported, and the next one runs.
set -euo pipefail

_hooks=${1:?usage: . run-hooks.sh FOLDER}
[[ -d $_hooks ]] || echo "run-hooks.sh: error: $_hooks is not a folder" >&2
for _hook in "$_hooks"/*; do
    [[ -e $_hook ]] || continue
    _status=0
    if [[ $_hook == *.sh ]]; then
        _options=$(set +o)
        set +eu
        # shellcheck disable=SC1090
        . "$_hook" || _status=$?
        eval "$_options"
    elif [[ -x $_hook ]]; then
        "$_hook" || _status=$?
    else
        echo "run-hooks.sh: warning: $_hook is neither *.sh nor executable; ignored" >&2
    fi
    ((_status == 0)) || echo "run-hooks.sh: error: $_hook failed with status $_status" >&2
done
unset _hooks _hook _status _options
