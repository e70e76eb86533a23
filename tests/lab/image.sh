#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What a test guest boots from, made without privileges: initrd (a cpio
# archive with busybox, the virtio modules and guest/) and root.ext4, a small
# file system with the same contents. Prints the directory that holds them;
# they are made again only when one of their sources changed.
#
#   image.sh [MIB]     size of root.ext4, 24 MiB unless told
set -eu
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/common.sh"

mib=${1:-24}
modules=(virtio_pci virtio_mmio virtio_blk virtio_console virtio-rng virtio_balloon
	virtio_net pvpanic-mmio pvpanic-pci button gpio_keys evdev)

need cpio cpio
need mke2fs e2fsprogs

kernel=$("$lab_dir/kernel.sh" dir)
busybox=$("$lab_dir/kernel.sh" busybox)
run_busybox=$busybox
[ "$arch" = "$(uname -m)" ] || run_busybox="qemu-$arch-static $busybox"
key=$(cat "$0" "$busybox" "$lab_dir"/guest/* "$kernel/version" | sha256sum | cut -c1-16)
dir=$cache_dir/images/$key-$mib

make_tree() {
	local tree=$1 applet

	mkdir -p "$tree"/{bin,sbin,usr/bin,usr/sbin,proc,sys,dev,tmp,run,etc,root,mnt,new}
	cp "$busybox" "$tree/bin/busybox"
	for applet in $($run_busybox --list-full); do
		[ -e "$tree/$applet" ] || ln -s /bin/busybox "$tree/$applet"
	done
	for name in inittab profile; do
		cp "$lab_dir/guest/$name" "$tree/etc/$name"
	done
	install -m 755 "$lab_dir/guest/rc" "$tree/etc/rc"
	install -m 755 "$lab_dir/guest/tests" "$tree/etc/tests"
	install -m 755 "$lab_dir/guest/init" "$tree/init"
	install -D -m 755 "$lab_dir/guest/power-button" "$tree/etc/acpi/PWRF/00000080"
	printf 'root::0:0:root:/root:/bin/sh\n' >"$tree/etc/passwd"
	printf 'root:x:0:\n' >"$tree/etc/group"
	printf 'crosvm\n' >"$tree/etc/hostname"
	"$lab_dir/kernel.sh" modules "$tree/lib/modules" "${modules[@]}"
	# loaded by the tests that need them
	"$lab_dir/kernel.sh" modules "$tree/lib/modules/late" virtiofs
}

# Owned by root inside, whoever makes them.
make_images() {
	local tree=$1 dest=$2

	(cd "$tree" && find . -print0 | cpio --quiet -0 -o -H newc -R 0:0) >"$dest/initrd"
	truncate -s "${mib}M" "$dest/root.ext4"
	mke2fs -q -t ext4 -L root -E root_owner=0:0 -d "$tree" "$dest/root.ext4"
}

if [ ! -e "$dir/root.ext4" ]; then
	make_scratch image
	mkdir -p "$scratch/images" "$cache_dir/images"
	make_tree "$scratch/tree"
	make_images "$scratch/tree" "$scratch/images"
	new=$(mktemp -d "$cache_dir/images/.new.XXXXXX")
	cp --sparse=always "$scratch"/images/* "$new"
	chmod 755 "$new"
	mv -T "$new" "$dir" 2>/dev/null || rm -rf "$new"
fi
printf '%s\n' "$dir"
