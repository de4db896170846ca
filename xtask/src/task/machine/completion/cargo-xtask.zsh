# Completion of `cargo xtask` in zsh; beside cargo's own, if that is there.
_cargo_xtask() {
    if [[ ${words[2]-} == xtask ]] && ((CURRENT > 2)); then
        local -a found
        found=("${(@f)$(cargo --quiet xtask complete $((CURRENT - 2)) -- "${(@)words[2,-1]}" 2>/dev/null)}")
        compadd -- $found
    elif (($+functions[_cargo])); then
        _cargo "$@"
    else
        _default
    fi
}
compdef _cargo_xtask cargo
