# shellcheck shell=bash
# Sourced by shells: the function `conda`, which can change the shell that calls it.
export CONDA_EXE='@PREFIX@/bin/conda'
export CONDA_PYTHON_EXE='@PREFIX@/bin/python'

__conda_exe() (
    "$CONDA_EXE" "$@"
)

__conda_evaluate() {
    local lines
    lines="$(PS1="${PS1:-}" __conda_exe shell.posix "$@")" || return
    eval "$lines"
    hash -r
}

conda() {
    case "${1-}" in
    activate | deactivate) __conda_evaluate "$@" ;;
    install | update | upgrade | remove | uninstall)
        __conda_exe "$@" || return
        __conda_evaluate reactivate
        ;;
    *) __conda_exe "$@" ;;
    esac
}

if [ -z "${CONDA_SHLVL+x}" ]; then
    export CONDA_SHLVL=0
    export PATH="${CONDA_EXE%/bin/conda}/condabin${PATH:+":${PATH}"}"
    [ -n "${PS1+x}" ] || PS1=
fi
