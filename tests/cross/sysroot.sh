#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Debian's libraries for another architecture, in a directory of their own in the
# cache: nothing of it is installed and no privilege is needed. Prints the
# directory; it is made again only when the list of packages has changed.
#
#   sysroot.sh [ARCH [PACKAGE...]]   ARCH: aarch64 (default); the packages: what
#                                    the build and its tests need
set -eu
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/../lab/common.sh"
# shellcheck source=tests/lab/apt.sh
. "$lab_dir/apt.sh"
# shellcheck source=tests/deps.sh
. "$src_dir/tests/deps.sh"

arch=${1:-aarch64}
[ $# = 0 ] || shift
packages=("$@")
[ ${#packages[@]} -gt 0 ] || packages=("${deps_sysroot[@]}")
key=$(printf '%s\n' "${packages[@]}" | cat - "$0" | sha256sum | cut -c1-12)
dir=$cache_dir/sysroot/$arch-$key

# Packages of the time before the merged /usr still say /lib, and links to there, as
# libz.so's, would leave the directory.
unpack() {
	local deb root=$1 name link target

	mkdir -p "$root/usr"
	for name in bin sbin lib; do
		mkdir -p "$root/usr/$name"
		ln -s "usr/$name" "$root/$name"
	done
	for deb in "$scratch"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root" --no-same-owner \
			--exclude='./usr/share/doc*' --exclude='./usr/share/man*' --exclude='./usr/share/locale*' ||
			die "cannot unpack $(basename "$deb") in $root; is the disk full?"
	done
	find "$root" -type l -lname '/*' -printf '%P\t%l\n' | while IFS=$'\t' read -r link target; do
		ln -sfnr "$root$target" "$root/$link"
	done
}

if [ ! -e "$dir/usr/include" ]; then
	make_scratch sysroot
	apt_foreign "$(debian_arch "$arch")"
	apt_download_with_dependencies "$scratch/debs" "${packages[@]}"
	unpack "$scratch/root"
	mkdir -p "$cache_dir/sysroot"
	new=$(mktemp -d "$cache_dir/sysroot/.new.XXXXXX")
	cp -a "$scratch/root/." "$new"
	chmod 755 "$new"
	mv -T "$new" "$dir" 2>/dev/null || rm -rf "$new"
fi
printf '%s\n' "$dir"
