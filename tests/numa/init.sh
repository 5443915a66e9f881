#!/busybox sh
# Process 1 of the guest's initramfs: lays a tmpfs over the host's files, which are read-only, and changes into it.
# `order` lists the files in `modules`.
b=/busybox
fail() { $b echo "GUEST CANNOT START: $*"; $b poweroff -f; }
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
for module in $($b cat /order); do $b insmod "/modules/$module" || fail "$module does not load"; done
nine=trans=virtio,version=9p2000.L,msize=512000
$b mount -t 9p -o $nine,ro,cache=loose host /lower || fail "the host's files cannot be mounted"
$b mount -t tmpfs -o size=60% tmpfs /upper; $b mkdir /upper/files /upper/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /new || fail "no overlay"
$b mkdir -p /new/guest; $b mount -t 9p -o $nine,rw,cache=none exchange /new/guest || fail "no exchange"
for place in proc sys dev; do $b mount --move /$place /new/$place; done
$b mkdir -p /new/dev/shm /new/dev/pts
$b mount -t tmpfs -o size=50% tmpfs /new/dev/shm; $b mount -t devpts devpts /new/dev/pts
$b mount -t tmpfs -o size=60% tmpfs /new/run
exec $b switch_root /new /bin/bash /guest/start.sh
