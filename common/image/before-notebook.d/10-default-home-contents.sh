# shellcheck shell=bash
# Give a new home, such as a hub's empty volume, what the mission has for it.
/opt/common-scripts/home-setup
