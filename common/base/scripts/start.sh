#!/bin/bash
# Prepare the container as its environment asks, then become COMMAND. Names begin with _start_: hooks
# run in this shell, and have names of their own.
set -euo pipefail

# shellcheck source=/dev/null
. /usr/local/bin/_docker_stacks_log.sh

_start_usage() {
    cat <<'EOT'
Usage: start.sh [COMMAND [ARGUMENT…]]

Prepare the container, then run COMMAND (bash without one) as NB_USER.

In a container started with --user root:
  NB_USER, NB_UID, NB_GID, NB_GROUP   the account that runs COMMAND, and its group's name
  CHOWN_HOME=yes, CHOWN_HOME_OPTS     give it its home directory; options for chown, e.g. -R
  CHOWN_EXTRA=DIR,…, CHOWN_EXTRA_OPTS give it these folders too
  GRANT_SUDO=yes                      let it use sudo without a password
With any other --user:
  NB_USER                             name of its account, where it has none
In any container:
  JUPYTER_ENV_VARS_TO_UNSET=NAME,…    variables that hooks see and COMMAND does not
  JUPYTER_DOCKER_STACKS_QUIET=1       print warnings and errors only

Hooks: /usr/local/bin/start-notebook.d runs before all this, before-notebook.d after it.
EOT
}

_start_die() {
    _log FATAL "$@"
    exit 2
}

# Say which hook ended this shell, by exit or by set -e.
_start_ended() {
    [[ -z ${_hooks_file-} ]] || _log_error "$_hooks_file ended the start with status $1"
}

# Set the array $1 to the parts of $2 between commas and lines.
_start_split() {
    local -n parts=$1
    local part
    parts=()
    while read -r part; do
        [[ -z $part ]] || parts+=("$part")
    done <<<"${2//,/$'\n'}"
}

# Whether the variable $1 is set to yes; a word that may mean anything grants nothing.
_start_asked() {
    case ${!1-} in
    yes | 1) return 0 ;;
    '' | no | 0 | false) return 1 ;;
    *) _start_die "$1 is '${!1}'; expected yes or no" ;;
    esac
}

# An account with other ids replaces jovyan's: usermod would walk through the whole home.
_start_account() {
    [[ $NB_USER =~ $_start_names ]] || _start_die "NB_USER is '$NB_USER'; expected a name such as jovyan"
    [[ $NB_UID =~ ^[0-9]+$ ]] || _start_die "NB_UID is '$NB_UID'; it must be a number"
    [[ $NB_GID =~ ^[0-9]+$ ]] || _start_die "NB_GID is '$NB_GID'; it must be a number"
    if [[ -n ${NB_GROUP-} ]] || ! getent group "$NB_GID" >/dev/null; then
        _start_new_group "${NB_GROUP:-$NB_USER}"
    fi
    if ! id "$NB_USER" &>/dev/null; then
        _start_new_account
    elif [[ "$(id -u "$NB_USER"):$(id -g "$NB_USER")" != "$NB_UID:$NB_GID" ]]; then
        [[ $NB_USER == jovyan ]] ||
            _start_die "the account $NB_USER exists with other ids than NB_UID=$NB_UID and NB_GID=$NB_GID"
        _start_new_account
    elif [[ $NB_USER != root && ,$(_start_groups), != *,100,* ]]; then
        usermod --append --groups users "$NB_USER"
    fi
    if [[ $(getent passwd "$NB_USER" | cut -d: -f6) != "/home/$NB_USER" ]]; then
        # usermod refuses this for the account of a running process, such as this one.
        sed -Ei "s|^($NB_USER:([^:]*:){4})[^:]*|\\1/home/$NB_USER|" /etc/passwd
    fi
}

# Print the groups of NB_USER, by the name: its number may be another account's, too.
_start_groups() {
    local groups
    read -r _ groups <<<"$(getent initgroups "$NB_USER")"
    echo "$NB_GID${groups:+,${groups// /,}}"
}

# Names of directory services, such as team@example.org, are valid ones, which groupadd refuses.
_start_new_group() {
    [[ $1 =~ ^[^-+~:,/[:space:]][^:,/[:space:]]*$ && ! $1 =~ ^[0-9]+$ ]] ||
        _start_die "NB_GROUP is '$1'; expected a name such as stars: not a number, no space, comma, colon or slash"
    getent group "$1" >/dev/null || groupadd --non-unique --gid "$NB_GID" "$1" 2>/dev/null ||
        echo "$1:x:$NB_GID:" >>/etc/group
}

_start_new_account() {
    ! id jovyan &>/dev/null || userdel jovyan
    useradd --no-log-init --no-create-home --home-dir "/home/$NB_USER" --shell /bin/bash \
        --badname --non-unique --uid "$NB_UID" --gid "$NB_GID" --groups users "$NB_USER"
}

