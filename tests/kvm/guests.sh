#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Bare guests on this host's KVM, run by the tool as a user would.
#
#   guests.sh CROSVM GUEST-DIRECTORY GROUP
set -u
crosvm=$1 guests=$2 group=$3
failures=0

# shellcheck source=tests/support/need.sh
. "$(dirname "$0")/../support/need.sh"
need_kvm
sandbox=("${no_processes[@]}") # options of every run
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
disk=$work/disk
mmio_word="virtio_mmio.device=4K@0xf0000000:5"

# run NAME STATUS OPTION... GUEST: runs it; output in $work/out, messages in $work/err
run() {
	name=$1 want=$2
	shift 2
	timeout "${patience:-120}" "$crosvm" run "${sandbox[@]}" "${@:1:$#-1}" "$guests/${!#}.elf" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	case " $want " in
	*" $status "*) ;;
	*) bad "exit status $status instead of $want" ;;
	esac
}

bad() {
	failures=$((failures + 1))
	echo "FAIL $name: $1"
	sed 's/^/  out: /' "$work/out"
	sed 's/^/  err: /' "$work/err"
}

# said FILE REGEX: a line of the output or the messages
said() {
	grep -qE "$2" "$work/$1" || bad "$1 has no line that matches '$2'"
}

silent() {
	! [ -s "$work/err" ] || bad "messages where none belong"
}

disk() {
	rm -f "$disk"
	truncate -s "$1" "$disk"
}

group_endings() {
	local end

	for end in poweroff reset i8042; do
		run "$end" 0 -p "end=$end" hello
		said out '^Hello$'
		silent
	done
	run triple 3 -p end=triple hello
	said err '^crosvm: the guest crashed: triple fault$'
	run panic 3 -p end=panic hello
	said err '^crosvm: the guest crashed: the guest reported a panic$'
	ends_by_signal TERM 143 ""
	ends_by_signal INT 130 ""
	ends_by_signal HUP 129 ""
	trap '' HUP
	ends_by_signal QUIT 131 HUP
	trap - HUP
}

# From the reset vector, and once more after each reset.
group_firmware() {
	local pid tries=0

	name="firmware"
	timeout 120 "$crosvm" run "${sandbox[@]}" --bios "$guests/rom.bin" >"$work/out" 2>"$work/err" </dev/null ||
		bad "exit status $?"
	said out '^firmware: QEMU$'
	silent
	name="firmware's reset"
	"$crosvm" run "${sandbox[@]}" --bios "$guests/rom-reset.bin" -c 2 --reboot \
		>"$work/out" 2>"$work/err" </dev/null &
	pid=$!
	until [ "$(grep -c '^firmware: ' "$work/out")" -ge 3 ] || [ $((tries += 1)) = 300 ]; do
		sleep 0.1
	done
	kill $pid
	wait $pid
	[ "$(grep -c '^firmware: QEMU$' "$work/out")" -ge 3 ] || bad "it has not started three times"
	! grep -q -v '^firmware: QEMU$' <(head -n 3 "$work/out") || bad "its shadow is not fresh"
}

# A guest that halts for ever ends by a signal to the tool.
ends_by_signal() {
	local pid status tries=0

	name="halted, SIG$1"
	: >"$work/out"
	# the shell has its background jobs ignore SIGINT and SIGQUIT
	env --default-signal=INT,QUIT "$crosvm" run -p end=halt "$guests/hello.elf" \
		>"$work/out" 2>"$work/err" </dev/null &
	pid=$!
	until grep -q Hello "$work/out" || [ $((tries += 1)) = 300 ]; do
		sleep 0.1
	done
	# one that is ignored does nothing
	[ "$3" = "" ] || kill -"$3" $pid
	kill -"$1" $pid
	wait $pid
	status=$?
	[ $status = "$2" ] || bad "exit status $status instead of $2"
	said out '^Hello$'
}

# field PID KEY: of all its threads, each value once
field() {
	sed -n "s/^$2:[[:space:]]*//p" /proc/"$1"/task/*/status 2>/dev/null | sort -u | tr '\n' ' '
}

# jailed WHO PID: no capabilities, no way to get some, a system call filter
jailed() {
	local filter=2

	# the sanitizers' own calls would not pass one
	! ldd "$crosvm" | grep -q -E 'lib(asan|tsan)' || filter=0
	[ "$(field "$2" CapEff)$(field "$2" CapPrm)" = "0000000000000000 0000000000000000 " ] ||
		bad "$1 has capabilities: $(grep -H -E '^(Name|CapEff|CapPrm)' /proc/"$2"/task/*/status)"
	[ $filter = 0 ] || [ "$(field "$2" NoNewPrivs)" = "1 " ] || bad "$1 may get new privileges"
	[ $filter = 0 ] || [ "$(field "$2" Seccomp)" = "2 " ] || bad "$1 has no filter: $(field "$2" Seccomp)"
}

