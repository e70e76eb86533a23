#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Runs one group of the tests with real Linux guests, cases/GROUP.sh: in the
# lab, or on this host's own KVM where that runs a kernel at native speed.
#
#   run.sh GROUP[-user][-gicv2][-unsandboxed] [BUILD]
#                            BUILD: the build directory, default $BUILD or build
#   run.sh --list            the groups
#
# With -user the machines belong to somebody without any privilege, with
# -unsandboxed all devices are in the machine's own process, with -gicv2 the host
# has the older of Arm's interrupt controllers. The lab is of the architecture that
# BUILD is for. CROSVM_LAB=1 takes
# the lab even where the host could do it; with CROSVM_LAB_SANDBOX=on or off
# devices are in processes of their own in all cases or in none, instead of every
# other. Exit status: 0 all passed, 1 some failed, 77 this machine can run
# neither. Logs of a group that failed stay in BUILD/lab/GROUP.
set -eu
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/common.sh"

list_groups() {
	local path

	for path in "$lab_dir"/cases/*.sh; do
		case $path in
		*/lib.sh) ;;
		*) basename "$path" .sh ;;
		esac
	done
}

[ "${1:-}" != --list ] || {
	list_groups
	exit 0
}
variant=${1:-}
group=$variant sandbox=${CROSVM_LAB_SANDBOX:-} user=''
case $group in
*-unsandboxed) group=${group%-unsandboxed} sandbox=off ;;
esac
case $group in
*-gicv2) group=${group%-gicv2} GIC=2 ;;
esac
export GIC=${GIC:-3}
case $group in
*-user) group=${group%-user} user=yes ;;
esac
build=$(realpath "${2:-${BUILD:-$src_dir/build}}")
cases=$lab_dir/cases
[ -f "$cases/${group:-none}.sh" ] ||
	die "no group '$group'; the groups are: $(list_groups | tr '\n' ' ')"
crosvm=$build/cli/crosvm
[ -x "$crosvm" ] || die "$crosvm does not exist; build the project in $build first"
arch=$(program_arch "$crosvm")
export ARCH=$arch
many_vms=$build/examples/many_vms control=$build/examples/control jail_test=$build/tests/sandbox_test_jail
needed='' virtiofsd='' bios='' boot_disk=''
case $group in
many) needed=$many_vms ;;
control) needed=$control ;;
sandbox) needed=$jail_test ;;
virtiofs) virtiofsd=/usr/lib/qemu/virtiofsd ;;
firmware) bios=/usr/share/seabios/bios-256k.bin ;;
esac
[ -z "$needed" ] || [ -x "$needed" ] || die "$needed does not exist; build the project in $build first"
[ -z "$virtiofsd" ] || [ -x "$virtiofsd" ] || {
	say "there is no $virtiofsd; install Debian's package qemu-system-common"
	exit 77
}
[ -z "$bios" ] || [ -e "$bios" ] || {
	say "there is no $bios; install Debian's package seabios"
	exit 77
}
[ -z "$bios" ] || boot_disk=$("$lab_dir/boot-disk.sh") || exit 77
logs=$build/lab/$variant

# What a group needs beyond the ordinary: the lab's memory, its time limit,
# the limit of one guest, both in seconds of an idle machine with two cores.
lab_memory=3072 lab_disk=0 lab_limit=600 case_limit=90 big_memory=''
[ "$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)" -lt $((8 << 20)) ] || big_memory=yes
case $group in
boot)
	sandbox=${sandbox:-on}
	[ -z "$big_memory" ] || lab_memory=7168
	;;
disk) lab_disk=128 ;;
firmware)
	lab_limit=900
	[ -z "$big_memory" ] || lab_memory=6656
	;;
control) case_limit=200 lab_limit=900 ;;
death) case_limit=200 lab_limit=600 ;;
random) case_limit=1500 lab_limit=1600 ;;
smoke) case_limit=500 lab_memory=4096 ;;
esac

# Only the lab has a machine of another architecture, and a stranger who can read what he needs and use /dev/kvm.
native_kernel() {
	[ "$arch" = "$(uname -m)" ] && [ -z "${CROSVM_LAB:-}" ] && { [ -z "$user" ] || [ "$(id -u)" != 0 ]; } &&
		"$crosvm" check --json 2>/dev/null |
		tr -d ' \n' | grep -q '"native_kernel":{"ok":true'
}

