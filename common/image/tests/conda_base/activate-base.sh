# shellcheck shell=bash
# A hook of start.sh: servers and kernels start in conda's activated base, as in docker-stacks.
eval "$(conda shell.bash hook)"
