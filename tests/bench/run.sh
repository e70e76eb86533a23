#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Figures of crosvm beside those of QEMU microvm, in one run, by turns.
#
#   tests/bench/run.sh BUILD_DIR [boot|memory|exits|blk|model|sandbox|restart|regs]...
#
# Environment: RUNS (5), SECS of a disk load (1.5), BENCH_DIR for the disk image
# (TMPDIR or /var/tmp), DISK_MIB (256), CROSVM (the program), CROSVM_ARGS (more
# options of its run), QEMU, QEMU_DRIVE (more properties of its -drive),
# BENCH_SELF=1: QEMU in both roles, to see the noise.
#
# crosvm's devices are in processes of their own, or in its own (the rows that say
# "in process"). A ratio above 1 is in crosvm's favour. Disk rows also name what QEMU reaches with
# aio=io_uring, which is not its default. Medians; on a shared machine take
# differences below a third for noise.
set -euo pipefail

if [ $# -lt 1 ]; then
	sed -n '3,15s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi
build=$(cd "$1" && pwd)
shift
runs=${RUNS:-5}
secs=${SECS:-1.5}
ram=256
qemu=${QEMU:-qemu-system-x86_64}

find_one() { # NAME: the program of that name in the build tree
	find "$build" -name "$1" -type f -perm -u+x | head -n 1
}

die() {
	echo "bench: $*" >&2
	exit 1
}

launch=$(find_one bench-launch)
floor=$(find_one bench-floor)
bench_blk=$(find_one bench_blk)
device=$(find_one crosvm-device)
guests=$(dirname "$(find "$build" -name hello.elf | head -n 1)")
crosvm=${CROSVM:-$(find_one crosvm)}
if [ ! -x "$launch" ] || [ ! -x "$floor" ] || [ ! -x "$bench_blk" ] || [ ! -e "$guests/hello.elf" ]; then
	die "$build has no bench-launch, bench-floor, bench_blk or guests"
fi
if [ -z "${BENCH_SELF:-}" ] && [ ! -x "$crosvm" ]; then
	die "$build has no crosvm; BENCH_SELF=1 compares QEMU with itself"
fi
command -v "$qemu" >/dev/null || die "$qemu is not installed (Debian: qemu-system-x86)"
if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
	die "no access to /dev/kvm"
fi

work=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/var/tmp}}/crosvm-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
disk=$work/disk.img
khz=$("$launch" tsc)

# Real blocks, in the page cache.
dd if=/dev/zero of="$disk" bs=1M count="${DISK_MIB:-256}" status=none
cat "$disk" >/dev/null

# command_for A|B|C|D|E GUEST CMDLINE: sets cmd. A is ours, B QEMU, C QEMU with
# io_uring, D ours with devices in process, E ours with four devices.
command_for() {
	local guest=$guests/$2.elf drive=${QEMU_DRIVE:-} more=()

	case $1 in
	D) more=(--disable-sandbox) ;;
	E) more=(--device rng --device balloon --device "console,out=/dev/null") ;;
	esac
	if [[ $1 = [ADE] ]] && [ -z "${BENCH_SELF:-}" ]; then
		# shellcheck disable=SC2206
		cmd=("$crosvm" run -m $ram -c 1 ${CROSVM_ARGS:-} "${more[@]}" --rwdisk "$disk" -p "$3" "$guest")
		return
	fi
	if [ "$1" = C ]; then
		drive=aio=io_uring
	fi
	# KVM in software refuses to set MSR_IA32_ARCH_CAPABILITIES, on which QEMU aborts.
	# shellcheck disable=SC2054
	cmd=("$qemu" -nodefaults -no-user-config -display none -no-reboot -serial stdio
		-M microvm,acpi=off,pit=off,pic=off,rtc=off,isa-serial=on -accel kvm -cpu host,-arch-capabilities -m "$ram"
		-kernel "$guest" -append "$3 debug_exit=0xf4" -device isa-debug-exit,iobase=0xf4
		-global virtio-mmio.force-legacy=false
		-drive "id=d,file=$disk,format=raw,if=none${drive:+,$drive}"
		-device virtio-blk-device,drive=d)
}

