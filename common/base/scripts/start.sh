#!/bin/bash
# Prepare the container as its environment asks, then become COMMAND.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: start.sh [COMMAND [ARGUMENT…]]

Prepare the container, then run COMMAND (bash without one) as NB_USER.

In a container started with --user root:
  NB_USER, NB_UID, NB_GID, NB_GROUP   the account that runs COMMAND, and its group's name
  CHOWN_HOME=yes, CHOWN_HOME_OPTS     give it its home directory; options for chown, e.g. -R
  CHOWN_EXTRA=DIR,…, CHOWN_EXTRA_OPTS give it these folders too
  GRANT_SUDO=yes                      let it use sudo without a password
In any container:
  JUPYTER_ENV_VARS_TO_UNSET=NAME,…    variables that hooks see and COMMAND does not
  JUPYTER_DOCKER_STACKS_QUIET=1       print warnings and errors only

Hooks: /usr/local/bin/start-notebook.d runs before all this, before-notebook.d after it.
EOF
}

log() {
    [[ -n ${JUPYTER_DOCKER_STACKS_QUIET-} ]] || echo "start.sh: $*" >&2
}

warn() {
    echo "start.sh: warning: $*" >&2
}

die() {
    echo "start.sh: error: $*" >&2
    exit 2
}

asked() {
    [[ $1 == yes || $1 == 1 ]]
}

# An account with other ids replaces jovyan's: usermod would walk through the whole home.
make_account() {
    [[ $NB_UID =~ ^[0-9]+$ ]] || die "NB_UID is '$NB_UID'; it must be a number"
    [[ $NB_GID =~ ^[0-9]+$ ]] || die "NB_GID is '$NB_GID'; it must be a number"
    if [[ -n ${NB_GROUP-} ]] || ! getent group "$NB_GID" >/dev/null; then
        groupadd --force --non-unique --gid "$NB_GID" "${NB_GROUP:-$NB_USER}"
    fi
    if id "$NB_USER" &>/dev/null; then
        [[ "$(id -u "$NB_USER"):$(id -g "$NB_USER")" != "$NB_UID:$NB_GID" ]] || return 0
        [[ $NB_USER == jovyan ]] ||
            die "the account $NB_USER exists with other ids than NB_UID=$NB_UID and NB_GID=$NB_GID"
    fi
    ! id jovyan &>/dev/null || userdel jovyan
    useradd --no-log-init --no-create-home --home-dir "/home/$NB_USER" --shell /bin/bash \
        --non-unique --uid "$NB_UID" --gid "$NB_GID" --groups users "$NB_USER"
}

# A new or empty home starts as a copy of jovyan's.
make_home() {
    local home=/home/$NB_USER
    if [[ ! -e $home || -z $(ls -A "$home") ]]; then
        mkdir -p "$home"
        if ! { cp -a /home/jovyan/. "$home" && chown -R "$NB_UID:$NB_GID" "$home"; }; then
            warn "$home could not be filled from /home/jovyan"
        fi
    fi
    [[ $PWD != /home/jovyan ]] || cd "$home"
}

change_owners() {
    local folder folders options
    if asked "${CHOWN_HOME-}"; then
        read -ra options <<<"${CHOWN_HOME_OPTS-}"
        chown "${options[@]}" "$NB_UID:$NB_GID" "/home/$NB_USER"
    fi
    read -ra options <<<"${CHOWN_EXTRA_OPTS-}"
    IFS=, read -ra folders <<<"${CHOWN_EXTRA-}"
    for folder in "${folders[@]}"; do
        chown "${options[@]}" "$NB_UID:$NB_GID" "${folder# }"
    done
}

grant_sudo() {
    (umask 337 && echo "$NB_USER ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/notebook-user)
    log "$NB_USER may use sudo"
}

prepare_as_root() {
    make_account
    [[ $NB_USER == jovyan ]] || make_home
    change_owners
    ! asked "${GRANT_SUDO-}" || grant_sudo
    export HOME=/home/$NB_USER USER=$NB_USER LOGNAME=$NB_USER
}

# Any uid will do: what asks for a name and finds no account reads USER and LOGNAME.
prepare_as_user() {
    local name
    local -A usual=([NB_USER]=jovyan [NB_UID]=1000 [NB_GID]=100)
    for name in NB_USER NB_UID NB_GID NB_GROUP CHOWN_HOME CHOWN_EXTRA GRANT_SUDO; do
        [[ ${!name-} == "${usual[$name]-}" ]] || warn "$name has no effect without --user root"
    done
    USER=$(id -un 2>/dev/null) || USER=$NB_USER
    export USER LOGNAME=$USER
    [[ -w $HOME ]] || warn "$HOME is not writable for $(id -u):$(id -g); try --group-add users"
}

# Jupyter's data is kept apart from ~/.local, where an older image may have left what does not fit
# this one; what belongs to running servers does not outlive the container.
set_jupyter_folders() {
    export JUPYTER_DATA_DIR=${JUPYTER_DATA_DIR:-$HOME/.jupyter/data}
    export JUPYTER_RUNTIME_DIR=${JUPYTER_RUNTIME_DIR:-/tmp/jupyter-runtime-$1}
}

if [[ ${1-} == --help ]]; then
    usage
    exit 0
fi
(($#)) || set -- bash
[[ -z ${START_SH_DONE-} ]] || exec "$@"
export START_SH_DONE=1

: "${NB_USER:=jovyan}" "${NB_UID:=1000}" "${NB_GID:=100}"
# shellcheck source-path=SCRIPTDIR source=run-hooks.sh
. /usr/local/bin/run-hooks.sh /usr/local/bin/start-notebook.d
switch=()
if ((EUID == 0)); then
    prepare_as_root
    set_jupyter_folders "$NB_UID"
    switch=(setpriv "--reuid=$NB_UID" "--regid=$NB_GID" --init-groups)
else
    prepare_as_user
    set_jupyter_folders "$EUID"
fi
# shellcheck source-path=SCRIPTDIR source=run-hooks.sh
. /usr/local/bin/run-hooks.sh /usr/local/bin/before-notebook.d

IFS=', ' read -ra hidden <<<"${JUPYTER_ENV_VARS_TO_UNSET-}"
unset "${hidden[@]}" JUPYTER_ENV_VARS_TO_UNSET
log "running as $USER: $*"
exec "${switch[@]}" "$@"
