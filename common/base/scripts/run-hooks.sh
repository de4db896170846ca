# shellcheck shell=bash
# Run the hooks of a folder, to be sourced: . run-hooks.sh FOLDER
# *.sh files are sourced (outside functions, so that a hook's declare is global), other executables
# run, in the order of their names. A hook that fails is reported, and the next one runs; a sourced
# one that sets -e ends the shell at its first failure. What hooks do to the options of the shell
# ends with them.

# shellcheck source=/dev/null
. /usr/local/bin/_docker_stacks_log.sh

if (($# != 1)); then
    _log_error "run-hooks.sh: expected one folder, found $# arguments"
    return 1
fi
if [[ ! -d $1 ]]; then
    _log_error "run-hooks.sh: $1 is not a folder"
    return 1
fi

IFS=: read -ra _hooks_options <<<"$SHELLOPTS"
set +eu +o pipefail
_log_info "Running hooks in: $1"
for _hooks_file in "$1"/*; do
    # Not as a condition, which would take a hook's set -e away.
    if [[ $_hooks_file == *.sh ]]; then
        # shellcheck disable=SC1090
        . "$_hooks_file"
    elif [[ -f $_hooks_file && -x $_hooks_file ]]; then
        "$_hooks_file"
    elif [[ -e $_hooks_file ]]; then
        _log_info "Ignoring $_hooks_file: neither *.sh nor executable"
    fi
    _hooks_status=$?
    set +eu +o pipefail
    # The helpers, whatever a hook has made of them.
    # shellcheck source=/dev/null
    . /usr/local/bin/_docker_stacks_log.sh
    ((_hooks_status == 0)) || _log_error "$_hooks_file failed with status $_hooks_status, continuing"
done
IFS=: read -ra _hooks_changed <<<"$SHELLOPTS"
for _hooks_option in "${_hooks_changed[@]}"; do
    set +o "$_hooks_option"
done
for _hooks_option in "${_hooks_options[@]}"; do
    set -o "$_hooks_option"
done
unset _hooks_file _hooks_status _hooks_option _hooks_options _hooks_changed