median() { # numbers on stdin, one a line
	sort -n | awk '{ v[NR] = $1 } END {
		if (NR == 0) print "-"
		else print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

row() { # NAME UNIT less|more A B [NOTE]
	awk -v name="$1" -v unit="$2" -v sense="$3" -v a="$4" -v b="$5" -v note="${6:-}" 'BEGIN {
		r = "-"
		if (a + 0 > 0 && b + 0 > 0)
			r = sprintf("%.2f", sense == "less" ? b / a : a / b)
		else if (sense == "less" && a == 0 && b + 0 > 0)
			r = "inf"
		printf "%-34s %-9s %12s %12s %8s  %s\n", name, unit, a, b, r, note }'
}

header() { # TITLE [PEER]
	printf '\n%-34s %-9s %12s %12s %8s\n' "$1" unit crosvm "${2:-QEMU microvm}" ratio
}

# boot_rows TITLE VARIANT
boot_rows() {
	row "$1, median of $((4 * runs))" ms less "$(median <"$work/$2" | awk '{ print $1 / 1000 }')" \
		"$(median <"$work/B" | awk '{ print $1 / 1000 }')" \
		"KVM's floor $(median <"$work/floor" | awk '{ print $1 / 1000 }')"
	row "$1, fastest" ms less "$(sort -n "$work/$2" | awk 'NR == 1 { print $1 / 1000 }')" \
		"$(sort -n "$work/B" | awk 'NR == 1 { print $1 / 1000 }')" \
		"KVM's floor $(sort -n "$work/floor" | awk 'NR == 1 { print $1 / 1000 }')"
}

boot() {
	local i v

	: >"$work/A"; : >"$work/B"; : >"$work/D"; : >"$work/E"; : >"$work/floor"
	for ((i = 0; i < 4 * runs; i++)); do
		for v in A B D E; do
			command_for $v hello quiet
			"$launch" first -- "${cmd[@]}" 2>>"$work/err" >>"$work/$v" || true
		done
		"$launch" first -- "$floor" "$guests/hello-lb64.elf" $ram >>"$work/floor"
	done
	header "exec to the guest's first byte"
	boot_rows "one disk" A
	boot_rows "four devices" E
	boot_rows "one disk in process" D
}

field() { # NAME FILE: the values of NAME=
	grep -o "\\b$1=[0-9]*" "$2" | cut -d= -f2
}

memory() {
	local i v n=$(((runs + 1) / 2)) name title

	: >"$work/A"; : >"$work/B"; : >"$work/D"
	for ((i = 0; i < n; i++)); do
		for v in A B D; do
			command_for $v idle quiet
			"$launch" idle 5 $ram -- "${cmd[@]}" 2>>"$work/err" >>"$work/$v" || true
		done
	done
	for v in A D; do
		header "an idle guest, one disk$([ $v = A ] || echo " in process")"
		while read -r name title; do
			row "$title" - less "$(field "$name" "$work/$v" | median)" \
				"$(field "$name" "$work/B" | median)"
		done <<-END
			private_kib private memory, no guest RAM, KiB
			pss_kib proportional, no guest RAM, KiB
			threads threads
			processes processes
			switches context switches in 5 s
		END
	done
}

# What one load reaches, by the outside clock: requests a second and MiB/s.
one_load() { # A|B|C|D CMDLINE
	command_for "$1" blk "$2 tsc_khz=$khz"
	"$launch" lines -- "${cmd[@]}" 2>>"$work/err" | tee "$work/last" | awk '
		$2 == "begin" { t = $1 }
		$2 == "end" { us = $1 - t; split($3, n, "="); split($4, b, "=")
			print int(n[2] * 1000000 / us), int(b[2] * 1000000 / us / 1048576) }'
	if grep -q FAIL "$work/last"; then cat "$work/last" >&2; fi
}

