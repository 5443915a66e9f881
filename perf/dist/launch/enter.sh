#!/bin/sh
# Stands in for ssh: runs a command on an emulated host, which is the network namespace of that name.
# Usage: enter.sh [OPTION ...] HOST ARGUMENT ...
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c 'echo "$0" > /proc/sys/kernel/hostname; exec sh -c "$1"' "$host" "$*"
