# Process 1 of the guest over the host's files: makes it a machine with numactl, then answers requests. bash reaps orphans.
# /guest/variables sets: PACKAGES, PYTHON, CHECKOUT and the host's own variables.
exec </dev/null
. /guest/variables
# A machine without a name is "(none)" in messages.
hostname numa-guest
ip link set lo up
ulimit -c 0; ulimit -n 65536
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# The guest's own copies: nothing of this reaches the host.
cp "$PACKAGES"/usr/bin/{numactl,migratepages,memhog} /usr/bin/
cp -L "$PACKAGES"/usr/lib/x86_64-linux-gnu/libnuma.so.1 /usr/lib/x86_64-linux-gnu/
# Not the host's, which is full of what nobody here should see.
mkdir /run/temporary; export TMPDIR=/run/temporary
cd "$CHECKOUT"
"$PYTHON" -P -m tests.numa.agent /guest
sync
echo o > /proc/sysrq-trigger
sleep 60