# start_jails OPTION...: an idle guest with four devices; its process in $pid, theirs in $children
start_jails() {
	local tries=0

	: >"$work/out"
	disk 1M
	"$crosvm" run "$@" --rwdisk "$disk" --device rng --device balloon \
		--device "console,out=/dev/null" "$guests/idle.elf" >"$work/out" 2>"$work/err" </dev/null &
	pid=$!
	until grep -q ready "$work/out" || [ $((tries += 1)) = 300 ]; do
		sleep 0.1
	done
	children=$(cat /proc/$pid/task/*/children)
}

# Whether it runs: what is dead and waits for its new parent to look does not.
alive() {
	grep -q '^State:[[:space:]]*[^ZX]' /proc/"$1"/status 2>/dev/null
}

end_jails() {
	local child tries

	kill -"$1" $pid
	wait $pid 2>/dev/null
	for child in $children; do
		tries=0
		while alive "$child" && [ $((tries += 1)) -le 50 ]; do
			sleep 0.1
		done
		! alive "$child" || bad "process $child is left behind after SIG$1"
	done
}

group_jails() {
	local child names tries=0

	need_jail
	name="jailed devices and tool"
	start_jails
	[ "$(wc -w <<<"$children")" = 4 ] || bad "there are not four device processes: $children"
	names=$(for child in $children; do cat "/proc/$child/comm"; done | sort | tr '\n' ' ')
	[ "$names" = "crosvm-balloon crosvm-block crosvm-console crosvm-rng " ] ||
		bad "other names: $names"
	for child in $children; do
		jailed "device process $(tr '\0' ' ' <"/proc/$child/cmdline")" "$child"
		[ "$(readlink /proc/"$child"/ns/net)" != "$(readlink /proc/self/ns/net)" ] ||
			bad "process $child is in our network"
		[ "$(id -u)" != 0 ] || [ "$(field "$child" Uid | cut -f1)" = 65534 ] ||
			bad "process $child is user $(field "$child" Uid)"
	done
	if ! ldd "$crosvm" | grep -q -E 'lib(asan|tsan)'; then
		# the guest's word may be earlier than the last step of the start
		until [ "$(field $pid Seccomp)" = "2 " ] || [ $((tries += 1)) -gt 100 ]; do
			sleep 0.1
		done
		jailed "the tool" $pid
	fi
	end_jails TERM
	silent_but_signal
	name="an unjailed tool, killed"
	start_jails --jail-main=off
	[ "$(field $pid Seccomp)" = "0 " ] || bad "the tool has a filter: $(field $pid Seccomp)"
	end_jails KILL
	name="no processes"
	start_jails --disable-sandbox
	[ -z "$children" ] || bad "there are device processes: $children"
	end_jails TERM
	run "a jail that cannot be" 1 --jail-main=on --reboot hello
	said err '^crosvm: --jail-main on: .*reboot'
}

silent_but_signal() {
	! grep -v 'ended by signal' "$work/err" >/dev/null || bad "messages where none belong"
}

group_protocols() {
	local protocol

	for protocol in auto linux pvh; do
		run "$protocol" 0 --boot-protocol $protocol info
		said out "^protocol $([ $protocol = pvh ] && echo pvh || echo linux)\$"
	done
	run "no PVH note" 0 hello-lb64
	run "PVH without its note" 1 --boot-protocol pvh hello-lb64
	said err 'hello-lb64\.elf: .*PVH'
	run "command line" 0 -p one -p "two  three" info
	said out '^cmdline .* one two  three$'
	run "no ACPI" 1 --no-acpi -p "$(head -c 70000 /dev/zero | tr '\0' x)" info
	said err 'command line'
	head -c 100000 /dev/urandom >"$work/initrd"
	run initrd 0 -i "$work/initrd" info
}

group_smp() {
	local n

	for n in 1 4 16; do
		run "$n processors" 0 -c $n -p "expect=$n" smp
		said out "^cpus=$n ids="
	done
	run "bound to one CPU" 0 -c 2 --cpu-affinity 0 -p expect=2 smp
}

group_memory() {
	run "16 MiB" 0 -m 16 mem
	said out '^mem ok bytes=16[0-9]{6} '
	run "256 MiB" 0 -m 256M mem
	said out '^mem ok bytes=268[0-9]{6} '
	if [ "$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)" -lt 1048576 ]; then
		echo "skip 5 GiB: less than 1 GiB of memory is free"
		return
	fi
	run "5 GiB" 0 -m 5G -p step=2M mem
	said out '^mem ok bytes=5368[0-9]{6} highest=1[0-9a-f]{8}$'
}

verify() {
	local name=$1 transport=$2 words=$3

	disk 32M
	case $transport in
	*mmio*) words+=" $mmio_word" ;;
	esac
	run "$name" 0 --device "block,path=$disk,$transport" \
		-p "mode=verify seed=$RANDOM n=100 span=8 $words" blk
	said out '^verify ok rounds=100 '
}

group_disk() {
	local transport packed

	for transport in pci mmio; do
		for packed in false true; do
			verify "$transport packed=$packed" "transport=$transport,packed=$packed" ""
		done
		verify "$transport noindirect" "transport=$transport" noindirect
		verify "$transport noevent" "transport=$transport" noevent
	done
	verify "no polling" poll=false ""
	verify "thread pool" engine=pool ""
	verify "four queues" queues=4 ""
	run "read-only" 0 -d "$disk" -p mode=verify blk
	said out '^verify ok read-only$'
	disk 1M
	run "second disk" 0 -d "$disk" -d "$disk" -p "mode=seq n=100 qd=4 bs=65536 disk=1" blk
	said out '^end n=100 '
}

# The process of a device class of the machine that runs beside us, $pid being timeout's.
process_of() {
	local machine dir

	for machine in $pid $(cat /proc/$pid/task/*/children 2>/dev/null); do
		for dir in $(cat /proc/"$machine"/task/*/children 2>/dev/null); do
			if tr '\0' ' ' 2>/dev/null <"/proc/$dir/cmdline" | grep -q -- "--crosvm-device=$1 "; then
				echo "$dir"
			fi
		done
	done
}

# beside OPTION... GUEST: as run, but in the background; $pid
beside() {
	: >"$work/out"
	[ -p "$work/keys" ] || mkfifo "$work/keys"
	exec 9<>"$work/keys"
	timeout 120 "$crosvm" run "${sandbox[@]}" "${@:1:$#-1}" "$guests/${!#}.elf" >"$work/out" 2>"$work/err" <&9 &
	pid=$!
}

# Waits for the machine, which must end with that status.
# The guest's first word of its disk.
started() {
	local tries=0

	until grep -q '^id ' "$work/out" || [ $((tries += 1)) -gt 300 ]; do
		sleep 0.02
	done
}

join() {
	wait $pid
	status=$?
	[ $status = "$1" ] || bad "exit status $status instead of $1"
}

# Kills the process of a class every 2 s and a bit until the machine ends, or N times.
kill_process() {
	local class=$1 left=$2 process

	kills=0
	while [ $left -gt 0 ] && kill -0 $pid 2>/dev/null; do
		process=$(process_of "$class")
		if [ -n "$process" ] && kill -9 "$process" 2>/dev/null; then
			kills=$((kills + 1)) left=$((left - 1))
		fi
		sleep "$3"
	done
}

restarts() {
	grep -c 'block: its process has died, and a new one goes on' "$work/err"
}

# Waits until the guest has got further, and its disk's process was restarted N times.
goes_on() {
	local steps tries=0

	steps=$(grep -c '^verify at' "$work/out")
	until [ "$(restarts)" -ge "$1" ] && [ "$(grep -c '^verify at' "$work/out")" -gt $((steps + 1)) ]; do
		[ $((tries += 1)) -lt 1500 ] || { bad "the guest does not go on"; return; }
		sleep 0.02
	done
}

# stop SIGNAL N: sends it to the process of a disk under load N times.
stop_disk() {
	local round

	for ((round = 1; round <= $2; round++)); do
		kill -s "$1" "$(process_of block)" || bad "there is no process of a disk"
		goes_on $round
	done
	echo >&9
	join 0
	said out '^verify ok rounds='
	[ "$(restarts)" = "$2" ] || bad "not $2 restarts"
}

# Requests in flight when a disk's process is killed come to their end in the next one.
killed_disk() {
	name="killed disk $*"
	disk 32M
	beside --device "block,path=$disk,restart=on,$1" -p "mode=verify seed=$RANDOM step=50 span=8 $2" blk
	started
	stop_disk KILL 4
}

# One that takes no kicks any more is found out.
hanging_disk() {
	name="hanging disk"
	disk 32M
	beside --device "block,path=$disk,restart=on" -p "mode=verify seed=$RANDOM step=50 span=8" blk
	started
	stop_disk STOP 1
	said err 'block: its process has died, and a new one goes on: it has hung for 5000 ms'
}

group_death() {
	local option sleeper tries=0

	sandbox=("${plain_processes[@]}")
	for option in transport=pci packed=true engine=pool queues=4 poll=false; do
		killed_disk $option ""
	done
	killed_disk transport=mmio,packed=true "$mmio_word"
	hanging_disk
	# too often within ten seconds: the guest is told, which this one takes for a reason to end
	name="killed six times"
	disk 32M
	beside --device "block,path=$disk,restart=on" -p "mode=verify seed=1 n=100000 span=8" blk
	started
	kill_process block 6 0.3
	join 3
	said err 'block: its process has died, the guest has lost the device'
	said out 'disk needs reset'
	# without restart at once
	name="killed disk, no restart"
	disk 32M
	beside --device "block,path=$disk" -p "mode=verify seed=1 n=100000 span=8" blk
	started
	kill_process block 1 0
	join 3
	said err 'block: its process has died, the guest has lost the device: it was killed by signal 9'
	said out 'disk needs reset'
	# and a guest that does not care goes on, with its other devices
	name="killed, no restart"
	beside --device rng --device console -p end=halt hello
	sleep 0.3
	kill_process rng 1 0.5
	said err 'rng: its process has died, the guest has lost the device'
	[ -n "$(process_of console)" ] || bad "the other device has gone too"
	kill $pid
	join 143
	# or it ends
	name="--device-death=stop"
	beside --device-death=stop --device rng -p end=halt hello
	sleep 0.3
	kill_process rng 1 0
	join 3
	said err '^crosvm: .*rng: it was killed by signal 9'
	# a machine that is killed takes its devices with it
	name="kill -9 of the machine"
	"$crosvm" run "${sandbox[@]}" --device rng --device console -p end=halt "$guests/hello.elf" \
		>"$work/out" 2>"$work/err" </dev/null &
	pid=$!
	sleep 0.3
	sleeper=$(process_of rng)
	[ -n "$sleeper" ] || bad "there is no process of rng"
	kill -9 $pid
	wait $pid 2>/dev/null
	# what init has not taken away yet is dead too
	while grep -qs '^State:.[^ZX]' "/proc/$sleeper/status" && [ $((tries += 1)) -lt 30 ]; do
		sleep 0.1
	done
	! grep -qs '^State:.[^ZX]' "/proc/$sleeper/status" || bad "a device's process is left"
}

group_irq() {
	disk 1M
	run MSI-X 0 -d "$disk" irq
	said out '^msix ok masked=1 pending=1$'
	run line 0 --device "block,path=$disk,ro=true,transport=mmio" -p "$mmio_word" irq
	said out '^line ok$'
}

# What is typed into a serial port and what comes out, with the device here and in a process.
typed() {
	local pid status tries=0

	name="typed, $*"
	mkfifo "$work/in"
	timeout 60 "$crosvm" run "$@" "$guests/echo.elf" >"$work/out" 2>"$work/err" <"$work/in" &
	pid=$!
	exec 4>"$work/in"
	until grep -q ready "$work/out" || [ $((tries += 1)) = 300 ]; do
		sleep 0.1
	done
	printf 'by interrupts,' >&4
	sleep 0.2
	printf 'by polling.' >&4
	wait $pid
	status=$?
	exec 4>&-
	rm -f "$work/in"
	[ $status = 0 ] || bad "exit status $status instead of 0"
	said out '^by interrupts,$'
	said out '^interrupts ok n=[1-9]'
	said out '^by polling\.$'
	said out '^polling ok$'
	silent
}

group_serial() {
	typed --serial type=stdout,console
	if ! can_jail; then
		echo "skip serial ports in processes of their own: $no_jail"
		return
	fi
	typed --serial type=stdout,console,sandbox=on
	run "two processes" 0 --serial type=stdout,sandbox=on --device "debugcon,out=$work/e9,sandbox=on" \
		-p e9 hello
	said out '^Hello$'
	silent
	# the first letter is written before the guest knows its command line
	[ "$(cat "$work/e9")" = ello ] || bad "the debug console's process wrote '$(cat "$work/e9")'"
}

chaos() {
	disk 16M
	run "chaos $*" 0 --device "block,path=$disk" --device rng --device console \
		--device "rng,transport=mmio" -p "$mmio_word $*" chaos
	said out '^survived '
}

group_chaos() {
	local seed area

	for area in p c b v m; do
		chaos seed=7 n=1500 "areas=$area"
	done
	for seed in 1 2 3; do
		chaos seed=$seed n=3000
	done
	# what a balloon is told to take may be the guest's own code: it may crash or hang, we may not
	for seed in 101 102; do
		patience=20 run "chaos with a balloon, seed=$seed" "0 3 124" --device balloon -p "seed=$seed n=1500 areas=v" chaos
	done
}

# A guest that resets for ever starts again and again.
group_reboot() {
	local pid status tries=0

	name=reboot
	: >"$work/out"
	"$crosvm" run --reboot -p end=reset "$guests/hello.elf" >"$work/out" 2>"$work/err" </dev/null &
	pid=$!
	until [ "$(grep -c '^Hello$' "$work/out")" -ge 20 ] || [ $((tries += 1)) = 600 ]; do
		sleep 0.1
	done
	kill -TERM $pid
	wait $pid
	status=$?
	[ $status = 143 ] || bad "exit status $status instead of 143"
	[ "$(grep -c '^Hello$' "$work/out")" -ge 20 ] || bad "fewer than 20 boots"
	[ "$(wc -l <"$work/err")" = 1 ] || bad "more than the sentence about the signal"
	run "reboot and power-off" 0 --reboot hello
	run "reboot and panic" 3 --reboot -p end=panic hello
}

# Each example does what its first comment says, with the smallest guest there is.
group_examples() {
	local examples

	examples=$(cd "$(dirname "$crosvm")/../examples" && pwd) || exit 1
	if ! can_jail; then
		echo "skip the examples with virtio devices: $no_jail"
		examples_without_processes
		return
	fi
	name=minimal
	"$examples/minimal" "$guests/hello.elf" >"$work/out" 2>"$work/err" </dev/null || bad "it failed"
	said out '^Hello$'
	said err 'the guest ended: the guest powered off$'
	examples_without_processes
	name=many_vms
	(cd "$work" && "$examples/many_vms" 3 "$guests/hello.elf" >"$work/out" 2>"$work/err") || bad "it failed"
	said out '^VM 2: the guest powered off$'
	grep -q '^Hello' "$work/vm-2.log" || bad "VM 2 said nothing"
	commands_obeyed
}

# Uses $examples.
examples_without_processes() {
	name=own_loop
	"$examples/own_loop" 5 "$guests/hello.elf" >"$work/out" 2>"$work/err" </dev/null || bad "it failed"
	said out '^the VM ended: the guest powered off$'
	name=custom_device
	"$examples/custom_device" "$guests/hello.elf" >"$work/out" 2>"$work/err" </dev/null || bad "it failed"
	said out '^the guest ended: the guest powered off; 0 reads of the counter, 0 bytes of entropy$'
}

# A guest that waits for ever, told what to do until that is to stop.
commands_obeyed() {
	name=control
	printf '%s\n' help "balloon target bytes=16M" "balloon status" "balloon target bytes=1G" \
		"balloon dance" "nobody dances" power "console.2 resize cols=132,rows=43" stop |
		"$examples/control" 64 "$guests/hello.elf" "" end=halt serial,num=1,out=/dev/fd/2 balloon \
			console console,ports=2 >"$work/out" 2>"$work/err" || bad "it failed"
	cat >"$work/wanted" <<-END
		ok power, stop, balloon target, balloon status, balloon stats, console resize, console.2 resize
		ok
		ok target=16777216,actual=0
		failed balloon: option bytes: 1073741824 bytes are more than the guest's 67108864, give less
		failed balloon: there is no operation 'dance'
		failed no device 'nobody', or no operation; try help
		ok pressed
		ok
		ok stopped
		the VM ended: stopped
	END
	cmp -s "$work/wanted" "$work/out" || bad "other answers than $(cat "$work/wanted")"
}

"group_$group"
[ $failures = 0 ]
