# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# virtio-blk under Linux: contents compared from outside.
. "$CASES/lib.sh"

boot() {
	guest -p quiet -i "$IMAGES/initrd" "$@" "$KERNEL"
}

start write
copy_root disk
boot --rwroot "$work/disk" -p test=files
status 0
said files_left 53
fsck_clean "$work/disk"
files_match "$work/disk"
finish

start packed
copy_root disk
boot --device "block,path=$work/disk,packed=true" -p "root=/dev/vda rw test=machine,files,interrupts"
status 0
has virtio "^virtio0 0x0002 [01]\{34\}1[01]* virtio_blk 0x0000000f"
fsck_clean "$work/disk"
files_match "$work/disk"
finish

# Past the page cache, which the lab's own file system in memory cannot do.
start direct
disk=$work/disk
[ -z "$LAB" ] || disk=/scratch/disk
cp "$IMAGES/root.ext4" "$disk"
boot -c 4 --device "block,path=$disk,direct=true,queues=4,engine=pool" \
	-p "root=/dev/vda rw test=disk_about,files,interrupts"
status 0
has disk "vda 0 49152 queues 4"
has interrupt "virtio[0-9]-req.3 $msi"
fsck_clean "$disk"
files_match "$disk"
finish

# The guest dies without warning after fsync: what it had synced is there.
start write-crash
copy_root disk
boot --rwroot "$work/disk" -p "test=files end=panic"
status $panic_status
expect "e2fsck cannot recover the journal" sh -c "e2fsck -p '$work/disk' >>'$log' 2>&1 || [ \$? = 1 ]"
files_match "$work/disk"
finish

start read
make_random "$work/data" 64
boot -r "$IMAGES/root.ext4" -d "$work/data" -c 2 -m 128 \
	-p test=disk_about,disk_read,disk_direct,disk_readonly,messages
status 0
said disk_size 131072
said disk_sum "$(file_sum "$work/data")"
said direct_sum "$(file_sum "$work/data")"
said readonly refused
has disk "vda 1 "
has disk "vdb 1 "
finish

start write-direct
make_random "$work/data" 16
before=$(file_sum "$work/data")
boot -r "$IMAGES/root.ext4" --rwdisk "$work/data" \
	-p test=disk_discard,disk_rebind,pci_rescan,disk_direct
status 0
said discard all
said discard_left 0
has unbound virtio
said rebound same
has removed "0000:00:"
said rescanned same
said direct_sum "$(file_sum "$work/data")"
expect "the image was not written to" [ "$(file_sum "$work/data")" != "$before" ]
expect "the discarded blocks still take space" \
	[ "$(stat -c %b "$work/data")" -le $(((16 - 8) * 2048 + 64)) ]
finish

# The image's file system is smaller than the image: writes fail there, and
# only there.
start write-no-space
if [ -n "$LAB" ]; then
	mkdir "$work/small"
	mount -t tmpfs -o size=4m tmpfs "$work/small"
	truncate -s 32M "$work/small/data"
	boot -r "$IMAGES/root.ext4" --rwdisk "$work/small/data" -p test=disk_failing
	umount -l "$work/small"
	status 0
	said failing error
	said still 4096
	said ending poweroff
	finish
else
	skip write-no-space "it needs a small file system, which only the lab mounts"
fi

start locked
copy_root disk
guest_beside </dev/null -p "quiet test=waiting" -i "$IMAGES/initrd" --rwroot "$work/disk" \
	"$KERNEL"
expect "the first guest never came up" wait_for "$log.raw" "LAB ready waiting"
"$CROSVM" run --rwroot "$work/disk" "$KERNEL" </dev/null >"$log.second" 2>&1
second=$?
kill "$runner"
join
expect "the second crosvm ended with status $second instead of 1" [ $second = 1 ]
expect "the message does not name the image: $(cat "$log.second")" grep -q "$work/disk" "$log.second"
rm "$log.second"
finish

summary
