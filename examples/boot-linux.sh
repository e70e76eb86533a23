#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# From a fresh Debian machine to a shell in a virtual machine: installs what is
# missing (as root or through sudo), builds the project, fetches a Debian
# kernel, makes a small ext4 root and boots it with "crosvm run".
#
#   examples/boot-linux.sh [OPTION...]     OPTION: more options of crosvm run
#
# Without a terminal it types "uname -a; poweroff" at the shell by itself. Exit
# status: that of crosvm run; 0 when the guest came up and powered off.
#
# CROSVM_BUILD names the build directory (default: build in the source tree),
# CROSVM_CACHE where the kernel and the images are kept.
set -eu
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/../tests/lab/common.sh"
# shellcheck source=tests/deps.sh
. "$src_dir/tests/deps.sh"

build=${CROSVM_BUILD:-$src_dir/build}
crosvm=$build/cli/crosvm
prompt='crosvm# '

build_project() {
	if [ ! -e "$build/build.ninja" ]; then
		cmake -S "$src_dir" -B "$build" -G Ninja -DBUILD_TESTING=OFF >"$scratch/build.log" 2>&1 ||
			return 1
	fi
	ninja -C "$build" crosvm_cli >>"$scratch/build.log" 2>&1
}

native_kernel() {
	[ -z "${CROSVM_LAB:-}" ] && "$crosvm" check --json 2>/dev/null |
		tr -d '\n' | grep -q '"native_kernel":{"ok":true'
}

# check_row NAME KEY: what "crosvm check" says of one thing, nothing if it is fine
check_row() {
	"$crosvm" check --json 2>/dev/null | tr -d '\n' |
		sed -n 's/.*"'"$1"'":{"ok":false[^}]*"'"$2"'":"\([^"]*\)".*/\1/p'
}

why_not_native() {
	if [ -n "$(check_row kvm reason)" ]; then
		printf '%s; %s' "$(check_row kvm reason)" "$(check_row kvm remedy)"
	else
		check_row native_kernel reason
	fi
}

# What is typed where nobody sits at a terminal.
dialogue=(sh "$lab_dir/dialogue.sh" 200 "$prompt" "uname -a; poweroff")

boot_here() {
	if [ -t 0 ]; then
		"${run[@]}"
	else
		"${dialogue[@]}" "${run[@]}" | tee "$scratch/output"
	fi
}

boot_in_lab() {
	local lab=("$lab_dir/lab.sh" -p "$crosvm" -p "$build/crosvm-device" -f "$kernel" -f "$images/initrd" -f "$root")

	if [ -t 0 ]; then
		"${lab[@]}" -i -- "${run[@]}"
	else
		"${lab[@]}" -f "$lab_dir/dialogue.sh" -t 300 -- "${dialogue[@]}" "${run[@]}" |
			tee "$scratch/output"
	fi
}

came_up() {
	[ -t 0 ] || grep -q '^Linux crosvm ' "$scratch/output" || {
		say "the guest did not answer to uname; its console is above"
		return 1
	}
}

deps_install "${deps_build[@]}" "${deps_guest[@]}" || exit 1
make_scratch boot
say "building in $build"
build_project || {
	cat "$scratch/build.log" >&2
	die "the build failed; its messages are above"
}
kernel=$("$lab_dir/kernel.sh" dir)/bzImage
images=$("$lab_dir/image.sh" 64)
root=$scratch/root.ext4
cp --sparse=always "$images/root.ext4" "$root"
run=("$crosvm" run -m 512 -c 2 --rwroot "$root" -i "$images/initrd" --device rng -p quiet)
if size=$(terminal_size); then
	run+=(-p "LINES=${size% *} COLUMNS=${size#* }")
fi
run+=("$@" "$kernel")

set -o pipefail
status=0
if native_kernel; then
	say "booting $kernel; Ctrl-A x ends it"
	boot_here || status=$?
else
	say "this host's KVM cannot run a kernel ($(why_not_native)); booting on an emulated machine, about 15 s"
	deps_install "${deps_lab[@]}" || exit 1
	boot_in_lab || status=$?
fi
[ $status != 0 ] || came_up || status=1
exit $status
