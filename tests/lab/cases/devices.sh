# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# Everything else that Linux sees of the machine, most of it in one guest.
. "$CASES/lib.sh"

tests=basics,topology,busy,machine,interrupts,clock,balloon,ports,serials,disk_about,messages

# Messages about what the machine has to get right; those about the processor
# are the emulated host's business.
suspicious='virtio|ACPI|PCI|pci|BAR|IRQ|irq|APIC|PIT|serial|ttyS|rtc|i8042|BIOS bug|e820|MP.table|EXT4|vd[a-z]|I.O error|Firmware Bug|BUG|Oops|hung|stall'
harmless='AUX port disabled'

start smp
copy_root disk
guest -c 4 -m 512 --rwroot "$work/disk" --device rng --device balloon \
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
said apic_ids 4
said cores 4
expect "the processors are not four cores of one package: $(values topology | tr '\n' ';')" \
	[ "$(values topology | cut -d ' ' -f 2,3 | sort -u | wc -l) $(values topology | cut -d ' ' -f 2 | sort -u | wc -l)" = "4 1" ]
finish

again drivers
for driver in virtio_blk virtio_rng virtio_balloon virtio_console; do
	has virtio " $driver 0x0000000f"
done
expect "a PCI function has no driver" sh -c "! sed -n 's/^LAB pci //p' '$log' | grep -v ' 0x8086:' | grep -q ' \$'"
finish

again msix
has interrupt '^virtio[0-9]-req.0 PCI-MSI [1-9]'
has interrupt '^virtio[0-9]-config PCI-MSI'
has interrupt '^virtio[0-9]-inflate PCI-MSI'
expect "a virtio device has no MSI-X vector: $(values interrupt | tr '\n' ';')" \
	sh -c "! sed -n 's/^LAB interrupt //p' '$log' | grep -v -q PCI-MSI"
finish

again messages
said ending poweroff
bad=$(values message | grep -E "$suspicious" | grep -v -E "$harmless" | head -n 1)
expect "the kernel warns: $bad" [ -z "$bad" ]
finish

again tables
for table in APIC DSDT FACP MCFG; do
	has tables "$table"
done
expect "no SMBIOS strings" [ -n "$(value dmi | tr -d ' ')" ]
finish

again clock
rtc=$(value clock | cut -d ' ' -f 1)
now=$(date +%s)
expect "the guest reported no clock" [ -n "$rtc" ]
expect "the guest's clock was $((now - rtc)) s behind this host's" [ $((now - rtc)) -le 120 ]
expect "the guest's clock was $((rtc - now)) s ahead of this host's" [ $((rtc - now)) -le 2 ]
finish

again console-port
expect "nothing came out of hvc0" grep -q "from the guest's hvc0" "$work/hvc0"
has port "vport[0-9]p1 lab.port"
expect "nothing came out of port 1" grep -q "from the guest's port lab.port" "$work/port1"
finish

again serial-ports
said ports 4
expect "nothing came out of ttyS1" grep -q "from the guest's ttyS1" "$work/ttyS1"
expect "nothing came out of ttyS2" grep -q "from the guest's ttyS2" "$work/ttyS2"
said serials written
finish

start typing
mkfifo "$work/keys"
exec 8<>"$work/keys"
guest_beside <"$work/keys" -p "quiet test=typing" -i "$IMAGES/initrd" "$KERNEL"
expect "the guest never came up" wait_for "$log.raw" "LAB ready typing"
echo "hello from outside" >&8
join
exec 8>&-
status 0
said typed "HELLO FROM OUTSIDE"
finish

# A person at the console: commands at the shell's prompt.
start shell
copy_root disk
exec 8<>"$work/keys"
guest_beside <"$work/keys" -p quiet -i "$IMAGES/initrd" --rwroot "$work/disk" "$KERNEL"
expect "no prompt appeared" wait_for "$log.raw" "^crosvm# "
# shellcheck disable=SC2016 # for the guest's shell
echo 'echo LAB product $((6 * 7)); poweroff' >&8
join
exec 8>&-
status 0
said product 42
fsck_clean "$work/disk"
finish

# Types one line when the log has the text.
type_after() {
	expect "'$1' did not appear" wait_for "$log.raw" "$1"
	[ -n "$reason" ] || echo "$2" >&8
}

# The device's process that holds a file.
holder_of() {
	for held in /proc/[0-9]*/fd/*; do
		if [ "$(readlink "$held")" = "$1" ] && grep -q "^crosvm-" "${held%/fd/*}/comm"; then
			echo "$held" | cut -d / -f 3
		fi
	done
}

# A person logs in over a port that has a process of its own; another such port
# loses its process, which costs the guest no more than that port.
start serial-process
jailed
exec 8<>"$work/keys"
guest_beside <"$work/keys" --serial type=stdout,console=true,sandbox=on \
	--serial type=file,num=2,path="$work/second",sandbox=on \
	-p "quiet test=logging_in,serial_about" -i "$IMAGES/initrd" "$KERNEL"
type_after "^crosvm login: " root
# shellcheck disable=SC2016 # for the guest's shell
type_after "^crosvm# " 'echo LAB user $LOGNAME $(tty)'
type_after "^LAB user" 'echo to the second port >/dev/ttyS1; seq 1000 1199 | sed "s/^/LAB line /"; echo LAB ready lines'
expect "the lines did not end" wait_for "$log.raw" "^LAB ready lines"
expect "nothing came out of ttyS1" grep -q "to the second port" "$work/second"
[ -n "$reason" ] || look_at_processes 2
if [ "$(id -u)" = 0 ]; then
	expect "no process to kill" kill -9 "$(holder_of "$work/second")"
fi
# shellcheck disable=SC2016
[ -n "$reason" ] || echo 'timeout 5 sh -c "echo lost >/dev/ttyS1"; echo LAB alone $((6 * 7)); exit' >&8
join
exec 8>&-
status 0
said user "root /dev/ttyS0"
expect "lines were lost or changed" [ "$(values line | sha256sum)" = "$(seq 1000 1199 | sha256sum)" ]
said alone 42
said ports 2
said ending poweroff
[ "$(id -u)" != 0 ] || expect "the death was not told" grep -q "crosvm: .*serial: .*the guest has lost the device" "$log"
finish

summary
