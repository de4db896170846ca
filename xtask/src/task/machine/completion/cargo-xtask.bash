# Completion of `cargo xtask` in bash; beside cargo's own, if that is there.
_cargo_xtask() {
    if [[ ${COMP_WORDS[1]-} == xtask ]] && ((COMP_CWORD > 1)); then
        mapfile -t COMPREPLY < <(
            cargo --quiet xtask complete "$((COMP_CWORD - 1))" -- "${COMP_WORDS[@]:1}" 2>/dev/null
        )
    elif declare -F _cargo >/dev/null; then
        _cargo "$@"
    fi
}
complete -o bashdefault -o default -F _cargo_xtask cargo
