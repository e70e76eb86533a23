# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# SeaBIOS boots a disk whose GRUB boots Debian's kernel from it: nothing is told
# to the guest but by firmware.
. "$CASES/lib.sh"

# What Linux calls the boot loader when it was GRUB.
grub_loader=114
partition_at=1048576
suspicious='virtio|ACPI|PCI|pci|BAR|IRQ|irq|APIC|PIT|serial|ttyS|rtc|i8042|BIOS bug|e820|MP.table|EXT4|vd[a-z]|I.O error|Firmware Bug|BUG|Oops|hung|stall'
harmless='AUX port disabled'

# A disk of our own whose GRUB gives the kernel these words.
make_disk() {
	cp "$BOOT_DISK" "$work/disk"
	echo "set words='$*'" >"$work/words.cfg"
	debugfs -w -f - "$work/disk?offset=$partition_at" >"$log" 2>&1 <<-END
		rm boot/grub/words.cfg
		write $work/words.cfg boot/grub/words.cfg
	END
	[ -z "$as_user" ] || chown $stranger "$work/disk"
}

# firmware ARG...: boots it; what SeaBIOS says of its work ends up in the log, and nothing of how it
# moves the cursor of its serial console, in the middle of words where it has time
firmware() {
	: >"$work/bios"
	[ -z "$as_user" ] || chown $stranger "$work/bios"
	guest --bios "$BIOS" --device "debugcon,port=0x402,out=$work/bios" "$@"
	sed -i "s/$(printf '\033')[[][0-9;?]*[A-Za-z]//g" "$log"
	sed 's/^/bios: /' "$work/bios" >>"$log"
}

kernel_is_content() {
	bad=$(values message | grep -E "$suspicious" | grep -v -E "$harmless" | head -n 1)
	expect "the kernel warns: $bad" [ -z "$bad" ]
}

start disk
make_disk "quiet test=basics,machine,files,clock,messages"
firmware --rwdisk "$work/disk" --device rng
status 0
expect "SeaBIOS does not show itself on the console" sh -c "grep -v '^bios: ' '$log' | grep -q 'SeaBIOS (version'"
expect "GRUB did not start from the disk" grep -q 'GRUB pc from (hd0,msdos1)' "$log"
expect "SeaBIOS found no fw_cfg" grep -q '^bios: Found QEMU fw_cfg' "$log"
said loader $grub_loader
said root "/dev/vda1 ext4 rw"
said cpus 1
between memory 180000 262144
said tables "APIC DSDT FACP FACS MCFG"
said dmi "crosvm libcrosvm "
has virtio " virtio_blk 0x0000000f"
has virtio " virtio_rng 0x0000000f"
said ending poweroff
kernel_is_content
fsck_clean "$work/disk?offset=$partition_at"
files_match "$work/disk?offset=$partition_at"
finish

start reboot
make_disk "quiet test=basics,counter end=reboot until=3"
one_boot=$CASE_LIMIT CASE_LIMIT=$((3 * CASE_LIMIT))
firmware --reboot -c 2 --rwdisk "$work/disk"
CASE_LIMIT=$one_boot
status 0
said cpus 2
expect "the disk counted the boots $(values boots | tr '\n' ' ')instead of 1 2 3" \
	[ "$(values boots | tr '\n' ' ')" = "1 2 3 " ]
expect "GRUB started $(grep -c 'GRUB pc from' "$log") times instead of 3" \
	[ "$(grep -c 'GRUB pc from' "$log")" = 3 ]
finish

# The same disk where SeaBIOS learns of it by ACPI alone.
start mmio
make_disk "quiet test=basics,machine,messages"
firmware -c 4 -m 512 --device "block,path=$work/disk,transport=mmio" --device rng
status 0
said loader $grub_loader
said root "/dev/vda1 ext4 rw"
said cpus 4
expect "SeaBIOS booted another disk" grep -q '^bios: found virtio-blk-mmio' "$log"
kernel_is_content
finish

# Twenty functions whose BARs SeaBIOS moves; the one that boots is not the first.
start many
make_disk "quiet test=basics,machine,messages"
rngs=''
for _ in 1 2 3 4 5 6 7 8 9 10; do
	rngs="$rngs --device rng"
done
# shellcheck disable=SC2086 # words
firmware $rngs --rwdisk "$work/disk" $rngs
status 0
said root "/dev/vda1 ext4 rw"
expect "of 21 virtio devices $(values virtio | grep -c 0x0000000f) have drivers" \
	[ "$(values virtio | grep -c 0x0000000f)" = 21 ]
kernel_is_content
finish

if [ -n "$BIG_MEMORY" ]; then
	start memory-above
	make_disk "quiet test=basics,messages"
	firmware -m 4096 --rwdisk "$work/disk"
	status 0
	between memory 3900000 4194304
	said root "/dev/vda1 ext4 rw"
	kernel_is_content
	finish
else
	skip memory-above "this machine has too little memory"
fi

summary
