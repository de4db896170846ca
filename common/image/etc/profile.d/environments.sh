# shellcheck shell=sh
# Login shells, such as a hub's terminals, start with a PATH of their own, and in a home without any
# of conda's or the image's files.
: "${CONDA_DIR:=/opt/conda}"
case ":$PATH:" in
*":$CONDA_DIR/bin:"*) ;;
*) export PATH="$CONDA_DIR/bin:$PATH" ;;
esac
# Where the base is conda, `conda activate` works.
if [ -r "$CONDA_DIR/etc/profile.d/conda.sh" ]; then
    # shellcheck disable=SC1091
    . "$CONDA_DIR/etc/profile.d/conda.sh"
fi
