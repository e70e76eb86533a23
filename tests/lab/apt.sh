# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Debian packages fetched without privileges, for this machine or another
# architecture. Sourced after common.sh and make_scratch, never run.

apt_options=(-o APT::Sandbox::User=root -o Debug::NoLocking=1)

# Debian's word for an architecture.
debian_arch() {
	case $1 in
	aarch64) echo arm64 ;;
	x86_64) echo amd64 ;;
	*) die "the architecture '$1' is not known; x86_64 and aarch64 are" ;;
	esac
}

# The machine's package lists may be missing, or unreadable, or never fetched:
# then lists of our own, which need no privilege.
apt_use_own_lists() {
	local state=$cache_dir/apt${apt_arch:+-$apt_arch}

	mkdir -p "$state/lists/partial" "$state/archives/partial"
	apt_options+=(-o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state")
	apt-get -q "${apt_options[@]}" update >"$scratch/apt.log" 2>&1 || {
		cat "$scratch/apt.log" >&2
		die "apt-get update failed, so $1 cannot be fetched; see /etc/apt/sources.list and the network"
	}
}

# apt_foreign ARCH: from now on another architecture's packages, as Debian calls
# it, as if nothing were installed.
apt_arch=''
apt_foreign() {
	[ "$1" != "$(dpkg --print-architecture)" ] || return 0
	apt_arch=$1
	: >"$scratch/status"
	apt_options+=(-o "APT::Architecture=$apt_arch" -o "APT::Architectures::=$apt_arch"
		-o "Dir::State::status=$scratch/status")
	apt_use_own_lists "$apt_arch packages"
}

# apt_download PACKAGE: leaves the .deb alone in $scratch/deb
apt_download_once() {
	mkdir -p "$scratch/deb"
	rm -f "$scratch"/deb/*
	(cd "$scratch/deb" && apt-get -q "${apt_options[@]}" download "$1${apt_arch:+:$apt_arch}") \
		>"$scratch/apt.log" 2>&1
}

apt_download() {
	need apt-get apt
	need dpkg-deb dpkg
	apt_download_once "$1" || { apt_use_own_lists "$1" && apt_download_once "$1"; } || {
		cat "$scratch/apt.log" >&2
		die "cannot download Debian's package $1; see the messages of apt-get above"
	}
}

# apt_download_with_dependencies DIR PACKAGE...: their .debs and those of all they
# need, for an architecture of which nothing is installed.
apt_download_with_dependencies() {
	local dir=$1

	shift
	mkdir -p "$dir/partial"
	apt-get -q -y "${apt_options[@]}" -o "Dir::Cache::archives=$dir" --no-install-recommends \
		--download-only install "$@" >"$scratch/apt.log" 2>&1 || {
		cat "$scratch/apt.log" >&2
		die "cannot download $*; see the messages of apt-get above"
	}
}
