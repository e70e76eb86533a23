# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# The processes of the devices are killed while Linux uses them: restarted, they
# lose nothing.
. "$CASES/lib.sh"

# The process of a device class.
process_of() {
	for dir in /proc/[0-9]*; do
		case $(tr '\0' ' ' 2>/dev/null <"$dir/cmdline") in
		"crosvm-device --crosvm-device=$1 ") echo "${dir#/proc/}" ;;
		esac
	done
}

# Kills one of each class after the other, so often; then the guest may end.
kill_all() {
	for round in 1 2 3 4 5; do
		for class in block rng console balloon; do
			process=$(process_of $class)
			[ -z "$process" ] || { kill -9 "$process" 2>/dev/null && kills=$((kills + 1)); }
			# five within ten seconds are what a device may have
			sleep 0.6
		done
		kill -0 "$runner" 2>/dev/null || break
	done
	echo >&8
}

hammer() {
	copy_root disk
	jailed
	kills=0
	rm -f "$work/hold"
	mkfifo "$work/hold"
	exec 8<>"$work/hold"
	guest_beside <"$work/hold" -m 384 --device "block,path=$work/disk,restart=on$1" --device rng,restart=on \
		--device "console,out=$work/console,restart=on" --device balloon,restart=on \
		-p "quiet root=/dev/vda rw test=hammer" -i "$IMAGES/initrd" "$KERNEL"
	expect "the guest never began" wait_for "$log.raw" "LAB hammering"
	kill_all
	join
	exec 8>&-
	status 0
	restarts=$(grep -c "has died, and a new one goes on" "$log")
	echo "note: $kills kills, $restarts restarts" >>"$log"
	expect "only $kills processes were killed" [ $kills -ge 18 ]
	# those of the last moment may have been killed in the guest's power-off
	expect "of $kills killed processes $restarts were restarted" [ "$restarts" -ge $((kills - 4)) ]
	expect "a device was lost" sh -c "! grep -q 'the guest has lost the device' '$log'"
	expect "write $(values failed | head -n 1) failed" [ -z "$(values failed)" ]
	said entropy 64
	said console written
	fsck_clean "$work/disk"
	files_match "$work/disk"
	expect "a device's process is left" [ -z "$(process_of block)$(process_of rng)" ]
}

start split
hammer ""
finish

start packed
hammer ,packed=true
finish

# A machine that is killed takes its devices with it.
start machine
copy_root disk
jailed
guest_beside </dev/null --device "block,path=$work/disk" --device rng \
	-p "quiet root=/dev/vda rw test=waiting" -i "$IMAGES/initrd" "$KERNEL"
expect "the guest never came up" wait_for "$log.raw" "LAB ready waiting"
expect "there are no processes to kill" [ -n "$(process_of block)" ]
machine=$(awk '/^PPid/ { print $2 }' "/proc/$(process_of block)/status")
kill -9 "$machine"
join
tries=0
while [ -n "$(process_of block)$(process_of rng)" ] && [ $((tries += 1)) -lt 20 ]; do
	sleep 0.1
done
expect "a device's process is left" [ -z "$(process_of block)$(process_of rng)" ]
finish

# Somebody without any privilege: his own disk, and the right to use /dev/kvm.
start user
if [ -n "$LAB" ]; then
	jailed
	unprivileged
	copy_root disk
	guest --device "block,path=$work/disk" --device rng -p "quiet root=/dev/vda rw test=files" \
		-i "$IMAGES/initrd" "$KERNEL"
	status 0
	fsck_clean "$work/disk"
	files_match "$work/disk"
	finish
else
	skip user "another user's machine is made in the lab only"
fi

summary
