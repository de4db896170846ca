# shellcheck shell=bash
# Log functions of start.sh and its hooks, to be sourced: _log [LEVEL] TEXT…, and one for each level.
# A line has its level and the time, and goes to standard error, in colour on a terminal unless
# NO_COLOR is set. With JUPYTER_DOCKER_STACKS_QUIET only warnings and errors are printed.

_log() {
    local IFS=' ' level=INFO colour='' line
    case ${1-} in
    DEBUG | INFO | WARNING | ERROR | FATAL)
        level=$1
        shift
        ;;
    esac
    case $level in
    DEBUG) colour=36 ;;
    WARNING) colour=33 ;;
    ERROR) colour=31 ;;
    FATAL) colour='1;31' ;;
    esac
    if [[ -n ${JUPYTER_DOCKER_STACKS_QUIET-} && $level =~ ^(DEBUG|INFO)$ ]]; then
        return 0
    fi
    printf -v line '%s[%(%F %T)T] %s' "$level" -1 "$*"
    if [[ -n $colour && -z ${NO_COLOR-} && -t 2 ]]; then
        line=$'\e[0;'${colour}m$line$'\e[0m'
    fi
    printf '%s\n' "$line" >&2
}

_log_info() { _log INFO "$@"; }
_log_warn() { _log WARNING "$@"; }
_log_error() { _log ERROR "$@"; }
_log_fatal() {
    _log FATAL "$@"
    exit 1
}
