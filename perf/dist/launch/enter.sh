#!/bin/sh
# What ssh is to real hosts: enters an emulated one, which is the network namespace of that name, and runs a command
# there. Usage: enter.sh [OPTION ...] HOST WORD ...
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c 'echo "$0" > /proc/sys/kernel/hostname; exec sh -c "$1"' "$host" "$*"
