#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The tool's back ends under QEMU: a Debian kernel on an emulated machine writes and
# reads a disk and takes entropy, both served by "crosvm device"; with split and packed
# rings, with and without jails, while the processes are killed.
#
#   qemu.sh CROSVM
set -eu
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/../lab/common.sh"

crosvm=$(realpath "$1")
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
	say "entropy $(dd if=/dev/hwrng bs=1024 count=64 iflag=fullblock 2>/dev/null | wc -c)"
	say "last $(dd if=/dev/vda bs=4k skip=64 count=200 iflag=direct 2>/dev/null | md5sum | cut -d' ' -f1)"
fi
poweroff -f
END
	chmod 755 "$root/init"
	(cd "$root" && find . -print0 | cpio --quiet -0 -o -H newc) >"$scratch/initrd"
}

serve() { # SOCKET WORD...: sets $server
	local socket=$scratch/$1 before

	shift
	before=$(stat -c '%i %z' "$socket" 2>/dev/null || true) # of a dead one
	"$crosvm" device "$@" --socket "$socket" --log-level info 2>>"$scratch/serve.log" &
	server=$!
	for _ in $(seq 100); do
		[ "$(stat -c '%i %z' "$socket" 2>/dev/null || true)" = "$before" ] || return 0
		sleep 0.05
	done
	die "crosvm device does not listen: $(cat "$scratch/serve.log")"
}

serve_both() { # WORD...: sets $disk_server, $rng_server
	serve disk.sock "block,path=$scratch/disk" "$@"
	disk_server=$server
	serve rng.sock rng "$@"
	rng_server=$server
}

# Each removes its socket and leaves no process.
end_both() {
	local pid status

	for pid in $disk_server $rng_server; do
		status=0
		kill "$pid"
		wait "$pid" || status=$?
		[ $status = 143 ] || die "crosvm device ended with $status instead of 143"
	done
	if [ -e "$scratch/disk.sock" ] || [ -e "$scratch/rng.sock" ]; then
		die "a socket is left behind"
	fi
}

# The processes of a device, which are children of the tool's.
jails_of() {
	pgrep -P "$1" "^crosvm-" || true
}

run_guest() { # MORE_PROPERTIES [KERNEL_PARAMETER]
	timeout 300 qemu-system-x86_64 -no-user-config -nodefaults -display none -no-reboot \
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

complain() {
	cat "$scratch/console" "$scratch/serve.log" >&2
	die "$*"
}

make_guest
truncate -s $((sectors * 512)) "$scratch/disk"

# once WORD QEMU-PROPERTIES
once() {
	: >"$scratch/console"
	: >"$scratch/serve.log"
	run_guest "$2"
	expect "sectors $sectors"
	expect "random 262144"
	expect "same yes"
	expect "sum $(dd if="$scratch/disk" bs=64k skip=4 count=16 2>/dev/null | md5sum | cut -d' ' -f1)"
	if grep -q -e error -e warning "$scratch/serve.log"; then
		complain "a back end has something to complain of"
	fi
	say "vhost-user-blk-pci and vhost-user-rng-pci work${1:+ with $1}${2:+ with $2}"
}

wait_round() { # N
	for _ in $(seq 1200); do
		! grep -q "^guest: round $1" "$scratch/console" || return 0
		sleep 0.1
	done
}

alive() {
	[ -n "$1" ] && kill -0 "$1" 2>/dev/null
}

# The tool's own process and what it has started are killed; the next one finds the
# socket of the dead.
kill_tool() {
	local jail

	jail=$(jails_of "$disk_server")
	kill -9 "$disk_server"
	wait "$disk_server" 2>/dev/null || true
	for _ in $(seq 50); do
		alive "$jail" || break
		sleep 0.1
	done
	! alive "$jail" || complain "the device outlives its tool"
	[ -S "$scratch/disk.sock" ] || complain "the dead tool's socket is gone"
	serve disk.sock "block,path=$scratch/disk" "$@"
	disk_server=$server
}

# Only the device's process: the tool goes on and QEMU comes back to it.
kill_jail() {
	local jail

	jail=$(jails_of "$disk_server")
	[ "$(echo "$jail" | wc -w)" = 1 ] || complain "the disk has the processes '$jail' instead of one"
	kill -9 "$jail"
}

# QEMU connects again and what was in flight is taken up: tool means its process and
# those under it, jail the device's own.
killed() { # THREE-OF-tool|jail QEMU-PROPERTIES WORD...
	local whats=$1 what more=$2 round=5 guest

	shift 2
	: >"$scratch/console"
	: >"$scratch/serve.log"
	run_guest "$more" kills &
	guest=$!
	for what in $whats; do
		wait_round $round
		"kill_$what" "$@"
		round=$((round + 10))
	done
	wait $guest || true
	expect "good 40"
	expect "entropy 65536"
	sum=$(dd if="$scratch/disk" bs=4k skip=64 count=200 2>/dev/null | md5sum | cut -d' ' -f1)
	expect "last $sum"
	say "the disk survives kill -9 of its $whats${*:+ with $*}${more:+ with $more}"
}

serve_both
once "" ""
once "" ",packed=on"
killed "tool jail jail" ""
end_both
serve_both --disable-sandbox
once --disable-sandbox ""
[ -z "$(jails_of $disk_server)$(jails_of $rng_server)" ] || die "a device has a process of its own"
killed "tool tool tool" ",packed=on" --disable-sandbox
end_both
