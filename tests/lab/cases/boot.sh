# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# Every kind of kernel file, entered every way, with every kind of root.
. "$CASES/lib.sh"

# What Linux calls the boot loader when it was entered by PVH.
pvh_loader=176

start bzimage-initrd
guest -p "quiet test=basics" -i "$IMAGES/initrd" "$KERNEL_DIR/bzImage"
status 0
said root "rootfs rootfs rw"
said cpus 1
between memory 180000 262144
said ending poweroff
finish

start bzimage-root
copy_root disk
guest --rwroot "$work/disk" -p "quiet test=basics,messages" -i "$IMAGES/initrd" "$KERNEL_DIR/bzImage"
status 0
said root "/dev/vda ext4 rw"
said ending poweroff
fsck_clean "$work/disk"
finish

start vmlinux-initrd
guest "$KERNEL_DIR/vmlinux" -p quiet -p test=basics --initrd "$IMAGES/initrd"
status 0
said root "rootfs rootfs rw"
said ending poweroff
finish

start vmlinux-linux
guest --boot-protocol linux -r "$IMAGES/root.ext4" -p "quiet test=basics" -i "$IMAGES/initrd" \
	"$KERNEL_DIR/vmlinux"
status 0
expect "the kernel says that it was entered by PVH" [ "$(value loader)" != $pvh_loader ]
said root "/dev/vda ext4 ro"
said ending poweroff
finish

start vmlinux-pvh
guest --boot-protocol pvh -r "$IMAGES/root.ext4" -c 4 -p "quiet test=basics" -i "$IMAGES/initrd" \
	"$KERNEL_DIR/vmlinux"
status 0
said loader $pvh_loader
said cpus 4
said ending poweroff
finish

# Debian's kernel leaves 17 MiB of 64 for the rest; the thousands of files of
# tracefs alone would fill them before user space.
start memory-64
guest -m 64 -p "quiet test=basics initcall_blacklist=tracer_init_tracefs" -i "$IMAGES/initrd" \
	"$KERNEL_DIR/vmlinux"
status 0
between memory 15000 65536
said ending poweroff
finish

if [ -n "$BIG_MEMORY" ]; then
	start memory-5g
	guest -m 5G -r "$IMAGES/root.ext4" -p "quiet test=basics" -i "$IMAGES/initrd" \
		"$KERNEL_DIR/bzImage"
	status 0
	between memory 4980736 5242880
	said ending poweroff
	finish
else
	skip memory-5g "less than 8 GiB of memory are available"
fi

summary
