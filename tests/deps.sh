# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
# Debian packages that the scripts need, and how they get installed: only what
# is missing, as root or through sudo. Sourced, never run.

# To build the library, the CLI and the examples.
deps_build=(build-essential cmake ninja-build pkg-config libseccomp-dev liburing-dev zlib1g-dev
	liblz4-dev libzstd-dev)
[ "$(uname -m)" != aarch64 ] || deps_build+=(libfdt-dev)
# To fetch a kernel and make a guest's root file system.
deps_guest=(busybox-static cpio e2fsprogs lz4 xz-utils zstd)
# To emulate a machine with virtualization extensions.
deps_lab=(qemu-system-x86)
# To build for 64-bit Arm and to run what was built: in an emulated process, in an
# emulated machine.
deps_cross=(binutils gcc-aarch64-linux-gnu qemu-user-static qemu-system-arm)
# Programs of its labs, fetched like them: e2fsck, debugfs and setpriv.
deps_cross_lab=(coreutils e2fsprogs util-linux)
# The libraries of the other architecture, which are fetched and not installed.
deps_sysroot=(libc6-dev libgcc-s1 libfdt-dev libseccomp-dev liburing-dev zlib1g-dev liblz4-dev
	libzstd-dev check)
# To build and run the tests.
deps_test=(check device-tree-compiler git jq python3 acpica-tools abigail-tools clang-format clang libclang-rt-dev llvm
	qemu-system-common strace seabios grub-pc-bin grub-common)

# deps_missing PACKAGE...: prints those that are not installed
deps_missing() {
	local package

	for package in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
		[ih]i*) ;;
		*) printf '%s\n' "$package" ;;
		esac
	done
}

# Quiet unless it fails; lists that are missing or old make the first try fail.
deps_apt() {
	local log status=0
	local install=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300
		install --no-install-recommends)

	log=$(mktemp)
	{
		"${as_root[@]}" "${install[@]}" "$@" ||
			{ "${as_root[@]}" apt-get -q update && "${as_root[@]}" "${install[@]}" "$@"; }
	} >"$log" 2>&1 || status=1
	[ $status = 0 ] || cat "$log" >&2
	rm -f "$log"
	return $status
}

# deps_install PACKAGE...: returns 1, having said why, if that does not succeed
deps_install() {
	local missing as_root=()

	mapfile -t missing < <(deps_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		as_root=(sudo)
		# asks for the password here, where it can be seen
		if ! sudo -v 2>/dev/null </dev/null && { [ ! -t 0 ] || ! sudo -v; }; then
			echo "Debian packages are missing and need root to install; run: apt-get install ${missing[*]}" >&2
			return 1
		fi
	fi
	echo "installing ${missing[*]}" >&2
	deps_apt "${missing[@]}" || {
		echo "apt-get could not install ${missing[*]}; its messages are above" >&2
		return 1
	}
}
