#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Debian's unmodified kernel, fetched without privileges into the cache.
#
#   kernel.sh dir                    print the directory that holds bzImage and
#                                    vmlinux, or Image, and modules/; fetch it
#                                    if missing
#   kernel.sh modules DEST NAME...   copy the named modules and what they need
#                                    to DEST as NN-name.ko, in loading order
#   kernel.sh busybox                print the path of a static busybox
#
# They are for this machine's architecture, or ARCH.
set -eu
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/lab/apt.sh
. "$lab_dir/apt.sh"

package=${CROSVM_KERNEL_PACKAGE:-linux-image-cloud-$(debian_arch "$arch")}

# The meta package's one dependency names the kernel itself.
real_package() {
	apt-cache "${apt_options[@]}" depends "$package" 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-[^ :]*\).*$/\1/p' | head -n 1
}

decompress() {
	local magic

	magic=$(od -An -tx1 -N4 "$1" | tr -d " ")
	case $magic in
	1f8b*) gzip -dc "$1" ;;
	fd377a58) xz -dc --single-stream "$1" ;;
	28b52ffd) zstd -qdc "$1" ;;
	02214c18) lz4 -qdc "$1" ;;
	*) die "the kernel's payload has an unknown compression; set CROSVM_KERNEL_PACKAGE to another kernel" ;;
	esac
}

# The boot protocol's header says where the compressed ELF lies. The build
# appends its unpacked size (4 bytes), except to gzip, which ends with it.
extract_vmlinux() {
	local image=$1 setup offset length

	setup=$(od -An -tu1 -j $((0x1f1)) -N1 "$image")
	offset=$(od -An -tu4 -j $((0x248)) -N4 "$image")
	length=$(od -An -tu4 -j $((0x24c)) -N4 "$image")
	offset=$(((setup + 1) * 512 + offset))
	tail -c +$((offset + 1)) "$image" | head -c "$length" >"$scratch/payload"
	[ "$(od -An -tx1 -N2 "$scratch/payload" | tr -d ' ')" = 1f8b ] ||
		truncate -s -4 "$scratch/payload"
	decompress "$scratch/payload" >"$2"
	[ "$(od -An -tx1 -N4 "$2" | tr -d ' ')" = 7f454c46 ] ||
		die "no ELF file came out of $image; the kernel's format is unknown"
}

# take_kernel FILE DIR: in the forms that it is booted from
take_kernel() {
	case $arch in
	x86_64)
		mv "$1" "$2/bzImage"
		extract_vmlinux "$2/bzImage" "$2/vmlinux"
		;;
	*)
		mv "$1" "$2/Image"
		[ "$(od -An -tx1 -j56 -N4 "$2/Image" | tr -d ' ')" = 41524d64 ] ||
			die "the kernel of $package is not an arm64 Image; set CROSVM_KERNEL_PACKAGE to another"
		;;
	esac
}

# unpack PACKAGE DEST: DEST appears complete or not at all
unpack() {
	local deb version busybox new=$scratch/new

	mkdir -p "$scratch/root" "$new"
	deb=$(echo "$scratch"/deb/*.deb)
	dpkg-deb -x "$deb" "$scratch/root"
	take_kernel "$scratch"/root/boot/vmlinuz-* "$new"
	if [ ! -d "$scratch/root/lib/modules" ]; then
		mv "$scratch/root/usr/lib" "$scratch/root/lib"
	fi
	version=$(basename "$scratch"/root/lib/modules/*)
	busybox=$(ARCH=$(uname -m) "$0" busybox)
	(cd "$scratch" && "$busybox" depmod -b root "$version")
	mv "$scratch/root/lib/modules/$version" "$new/modules"
	printf '%s\n' "$version" >"$new/version"
	dpkg-deb -f "$deb" Version >"$new/package-version"
	mkdir -p "$cache_dir/kernel"
	move_into_place "$new" "$2"
}

# Another run may have been quicker: then its result is as good as ours.
move_into_place() {
	local near

	near=$(mktemp -d "$(dirname "$2")/.new.XXXXXX")
	cp -a "$1/." "$near"
	chmod 755 "$near"
	mv -T "$near" "$2" 2>/dev/null || rm -rf "$near"
}

kernel_dir() {
	local name dir done=vmlinux

	[ "$arch" = x86_64 ] || done=Image
	name=$(cat "$cache_dir/kernel/$package" 2>/dev/null || true)
	dir=$cache_dir/kernel/$name
	if [ -z "$name" ] || [ ! -e "$dir/$done" ]; then
		make_scratch kernel
		apt_foreign "$(debian_arch "$arch")"
		name=$(real_package)
		[ -n "$name" ] || { apt_use_own_lists "$package" && name=$(real_package); }
		[ -n "$name" ] || die "Debian's package $package is not known to apt; set CROSVM_KERNEL_PACKAGE"
		apt_download "$name"
		dir=$cache_dir/kernel/$name
		unpack "$name" "$dir"
		printf '%s\n' "$name" >"$scratch/name"
		cp "$scratch/name" "$cache_dir/kernel/$package"
	fi
	printf '%s\n' "$dir"
}

# Prints the files of the named modules, each after what it depends on.
module_files() {
	local modules=$1

	shift
	awk -v names="$*" '
	function base(path) {
		sub(/.*\//, "", path)
		sub(/\.ko.*/, "", path)
		gsub(/-/, "_", path)
		return path
	}
	function load(name, list, n, i) {
		if (done[name]++ || !(name in file))
			return
		n = split(deps[name], list, " ")
		for (i = 1; i <= n; i++)
			load(base(list[i]))
		print file[name]
	}
	{
		path = $1
		sub(/:$/, "", path)
		$1 = ""
		file[base(path)] = path
		deps[base(path)] = $0
	}
	END {
		n = split(names, wanted, " ")
		for (i = 1; i <= n; i++)
			load(base(wanted[i]))
	}' "$modules/modules.dep"
}

copy_modules() {
	local modules dest=$1 n=10 file name

	modules=$(kernel_dir)/modules
	shift
	mkdir -p "$dest"
	for file in $(module_files "$modules" "$@"); do
		name=$dest/$n-$(basename "${file%%.ko*}").ko
		case $file in
		*.xz) xz -dc "$modules/$file" >"$name" ;;
		*.zst) zstd -qdc "$modules/$file" >"$name" ;;
		*) cp "$modules/$file" "$name" ;;
		esac
		n=$((n + 1))
	done
}

# The machine's own static busybox, or Debian's out of the cache.
busybox_path() {
	local path

	path=$(command -v busybox || true)
	if [ "$arch" = "$(uname -m)" ] && [ -n "$path" ] && ! ldd "$path" >/dev/null 2>&1; then
		printf '%s\n' "$path"
		return
	fi
	path=$cache_dir/busybox-$arch
	if [ ! -x "$path" ]; then
		make_scratch busybox
		apt_foreign "$(debian_arch "$arch")"
		apt_download busybox-static
		dpkg-deb -x "$scratch"/deb/*.deb "$scratch/root"
		mkdir -p "$cache_dir"
		find "$scratch/root" -type f -perm -100 -name busybox -exec cp {} "$scratch/bb" \;
		cp "$scratch/bb" "$path.new.$$"
		mv "$path.new.$$" "$path"
	fi
	printf '%s\n' "$path"
}

case ${1:-} in
dir) kernel_dir ;;
modules)
	shift
	copy_modules "$@"
	;;
busybox) busybox_path ;;
*) die "usage: kernel.sh dir | modules DEST NAME... | busybox" ;;
esac