# A new or empty home starts as a copy of jovyan's; a working folder in jovyan's moves along.
_start_home() {
    local home=/home/$NB_USER
    if [[ ! -e $home || -z $(ls -A "$home") ]]; then
        mkdir -p "$home"
        if ! { cp -a --no-preserve=ownership /home/jovyan/. "$home" && chown -R "$NB_UID:$NB_GID" "$home"; }; then
            _log_warn "$home could not be filled from /home/jovyan"
        fi
    fi
    if [[ $PWD/ == /home/jovyan/* ]] && ! cd "$home${PWD#/home/jovyan}"; then
        _log_warn "the working folder is $home"
        cd "$home"
    fi
}

_start_owners() {
    local folder folders options
    if _start_asked CHOWN_HOME; then
        IFS=$' \t\n' read -rd '' -a options <<<"${CHOWN_HOME_OPTS-}" || true
        chown "${options[@]}" "$NB_UID:$NB_GID" "/home/$NB_USER"
    fi
    IFS=$' \t\n' read -rd '' -a options <<<"${CHOWN_EXTRA_OPTS-}" || true
    _start_split folders "${CHOWN_EXTRA-}"
    for folder in "${folders[@]}"; do
        chown "${options[@]}" "$NB_UID:$NB_GID" "$folder"
    done
}

# By its number: the name in a rule would be looked up, and several accounts may have this number.
_start_sudo() {
    (umask 337 && echo "#$NB_UID ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/notebook-user)
    _log_info "$NB_USER may use sudo"
}

_start_as_root() {
    # Who runs beside NB_USER in this container takes no name, and with it no rule of sudo.
    [[ ! -w $_start_accounts ]] || chmod 755 "$_start_accounts"
    _start_account
    [[ $NB_USER == jovyan ]] || _start_home
    _start_owners
    if _start_asked GRANT_SUDO; then
        _start_sudo
    fi
    export HOME=/home/$NB_USER USER=$NB_USER LOGNAME=$NB_USER
}

# Give an arbitrary --user an account, where libnss-extrausers reads it: /etc/passwd stays root's, and
# that library ignores ids below 500.
_start_name_user() {
    local file=$_start_accounts/passwd name=jovyan
    [[ ! $NB_USER =~ $_start_names ]] || name=$NB_USER
    if ! { echo "$name:x:$EUID:$(id -g)::$HOME:/bin/bash" >"$file"; } 2>/dev/null ||
        ! getent passwd "$EUID" >/dev/null; then
        _log_warn "uid $EUID has no account: $file is not writable, or the uid is below 500"
    elif [[ $name != jovyan ]]; then
        _log_warn "the user is $name, but the home stays $HOME without --user root"
    fi
    getent group "$(id -g)" >/dev/null ||
        _log_warn "gid $(id -g) has no group here; with --user=$EUID:0 or --user=$EUID:100 files belong to a known one"
}

_start_as_user() {
    local name value
    getent passwd "$EUID" >/dev/null || _start_name_user
    USER=$(id -un 2>/dev/null) || USER=$NB_USER
    export USER LOGNAME=$USER
    # What may be there without being asked for: the image's values, and what is the case.
    local -A fine=([NB_USER]=" jovyan $USER " [NB_UID]=" 1000 $EUID " [NB_GID]=" 100 $(id -g) ")
    for name in NB_USER NB_UID NB_GID NB_GROUP CHOWN_HOME CHOWN_EXTRA GRANT_SUDO; do
        value=${!name-}
        [[ -z $value || ${fine[$name]- no 0 false } == *" $value "* ]] ||
            _log_warn "$name has no effect without --user root"
    done
    [[ -w $HOME ]] || _log_warn "$HOME is not writable for $EUID:$(id -g); try --group-add=users"
}

# Jupyter's data is kept apart from ~/.local, where an older image may have left what does not fit
# this one. Running servers have a folder that is the same for whoever looks for them. The image has
# it; a tmpfs on /tmp hides it, and its first user may then be another one than the server's.
_start_jupyter_folders() {
    export JUPYTER_DATA_DIR=${JUPYTER_DATA_DIR:-$HOME/.jupyter/data}
    export JUPYTER_RUNTIME_DIR=${JUPYTER_RUNTIME_DIR:-/tmp/jupyter-runtime}
    if [[ $JUPYTER_RUNTIME_DIR == /tmp/jupyter-runtime ]]; then
        mkdir --mode=1777 /tmp/jupyter-runtime 2>/dev/null || true
    fi
}

if [[ ${1-} == --help ]]; then
    _start_usage
    exit 0
fi
_start_command=("$@")
(($#)) || _start_command=(bash)
if [[ -n ${START_SH_DONE-} ]]; then
    _log_warn "start.sh is the entry point of this image already: leave it out of the command"
    exec "${_start_command[@]}"
fi
export START_SH_DONE=1
_log_info "Entered start.sh: ${_start_command[*]}"
trap '_start_ended $?' EXIT

_start_accounts=/var/lib/extrausers _start_names='^[A-Za-z_][A-Za-z0-9_.@-]*$'
# shellcheck source=/dev/null
. /usr/local/bin/run-hooks.sh /usr/local/bin/start-notebook.d
IFS=$' \t\n'
export NB_USER=${NB_USER:-jovyan} NB_UID=${NB_UID:-1000} NB_GID=${NB_GID:-100}
_start_switch=()
if ((EUID == 0)); then
    _start_as_root
    [[ $NB_UID:$NB_GID == 0:0 ]] ||
        _start_switch=(/usr/bin/setpriv "--reuid=$NB_UID" "--regid=$NB_GID" "--groups=$(_start_groups)")
else
    _start_as_user
fi
_start_jupyter_folders
# shellcheck source=/dev/null
. /usr/local/bin/run-hooks.sh /usr/local/bin/before-notebook.d

_log_info "Running as ${USER-}: ${_start_command[*]}"
_start_hidden=() JUPYTER_ENV_VARS_TO_UNSET=${JUPYTER_ENV_VARS_TO_UNSET-}
_start_split _start_hidden "${JUPYTER_ENV_VARS_TO_UNSET//[[:space:]]/,}"
for _start_name in "${_start_hidden[@]}" JUPYTER_ENV_VARS_TO_UNSET; do
    # unset would run $(…) in an index, and take away what switches the user.
    if [[ ! $_start_name =~ ^[A-Za-z_][A-Za-z0-9_]*$ || $_start_name == _start_* ]] ||
        ! unset -v "$_start_name" 2>/dev/null; then
        _log_warn "JUPYTER_ENV_VARS_TO_UNSET: $_start_name cannot be unset"
    fi
done
exec "${_start_switch[@]}" "${_start_command[@]}"
