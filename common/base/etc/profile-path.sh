# shellcheck shell=sh
# Login shells, such as a hub's terminals, start with a PATH of their own.
case ":$PATH:" in
*:/opt/conda/bin:*) ;;
*) export PATH="/opt/conda/bin:$PATH" ;;
esac
