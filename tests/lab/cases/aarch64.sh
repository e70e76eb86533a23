# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# What Linux makes of an aarch64 machine: the device tree's devices, the interrupt
# controller that the host has, all ways to start, to grow and to end.
. "$CASES/lib.sh"

tests=basics,topology,busy,machine,interrupts,clock,balloon,ports,serials,disk_about,devicetree,messages
suspicious='virtio|OF:|DT|PCI|pci|BAR|IRQ|irq|GIC|ITS|serial|ttyS|rtc|psci|timer|EXT4|vd[a-z]|I.O error|BUG|Oops|hung|stall'
# the lab's processors have no cache that the tree could tell of, and they are slow
harmless='cacheinfo|Unable to detect cache|hrtimer: interrupt took'

start initrd
guest_seen 1 --device rng -p "quiet test=held,basics" -i "$IMAGES/initrd" "$KERNEL"
status 0
said root "rootfs rootfs rw"
said cpus 1
between memory 180000 262144
said ending poweroff
finish

start root
copy_root disk
guest_seen 1 --rwroot "$work/disk" -p "quiet test=held,basics,files" -i "$IMAGES/initrd" "$KERNEL"
status 0
said root "/dev/vda ext4 rw"
said ending poweroff
files_match "$work/disk"
fsck_clean "$work/disk"
finish

# Debian's kernel is 33 MiB long and leaves less than half of 64.
start memory-64
guest_seen 1 -m 64 --device rng -p "quiet test=held,basics initcall_blacklist=tracer_init_tracefs" -i "$IMAGES/initrd" "$KERNEL"
status 0
between memory 10000 65536
said ending poweroff
finish

start memory-2g
guest_seen 1 -m 2G -c 4 -r "$IMAGES/root.ext4" -p "quiet test=held,basics" -i "$IMAGES/initrd" "$KERNEL"
status 0
between memory 1900000 2097152
said cpus 4
said ending poweroff
finish

for wrapper in gzip lz4 zstd; do
	start "kernel-$wrapper"
	guest --device rng -p "quiet test=basics" -i "$IMAGES/initrd" "$KERNEL_DIR/Image.$wrapper"
	status 0
	said ending poweroff
	finish
done

start earlycon
guest -p "earlycon test=basics" -i "$IMAGES/initrd" "$KERNEL"
status 0
expect "the console was not there early" grep -q "earlycon: ns16550a0 at MMIO" "$log"
said ending poweroff
finish

start smp
copy_root disk
guest -c 4 -m 512 --rwroot "$work/disk" --device rng --device balloon --device pl030 \
	--device "console,out=$work/hvc0,ports=2,name1=lab.port,out1=$work/port1" \
	--serial type=stdout,console=true --serial type=sink,num=4 --serial type=file,num=2,path="$work/ttyS1" --serial type=file,num=3,path="$work/ttyS2" \
	-p "quiet test=$tests" -i "$IMAGES/initrd" "$KERNEL"
status 0
said ending poweroff
finish

# The cases that follow read the same guest's log.
smp_log=$log
again() {
	start "$1"
	rm "$log"
	log=$smp_log
}

again cpus
said cpus 4
said busy 4
expect "the processors are not four cores of one package: $(values topology | tr '\n' ';')" \
	[ "$(values topology | cut -d ' ' -f 2,3 | sort -u | wc -l) $(values topology | cut -d ' ' -f 2 | sort -u | wc -l)" = "4 1" ]
finish

again drivers
for driver in virtio_blk virtio_rng virtio_balloon virtio_console; do
	has virtio " $driver 0x0000000f"
done
has pci "^0000:00:00.0 0x1b36:0x0008"
has pci "^0000:00:1f.0 0x1b36:0x0011"
finish

again interrupts
if [ "$GIC" = 3 ]; then
	has interrupt '^virtio[0-9]-req.0 ITS-MSI [1-9]'
	has interrupt '^virtio[0-9]-config ITS-MSI'
	has interrupt '^virtio[0-9]-inflate ITS-MSI'
	expect "a virtio device has no MSI-X vector: $(values interrupt | tr '\n' ';')" \
		sh -c "! sed -n 's/^LAB interrupt //p' '$log' | grep -v -q ITS-MSI"
	has intc "GICv3"
else
	has interrupt '^virtio[0-9] GIC-0 [1-9]'
	has intc "GIC-0"
fi
finish

again devicetree
said model crosvm
has psci "v1"
has clocksource arch_sys_counter
expect "there is no stolen time: $(value stolen)" [ "$(value stolen)" = yes ]
for id in "9010000.rtc 00041031" "9020000.rtc 00041030" "9030000.gpio 00041061"; do
	has amba "$id"
done
finish

again messages
said ending poweroff
bad=$(values message | grep -E "$suspicious" | grep -v -E "$harmless" | head -n 1)
expect "the kernel warns: $bad" [ -z "$bad" ]
finish

again clock
rtc=$(value clock | cut -d ' ' -f 1)
now=$(date +%s)
expect "the guest reported no clock" [ -n "$rtc" ]
expect "the guest's clock was $((now - rtc)) s behind this host's" [ $((now - rtc)) -le 120 ]
expect "the guest's clock was $((rtc - now)) s ahead of this host's" [ $((rtc - now)) -le 2 ]
finish

again consoles
expect "nothing came out of hvc0" grep -q "from the guest's hvc0" "$work/hvc0"
expect "nothing came out of port 1" grep -q "from the guest's port lab.port" "$work/port1"
said ports 4
expect "nothing came out of ttyS1" grep -q "from the guest's ttyS1" "$work/ttyS1"
expect "nothing came out of ttyS2" grep -q "from the guest's ttyS2" "$work/ttyS2"
finish

start mmio
copy_root disk
guest -c 2 --rwroot "$work/disk" --device rng,transport=mmio --device balloon,transport=mmio \
	--device "block,path=$IMAGES/root.ext4,ro=true,transport=mmio" -p "quiet test=basics,machine,interrupts" -i "$IMAGES/initrd" "$KERNEL"
status 0
has virtio " virtio_rng 0x0000000f"
has virtio " virtio_balloon 0x0000000f"
said ending poweroff
fsck_clean "$work/disk"
finish

start another-machine
refused=$("$CROSVM" run "$OTHER_KERNEL" 2>&1 </dev/null)
result=$?
echo "$refused" >>"$log"
expect "a kernel of another machine was not refused by its name: $refused" \
	sh -c "[ $result != 0 ] && echo '$refused' | grep -q 'x86'"
finish

summary
