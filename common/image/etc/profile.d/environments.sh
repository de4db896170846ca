# shellcheck shell=sh
# Login shells, such as a hub's terminals, start with a PATH of their own, and in a home without any
# of conda's or the image's files.
: "${CONDA_DIR:=/opt/conda}"
case ":${PATH-}:" in
*":$CONDA_DIR/bin:"*) ;;
*) export PATH="$CONDA_DIR/bin${PATH:+:$PATH}" ;;
esac
# A login from an empty environment has the image's settings: a stale ~/.local is ignored, unless
# the mission wants it.
if [ -r /etc/image-build/login.sh ]; then
    # shellcheck disable=SC1091
    . /etc/image-build/login.sh
fi
# Where the base is conda, `conda activate` works.
if [ -r "$CONDA_DIR/etc/profile.d/conda.sh" ]; then
    # shellcheck disable=SC1091
    . "$CONDA_DIR/etc/profile.d/conda.sh"
fi
