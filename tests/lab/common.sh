# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
# What the lab's scripts share: where things are kept, messages, temporary
# directories. Sourced, never run.

lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
src_dir=$(cd "$lab_dir/../.." && pwd)
cache_dir=${CROSVM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/crosvm}
export PATH=$PATH:/usr/sbin:/sbin

# The architecture of the machines: this one's, or ARCH.
arch=${ARCH:-$(uname -m)}

say() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

need() {
	local program=$1 package=$2

	command -v "$program" >/dev/null ||
		die "$program is not installed; install Debian's package $package"
}

# program_arch FILE: what a program is built for.
program_arch() {
	case $(od -An -tu2 -j18 -N2 "$1" 2>/dev/null | tr -d ' ') in
	62) echo x86_64 ;;
	183) echo aarch64 ;;
	*) die "$1 is a program for neither x86_64 nor aarch64" ;;
	esac
}

# "ROWS COLUMNS" of the terminal, if there is one that knows.
terminal_size() {
	stty size 2>/dev/null | grep -v -E '(^0 | 0$)'
}

# A directory for this run, removed when the script ends however it ends,
# together with what it has started in the background.
scratch=''
clean_up() {
	local status=$? pid

	for pid in $(jobs -pr); do
		kill "$pid" 2>/dev/null || true
	done
	rm -rf "$scratch"
	exit "$status"
}

make_scratch() {
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/crosvm-${1:-lab}.XXXXXX") ||
		die "cannot make a directory in ${TMPDIR:-/tmp}; set TMPDIR to a writable place"
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}
