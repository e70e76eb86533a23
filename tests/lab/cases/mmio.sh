# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# The same devices behind virtio-mmio.
. "$CASES/lib.sh"

start root
copy_root disk
guest --device "block,path=$work/disk,transport=mmio" --device rng,transport=mmio -c 2 \
	-p "quiet root=/dev/vda rw test=basics,machine,files,interrupts,messages" \
	-i "$IMAGES/initrd" "$KERNEL"
status 0
said root "/dev/vda ext4 rw"
said ending poweroff
fsck_clean "$work/disk"
files_match "$work/disk"
has virtio " virtio_blk 0x0000000f"
has virtio " virtio_rng 0x0000000f"
expect "a virtio device is on PCI" sh -c "! sed -n 's/^LAB pci //p' '$log' | grep -q 0x1af4"
finish

summary
