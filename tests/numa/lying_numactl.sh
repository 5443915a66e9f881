#!/bin/bash
# A numactl that does something else than it is asked for, in a guest with CPUs 0-1 on node 0 and CPUs 2-3 on node 1.
# What it does wrong is the name of its folder.
kind=$(basename "$(dirname "$0")")
options=()
while [[ ${1:-} == --* ]]; do
    value=${1##*=}
    case $kind:$1 in
        nomem:--membind=* | nocpu:--*cpu*bind=* | wholenode:--physcpubind=*) ;;
        preferred:--membind=*) options+=("--preferred=$value") ;;
        interleave:--membind=*) options+=("--interleave=0,1") ;;
        swapmem:--membind=* | swap:--membind=*) options+=("--membind=$((1 - value))") ;;
        swapcpu:--cpunodebind=* | swap:--cpunodebind=*) options+=("--cpunodebind=$((1 - value))") ;;
        swapcpu:--physcpubind=* | swap:--physcpubind=*) options+=("--physcpubind=$(tr 0123 2301 <<<"$value")") ;;
        narrow:--physcpubind=*) options+=("--physcpubind=${value:0:1}") ;;
        *) options+=("$1") ;;
    esac
    shift
done
if [[ $kind == migrate ]]; then
    # The right policy and the right CPUs, but the pages are moved away again and again. exec keeps the process id. A
    # process that has ended runs no program, even if its parent waits for this loop before it asks how it ended.
    (while readlink "/proc/$$/exe"; do sleep 1; migratepages $$ "$value" $((1 - value)); done) </dev/null >/dev/null 2>&1 &
fi
exec /usr/bin/numactl "${options[@]}" "$@"
