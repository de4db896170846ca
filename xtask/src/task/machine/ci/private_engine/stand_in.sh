#!/bin/bash
# Stands for each program that a private engine needs, under its name; the tests read `calls`.
set -euo pipefail
dir=$(dirname "$0")
call="$(basename "$0") $*"

case $call in
'ip -4 route show default') echo 'default via 192.0.2.1 dev eth9' ;;
'ip -o link show dev eth9') echo '4: eth9: <UP> mtu 1400 qdisc noqueue' ;;
'ip -4 route show table all') echo 'default via 192.0.2.1 dev eth9' ;;
'nsenter --net='*) shift 2 && exec "$@" ;;
'docker version') [[ -e $dir/listens ]] ;;
'docker info '*) cat "$dir/driver" ;;
containerd*) while [[ -d $dir ]]; do sleep 0.1; done ;;
dockerd*)
    cat "$dir/dies" >&2 && exit 4
    [[ -e $dir/silent ]] || touch "$dir/listens"
    while [[ -d $dir ]]; do sleep 0.1; done
    ;;
*)
    echo "$call" >> "$dir/calls"
    if [[ $(wc -l < "$dir/calls") == "$(cat "$dir/fails")" ]]; then
        echo 'Operation not permitted' >&2
        exit 2
    fi
    ;;
esac
