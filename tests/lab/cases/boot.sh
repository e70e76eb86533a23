# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# Every kind of kernel file, entered every way, with every kind of root; for root
# and for somebody else, with the devices in jails and without.
. "$CASES/lib.sh"

# What Linux calls the boot loader when it was entered by PVH.
pvh_loader=176

start bzimage-initrd
guest_seen 1 --device rng -p "quiet test=held,basics" -i "$IMAGES/initrd" "$KERNEL"
status 0
said root "rootfs rootfs rw"
said cpus 1
between memory 180000 262144
said ending poweroff
finish

start bzimage-root
copy_root disk
guest_seen 1 --rwroot "$work/disk" -p "quiet test=held,basics,messages" -i "$IMAGES/initrd" "$KERNEL"
status 0
said root "/dev/vda ext4 rw"
said ending poweroff
fsck_clean "$work/disk"
finish

start vmlinux-initrd
guest_seen 1 "$KERNEL_DIR/vmlinux" -p quiet -p test=held,basics --initrd "$IMAGES/initrd" --device rng
status 0
said root "rootfs rootfs rw"
said ending poweroff
finish

start vmlinux-linux
guest_seen 1 --boot-protocol linux -r "$IMAGES/root.ext4" -p "quiet test=held,basics" -i "$IMAGES/initrd" \
	"$KERNEL_DIR/vmlinux"
status 0
expect "the kernel says that it was entered by PVH" [ "$(value loader)" != $pvh_loader ]
said root "/dev/vda ext4 ro"
said ending poweroff
finish

start vmlinux-pvh
guest_seen 2 --boot-protocol pvh -r "$IMAGES/root.ext4" -c 4 --device rng -p "quiet test=held,basics" -i "$IMAGES/initrd" \
	"$KERNEL_DIR/vmlinux"
status 0
said loader $pvh_loader
said cpus 4
said ending poweroff
finish

# Debian's kernel leaves 17 MiB of 64 for the rest; the thousands of files of
# tracefs alone would fill them before user space.
start memory-64
guest_seen 1 -m 64 --device rng -p "quiet test=held,basics initcall_blacklist=tracer_init_tracefs" -i "$IMAGES/initrd" \
	"$KERNEL_DIR/vmlinux"
status 0
between memory 15000 65536
said ending poweroff
finish

if [ -n "$BIG_MEMORY" ]; then
	start memory-5g
	guest_seen 1 -m 5G -r "$IMAGES/root.ext4" -p "quiet test=held,basics" -i "$IMAGES/initrd" \
		"$KERNEL"
	status 0
	between memory 4980736 5242880
	said ending poweroff
	finish
else
	skip memory-5g "less than 8 GiB of memory are available"
fi

summary