load() { # NAME COLUMN UNIT CMDLINE
	local i v

	: >"$work/A"; : >"$work/B"; : >"$work/C"; : >"$work/D"
	for ((i = 0; i < runs; i++)); do
		for v in A B C D; do
			one_load $v "$4" >>"$work/$v"
		done
	done
	row "$1" "$3" more "$(cut -d' ' -f"$2" "$work/A" | median)" \
		"$(cut -d' ' -f"$2" "$work/B" | median)" \
		"in process $(cut -d' ' -f"$2" "$work/D" | median), aio=io_uring $(cut -d' ' -f"$2" "$work/C" | median)"
}

# The price of the sandbox, where the device also interrupts.
load_own() { # NAME CMDLINE
	local i v

	: >"$work/A"; : >"$work/D"
	for ((i = 0; i < 3 * runs; i++)); do
		for v in A D; do
			one_load $v "$2" >>"$work/$v"
		done
	done
	row "$1" IOPS more "$(cut -d' ' -f1 "$work/A" | median)" "$(cut -d' ' -f1 "$work/D" | median)"
}

blk() {
	local t

	t=msecs=$(awk -v s="$secs" 'BEGIN { print int(s * 1000) }')
	header "virtio-blk, file in the page cache"
	load "4 KiB random read, QD 1" 1 IOPS "$t qd=1"
	load "4 KiB random read, QD 32" 1 IOPS "$t qd=32"
	load "4 KiB random read, QD 128" 1 IOPS "$t qd=128"
	load "4 KiB random write, QD 32" 1 IOPS "$t qd=32 rw=w"
	load "128 KiB stream read, QD 16" 2 MiB/s "$t qd=16 bs=128K mode=seq"
	load "128 KiB stream write, QD 16" 2 MiB/s "$t qd=16 bs=128K mode=seq rw=w"
	header "4 KiB random read" "in process"
	load_own "QD 32" "$t qd=32"
	load_own "QD 32, MSI-X interrupts" "$t qd=32 irq"
	load_own "QD 128, MSI-X interrupts" "$t qd=128 irq"
}

# The device model alone, beside the same I/O by plain io_uring.
model() {
	printf '\nvirtio-blk by the in-process driver\n'
	"$bench_blk" "$secs" "$disk"
}

# What has no counterpart in QEMU: what a jail costs, how long a disk stands still when its
# process is killed, and a register of a serial port in this process and in one of its own.
own() { # TITLE PROGRAM ARG...
	local program

	program=$(find_one "$2")
	[ -x "$program" ] || die "$build has no $2"
	printf '\n%s\n' "$1"
	"$program" "${@:3}"
}

sandbox() {
	own "a jail, from the call until its sealed process answers" bench_sandbox
}

restart() {
	own "a disk whose process is killed" bench_restart "$device"
}

regs() {
	own "one register access by the bus" bench_regs "$device"
}

exits() {
	local i v name

	: >"$work/A"; : >"$work/B"
	for ((i = 0; i < runs; i++)); do
		for v in A B; do
			command_for $v pio n=10000
			"$launch" lines -- "${cmd[@]}" 2>>"$work/err" | awk '
				$2 == "begin" { t = $1 }
				$2 == "end" { split($4, n, "="); print $3, ($1 - t) / n[2] }' >>"$work/$v"
		done
	done
	header "one access by the guest at CPL 3"
	for name in pio-read pio-write mmio-read doorbell; do
		row "$name" us less "$(awk -v n=$name '$1 == n { print $2 }' "$work/A" | median)" \
			"$(awk -v n=$name '$1 == n { print $2 }' "$work/B" | median)"
	done
}

stages=(boot memory exits blk model sandbox restart regs)
[ $# -gt 0 ] || set -- "${stages[@]}"
for name; do
	[[ " ${stages[*]} " = *" $name "* ]] || die "$name is none of ${stages[*]}"
	"$name"
done
if [ -s "$work/err" ]; then
	echo
	echo "bench: the monitors said:" >&2
	sort "$work/err" | uniq -c | sort -rn | head -n 10 >&2
fi
