#!/bin/sh
# tap.sh - how prove runs one test: a GLib program is asked for TAP, a script speaks it by itself.
case $1 in
*.sh|*.py) exec "$@" ;;
*) exec "$@" --tap ;;
esac
