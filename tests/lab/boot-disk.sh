#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A disk that a PC's firmware boots, made without privileges: GRUB behind its
# master boot record, and one partition with a test guest's root file system,
# Debian's kernel and the initrd. Prints its path; it is made again only when one
# of its sources changed.
#
# GRUB tells what it was started from and boots the kernel with the words that
# /boot/grub/words.cfg sets.
set -eu
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/common.sh"

mib=64 # of the partition
grub=/usr/lib/grub/i386-pc
modules=(biosdisk part_msdos ext2 normal configfile linux echo)

need grub-mkimage grub-common
need debugfs e2fsprogs
[ -e $grub/boot.img ] || die "$grub/boot.img does not exist; install Debian's package grub-pc-bin"

kernel=$("$lab_dir/kernel.sh" dir)
images=$("$lab_dir/image.sh" $mib)
key=$(cat "$0" $grub/boot.img $grub/kernel.img <(printf '%s' "$kernel $images") | sha256sum | cut -c1-16)
dir=$cache_dir/boot-disk/$key

write_config() {
	cat <<-'END'
		source $prefix/words.cfg
		echo "GRUB $grub_platform from $prefix"
		linux /boot/vmlinuz console=ttyS0 panic=-1 root=/dev/vda1 rw $words
		initrd /boot/initrd
		boot
	END
}

# The root file system with what boots it.
make_partition() {
	local to=$1

	write_config >"$scratch/grub.cfg"
	echo "set words=" >"$scratch/words.cfg"
	cp --sparse=always "$images/root.ext4" "$to"
	debugfs -w -f - "$to" >"$scratch/debugfs.log" 2>&1 <<-END
		mkdir boot
		mkdir boot/grub
		write $kernel/bzImage boot/vmlinuz
		write $images/initrd boot/initrd
		write $scratch/grub.cfg boot/grub/grub.cfg
		write $scratch/words.cfg boot/grub/words.cfg
	END
	[ "$(debugfs -R "cat boot/grub/grub.cfg" "$to" 2>/dev/null)" = "$(write_config)" ] ||
		die "debugfs could not fill the partition: $(cat "$scratch/debugfs.log")"
}

# N as four bytes, for printf.
le32() {
	printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}

# put FILE OFFSET: into the disk
put() {
	dd if="$1" of="$disk" bs=4096 seek="$2" oflag=seek_bytes conv=notrunc,sparse status=none
}

# The boot sector loads what begins in the next one; the partition, active and of
# type Linux, is the first of the table.
make_disk() {
	local disk=$1

	grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o "$scratch/core.img" "${modules[@]}"
	[ "$(stat -c %s "$scratch/core.img")" -lt $((2047 * 512)) ] || die "GRUB does not fit before the partition"
	head -c 440 $grub/boot.img >"$scratch/mbr"
	# shellcheck disable=SC2059 # bytes
	printf "\x80\0\0\0\x83\0\0\0$(le32 2048)$(le32 $((mib * 2048)))" >"$scratch/entry"
	printf '\x55\xaa' >"$scratch/magic"
	truncate -s $((mib + 1))M "$disk"
	put "$scratch/mbr" 0
	put "$scratch/entry" 446
	put "$scratch/magic" 510
	put "$scratch/core.img" 512
	make_partition "$scratch/part"
	put "$scratch/part" $((1 << 20))
}

if [ ! -e "$dir/disk" ]; then
	make_scratch boot-disk
	mkdir -p "$scratch/new" "$cache_dir/boot-disk"
	make_disk "$scratch/new/disk"
	new=$(mktemp -d "$cache_dir/boot-disk/.new.XXXXXX")
	cp --sparse=always "$scratch/new/disk" "$new"
	chmod 755 "$new"
	mv -T "$new" "$dir" 2>/dev/null || rm -rf "$new"
fi
printf '%s\n' "$dir/disk"