variables() {
	kernel=$("$lab_dir/kernel.sh" dir)
	images=$("$lab_dir/image.sh")
	kernels=("$kernel/bzImage" "$kernel/vmlinux")
	[ "$arch" = x86_64 ] || kernels=("$kernel/Image")
	files=()
	variables=("CROSVM=$crosvm" "MANY_VMS=$many_vms" "CONTROL=$control" "JAIL_TEST=$jail_test"
		"VIRTIOFSD=$virtiofsd" "BIOS=$bios" "BOOT_DISK=$boot_disk" "CASES=$cases" "GROUP=$variant"
		"ARCH=$arch" "GIC=$GIC" "KERNEL_DIR=$kernel" "KERNEL=${kernels[0]}" "IMAGES=$images" "CASE_LIMIT=$case_limit"
		"RANDOM_MIB=${CROSVM_RANDOM_MIB:-64}" "SANDBOX=$sandbox" "STRANGER=$user" "BIG_MEMORY=$big_memory"
		"ASAN_OPTIONS=detect_leaks=1" "UBSAN_OPTIONS=print_stacktrace=1"
		"TSAN_OPTIONS=second_deadlock_stack=1")
}

# The kernel in its wrappers, and a kernel of the other architecture.
prepare_aarch64() {
	make_scratch run
	gzip -1 <"$kernel/Image" >"$scratch/gzip"
	lz4 -q -l <"$kernel/Image" >"$scratch/lz4"
	zstd -q -1 <"$kernel/Image" >"$scratch/zstd"
	for name in gzip lz4 zstd; do
		files+=("$scratch/$name:$kernel/Image.$name")
	done
	other=$(ARCH=x86_64 "$lab_dir/kernel.sh" dir)/bzImage
	files+=("$other")
	variables+=("OTHER_KERNEL=$other")
}

run_native() {
	need e2fsck e2fsprogs
	env "${variables[@]}" LAB='' LAB_OUT="$logs" sh "$cases/$group.sh"
}

run_in_lab() {
	local arguments=(-p "$crosvm" -p e2fsck -p debugfs -f "$cases" -f "$images"
		-m "$lab_memory" -d "$lab_disk" -t "$lab_limit" -o "$logs" -k "$logs") pair status=0

	[ -z "$needed" ] || arguments+=(-p "$needed")
	[ -z "$virtiofsd" ] || arguments+=(-p "$virtiofsd")
	[ -z "$bios" ] || arguments+=(-f "$bios" -f "$boot_disk")
	[ "$group" != sandbox ] || arguments+=(-p "$build/tests/sandbox/jail-helper")
	[ "$group" != death ] && [ -z "$user" ] || arguments+=(-p setpriv)
	[ ! -x "$build/crosvm-device" ] || arguments+=(-p "$build/crosvm-device")
	for pair in "${kernels[@]}" "${files[@]}"; do
		arguments+=(-f "$pair")
	done
	for pair in "${variables[@]}"; do
		arguments+=(-e "$pair")
	done
	"$lab_dir/lab.sh" "${arguments[@]}" -- sh "$cases/$group.sh" || status=$?
	[ $status = 125 ] || return $status
	echo "$variant: the emulated machine broke down; once more"
	"$lab_dir/lab.sh" "${arguments[@]}" -- sh "$cases/$group.sh"
}

run_cases() {
	if native_kernel; then
		echo "$variant: on this host's KVM"
		run_native
	elif command -v "qemu-system-$arch" >/dev/null; then
		echo "$variant: in the lab"
		run_in_lab
	else
		say "this host's KVM cannot run a kernel and the lab needs qemu-system-$arch; install Debian's package with it"
		return 77
	fi
}

rm -rf "$logs"
mkdir -p "$logs"
variables
[ "$group" != aarch64 ] || prepare_aarch64
status=0
run_cases || status=$?
case $status in
0 | 77) rm -rf "$logs" ;;
*) echo "logs: $logs" ;;
esac
exit "$status"
