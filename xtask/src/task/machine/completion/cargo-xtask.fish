# Completion of `cargo xtask` in fish; beside cargo's own.
function __cargo_xtask
    set --local words (commandline --tokenize --cut-at-cursor --current-process)
    set --local index (math (count $words) - 1)
    cargo --quiet xtask complete $index -- $words[2..] (commandline --current-token) 2>/dev/null
end
complete --command cargo --condition '__fish_seen_subcommand_from xtask' --no-files --arguments '(__cargo_xtask)'
