#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Our back ends under QEMU: a Debian kernel on an emulated machine writes and reads
# a disk and takes entropy, both served by vhost-serve; with split and packed rings.
#
#   qemu.sh VHOST_SERVE
set -eu
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/../lab/common.sh"

serve=$(realpath "$1")
command -v qemu-system-x86_64 >/dev/null || { say "skipped: no qemu-system-x86"; exit 77; }
command -v cpio >/dev/null || { say "skipped: no cpio"; exit 77; }
make_scratch vhost
sectors=8192

make_guest() {
	local root=$scratch/root

	mkdir -p "$root"/{bin,proc,sys,dev}
	cp "$("$lab_dir/kernel.sh" busybox)" "$root/bin/busybox"
	"$lab_dir/kernel.sh" modules "$root/modules" virtio_pci virtio_blk virtio_rng
	cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in /modules/*.ko; do insmod "$module"; done
say() { echo "guest: $*" >/dev/ttyS0; }
say "sectors $(cat /sys/block/vda/size)"
dd if=/dev/hwrng of=/tmp.random bs=1024 count=256 2>/dev/null
say "random $(wc -c </tmp.random)"
for i in 1 2 3 4; do cat /tmp.random; done >/tmp.data
dd if=/tmp.data of=/dev/vda bs=64k seek=4 conv=fsync 2>/dev/null
echo 3 >/proc/sys/vm/drop_caches
say "same $(dd if=/dev/vda bs=64k skip=4 count=16 2>/dev/null | cmp - /tmp.data && echo yes)"
say "sum $(md5sum </tmp.data | cut -d' ' -f1)"
# long enough to be killed in; direct, so that each write is a request of its own
if grep -q kills /proc/cmdline; then
	good=0
	for i in $(seq 40); do
		dd if=/tmp.data of=/dev/vda bs=4k seek=64 count=200 oflag=direct 2>/dev/null
		dd if=/dev/vda bs=4k skip=64 count=200 iflag=direct 2>/dev/null |
			cmp -n 819200 - /tmp.data && good=$((good + 1))
		say "round $i"
	done
	say "good $good"
fi
poweroff -f
END
	chmod 755 "$root/init"
	(cd "$root" && find . -print0 | cpio --quiet -0 -o -H newc) >"$scratch/initrd"
}

serve() { # CLASS OPTIONS SOCKET: sets $server
	rm -f "$3"
	"$serve" "$@" 2>>"$scratch/serve.log" &
	server=$!
	for _ in $(seq 100); do
		[ ! -S "$3" ] || return 0
		sleep 0.05
	done
	die "vhost-serve does not listen: $(cat "$scratch/serve.log")"
}

run_guest() { # MORE_PROPERTIES [KERNEL_PARAMETER]
	timeout 200 qemu-system-x86_64 -no-user-config -nodefaults -display none -no-reboot \
		-machine q35,accel=tcg,memory-backend=mem -cpu max -smp 2 -m 256 \
		-object memory-backend-memfd,id=mem,size=256M,share=on \
		-kernel "$("$lab_dir/kernel.sh" dir)/bzImage" -initrd "$scratch/initrd" \
		-append "quiet console=ttyS0 panic=-1 mitigations=off ${2:-}" \
		-chardev "file,id=console,path=$scratch/console" -serial chardev:console \
		-chardev "socket,id=disk,path=$scratch/disk.sock,reconnect=1" \
		-device "vhost-user-blk-pci,chardev=disk,num-queues=1$1" \
		-chardev "socket,id=rng,path=$scratch/rng.sock" \
		-device "vhost-user-rng-pci,chardev=rng$1" \
		</dev/null >"$scratch/qemu.log" 2>&1 || true
}

expect() {
	grep -q "^guest: $1" "$scratch/console" || {
		cat "$scratch/console" "$scratch/qemu.log" "$scratch/serve.log" >&2
		die "the guest did not say '$1'"
	}
}

make_guest
truncate -s $((sectors * 512)) "$scratch/disk"
serve block "path=$scratch/disk" "$scratch/disk.sock"
disk_server=$server
serve rng "" "$scratch/rng.sock"
for more in "" ",packed=on"; do
	: >"$scratch/console"
	: >"$scratch/serve.log"
	run_guest "$more"
	expect "sectors $sectors"
	expect "random 262144"
	expect "same yes"
	sum=$(dd if="$scratch/disk" bs=64k skip=4 count=16 2>/dev/null | md5sum | cut -d' ' -f1)
	expect "sum $sum"
	if grep -q "connection is closed" "$scratch/serve.log"; then
		cat "$scratch/serve.log" >&2
		die "a back end has given up on QEMU"
	fi
	say "vhost-user-blk-pci and vhost-user-rng-pci work${more:+ with $more}"
done

# The disk's process is killed under load, and QEMU connects to the next one, which
# takes up what was in flight.
wait_round() { # N
	for _ in $(seq 1200); do
		! grep -q "^guest: round $1" "$scratch/console" || return 0
		sleep 0.1
	done
}

for more in "" ",packed=on"; do
	: >"$scratch/console"
	run_guest "$more" kills &
	guest=$!
	for round in 5 15 25; do
		wait_round $round
		{ kill -9 $disk_server && wait $disk_server; } 2>/dev/null || true
		serve block "path=$scratch/disk" "$scratch/disk.sock"
		disk_server=$server
	done
	wait $guest || true
	expect "good 40"
	say "the disk survives kill -9${more:+ with $more}"
done
