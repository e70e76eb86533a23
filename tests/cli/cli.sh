#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The tool's command line: what it prints, how it complains, how it ends.
#
#   cli.sh CROSVM GUEST-DIRECTORY GROUP
set -u
crosvm=$1 guests=$2 group=$3
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

make_files() {
	: >empty
	head -c 100 "$hello" >cut-header
	head -c 5000 "$hello" >cut-segment
	yes 'not a kernel' | head -c 30000 >junk
	mkfifo fifo
	mkdir dir
	truncate -s 1000 odd
	truncate -s 1M disk
	truncate -s 16388K vast
	truncate -s 1M 'a,b'
}

group_usage() {
	local n command

	run 2
	said err '^Usage: crosvm COMMAND'
	fails 2 "'bogus' is not known, see 'crosvm help'" bogus
	fails 2 'no kernel is given' run
	fails 2 "'--bogus' is not known, see 'crosvm run --help'" run --bogus "$hello"
	fails 2 "'-z' is not known" run -z "$hello"
	fails 2 '-m: .*hello.elf. is not a size' run -m "$hello"
	fails 2 '--mem needs a value' run "$hello" --mem
	fails 2 "-m: '5x' is not a size, give" run -m 5x "$hello"
	fails 2 "-m: '0' is not a size" run -m 0 "$hello"
	fails 2 "-m: '-1' is not a size" run -m -1 "$hello"
	fails 2 "-m: '99999999999999999999' is not a size" run -m 99999999999999999999 "$hello"
	fails 2 "-m: '18446744073709551615G' is not a size" run -m 18446744073709551615G "$hello"
	for n in 0 65 1x -1 '' ' 1' 0x2; do
		fails 2 "cpus: '$n' is not a number from 1 to 64" run "--cpus=$n" "$hello"
	done
	fails 2 '-c is given twice' run -c 1 -c 2 "$hello"
	fails 2 'bios is given twice' run --bios disk --bios disk
	fails 2 'reboot is given twice' run --reboot --reboot "$hello"
	fails 2 'reboot takes no value' run --reboot=1 "$hello"
	fails 2 'a kernel is given already' run "$hello" "$hello"
	fails 2 "'3-1' runs backwards" run --cpu-affinity 3-1 "$hello"
	fails 2 "cpu-affinity: 'x' is not a number" run --cpu-affinity 0,x "$hello"
	fails 2 'root.* is given twice' run --root disk --rwroot disk "$hello"
	fails 2 "serial: type 'foo' is not known, give" run --serial type=foo "$hello"
	fails 2 "serial num: '5' is not a number from 1 to 4" run --serial num=5 "$hello"
	fails 2 "serial: 'nm' is not known" run --serial nm=1 "$hello"
	fails 2 "serial: sandbox=yes is neither on nor off" run --serial sandbox=yes "$hello"
	fails 2 'serial: type=file needs a path' run --serial type=file "$hello"
	fails 2 'serial: path goes with type=file' run --serial type=sink,path=x "$hello"
	fails 2 'serial: port 1 is given twice' run --serial type=sink --serial type=sink "$hello"
	fails 2 'both want to be the console' \
		run --serial num=1,console --serial num=2,console "$hello"
	fails 2 "boot-protocol: 'x' is not known" run --boot-protocol x "$hello"
	fails 2 "log-level: 'x' is not known" run --log-level x "$hello"
	repeat 65 --device rng
	fails 2 'rng: at most 64 devices' run "${words[@]}" "$hello"
	fails 2 'version takes no words' version x
	fails 2 "'x' is one word too many" check x
	fails 2 "type 'nope' is not known" devices nope
	fails 2 "'x' is one word too many" devices block x
	fails 2 "'bogus' is not known" help bogus
	fails 2 "'x' is one word too many" help run x
	for command in run check devices version help; do
		run 0 help $command
		said out "^Usage: crosvm $command"
		silent
	done
	run 0 run --help
	said out '^  -m, --mem SIZE  '
	run 0 --help
	said out '^  run  '
	run 0 version
	said out '^crosvm [0-9]+\.[0-9]+\.[0-9]+$'
	run 0 --version
	said out '^crosvm [0-9]'
}

group_devices() {
	local type

	run 0 devices
	for type in block rng console balloon serial debugcon; do
		said out "^$type +[a-z]"
	done
	while read -r type _; do
		[ -n "$type" ] || break
		run 0 devices "$type"
		said out "^$type: "
		said out '^Options:$'
		silent
	done < <("$crosvm" devices)
	run 0 devices block
	said out '^  path +file +.*required'
	said out '^  queues +number +.*\(default 1, 1 to 16\)'
	said out '^  transport +choice +.*\(pci\*\|mmio\)'
	said out '^  resize  '
	said out '^    size  '
}

group_check() {
	local row rows status

	name=check
	"$crosvm" check >"$work/out" 2>"$work/err"
	status=$?
	silent
	[ $status -le 1 ] || bad "exit status $status"
	said out "^A virtual machine can$([ $status = 0 ] || echo not) be created on this host\.\$"
	rows="kvm native_kernel tun vhost_net vhost_vsock user_namespaces seccomp landlock io_uring"
	for row in $rows; do
		said out "^$row +(yes|no) "
	done
	# shellcheck disable=SC2086
	run "$status" check --json
	silent
	check_json "$rows"
	[ "$(stat -c %a /dev/kvm 2>/dev/null)" != 666 ] || [ $status = 0 ] || bad "KVM is there"
}

check_json() {
	local row

	if ! command -v jq >/dev/null; then
		echo "skip JSON: jq is not installed"
		return
	fi
	for row in $1; do
		jq -e ".$row | (.ok and (.reason | not)) or
			((.ok | not) and (.reason | length) > 0 and (.remedy | length) > 0)" \
			"$work/out" >/dev/null || bad "the JSON of $row"
	done
}

# What is printed does not get lost in silence.
group_full() {
	local words

	: >"$work/out"
	for words in "devices" "devices block" "version" "help run" "--help"; do
		name="$words on a full device"
		# shellcheck disable=SC2086
		"$crosvm" $words >/dev/full 2>"$work/err"
		ended 1 $?
		said err '^crosvm: standard output could not be written in full'
	done
	name="check on a full device"
	"$crosvm" check --json >/dev/full 2>"$work/err"
	ended 1 $?
	said err '^crosvm: standard output could not be written in full'
}

# What is found out before the hypervisor is needed.
group_input() {
	local file key

	make_files
	for key in kernel initrd; do
		[ $key = kernel ] && words=() || words=("$hello" -i)
		fails 1 "$key nofile: .*No such file" run "${words[@]}" nofile
		fails 1 "$key empty: the file is empty" run "${words[@]}" empty
		fails 1 "$key dir: this is a directory" run "${words[@]}" dir
		fails 1 "$key fifo: .*not a regular file" run "${words[@]}" fifo
		fails 1 "$key /dev/zero: .*not a regular file" run "${words[@]}" /dev/zero
	done
	for file in 'nofile: .*No such file' 'empty: the file is empty' 'dir: this is a directory' \
		'fifo: .*not a regular file' 'odd: 1000 bytes are not a multiple of 4096' \
		'vast: .* too large for firmware, which has at most 16 MiB'; do
		fails 1 "--bios ${file%%:*}: bios $file" run --bios "${file%%:*}"
	done
	fails 1 '--bios disk: bios: .* a kernel is given too' run --bios disk "$hello"
	fails 1 '--bios disk: bios: .* an initrd is given too' run --bios disk -i disk
	fails 1 '--bios disk: bios: .* a command line is given too' run --bios disk -p quiet
	fails 1 '--bios disk: bios: .* leave no_acpi out' run --bios disk --no-acpi
	for key in -d --rwdisk -r --rwroot; do
		fails 1 "$key nofile: block: .*nofile does not exist" run $key nofile "$hello"
		fails 1 "$key dir: block: .*dir is a directory" run $key dir "$hello"
		fails 1 "$key fifo: block: .*fifo is a FIFO" run $key fifo "$hello"
		fails 1 "$key /dev/null: block: .*/dev/null is not a disk" run $key /dev/null "$hello"
	done
	for key in -d --rwdisk -r --rwroot; do
		fails 1 "$key empty: block: option path: empty is empty, give it" run $key empty "$hello"
		fails 1 "$key odd: block: option path: odd is 1000 bytes, not a" run $key odd "$hello"
	done
	fails 1 '--device block,path=odd: block: option path: odd is 1000' \
		run --device block,path=odd "$hello"
	fails 1 '--device balloon,target=1G: balloon: option target: .* than the guest' \
		run --device balloon,target=1G "$hello"
	repeat 32 --device rng
	fails 1 '--device rng: rng: PCI bus 0 is full, at most 31' run "${words[@]}" "$hello"
	repeat 31 --device rng
	fails 1 '--rwdisk disk: block: PCI bus 0 is full' run "${words[@]}" --rwdisk disk "$hello"
	repeat 7 --device rng,transport=mmio
	fails 1 'transport=mmio: rng: at most 6 virtio-mmio devices' run "${words[@]}" "$hello"
	fails 1 '--device serial,num=1: serial: option num: port 1 is taken' \
		run --device serial,num=1 "$hello"
	fails 1 '--device serial: serial: option num: port 1 is taken' \
		run --serial type=sink --device serial "$hello"
	fails 1 '--device debugcon: debugcon: option port: port 233 is taken' \
		run --device debugcon --device debugcon "$hello"
	fails 1 'no mechanism .nonsense.; there are' run --sandbox=nonsense "$hello"
	fails 1 'seccomp needs no_new_privs' run --sandbox=seccomp "$hello"
	fails 2 "device-death: 'maybe' is not known, give" run --device-death=maybe "$hello"
	fails 1 'disk is the image of another VM' run --rwdisk disk --rwdisk disk "$hello"
	fails 1 'disk is the image of another VM' run -d disk --rwdisk disk "$hello"
	fails 1 '-m 1: memory: 1048576 bytes are too few, give' run -m 1 "$hello"
	fails 1 '-m 16385K: memory: .* multiple of 4096, give whole MiB' run -m 16385K "$hello"
	fails 1 '--mem 64T: memory: .* more than a VM can address, give 32 TiB' run --mem 64T "$hello"
	fails 1 '-m 30T: this host has [0-9]+ MiB of memory, ask for less' run -m 30T "$hello"
	fails 1 '-i nofile: initrd nofile' run -i nofile "$hello"
	fails 1 '--cpu-affinity 1000: this host has no CPU 1000, give 0 to' run --cpu-affinity 1000 "$hello"
	fails 1 "type 'nope' is not known, see 'crosvm devices'" run --device nope "$hello"
	fails 1 "type '' is not known" run --device '' "$hello"
	fails 1 'block: option path is missing, give path=FILE' run --device block "$hello"
	fails 1 "block: option 'bogus' is not known" run --device block,path=disk,bogus=1 "$hello"
	fails 1 'block: option queues: 17 is out of range, give 1 to 16' \
		run --device block,path=disk,queues=17 "$hello"
	fails 1 "block: option queues: '3x' is not a number" \
		run --device block,path=disk,queues=3x "$hello"
	fails 1 "block: option ro: 'maybe' is neither true nor false" \
		run --device block,path=disk,ro=maybe "$hello"
	fails 1 'block: option path is given twice' run --device block,path=disk,path=disk "$hello"
	fails 1 "block: option transport: 'usb' is not known, give one of pci, mmio" \
		run --device block,path=disk,transport=usb "$hello"
	fails 1 'block: option packed is given twice' \
		run --device block,path=disk,packed,packed=false "$hello"
	fails 1 'i8042: every machine has this device' run --device i8042 "$hello"
	fails 1 'serial: option num: 5 is out of range' run --device serial,num=5 "$hello"
	fails 1 '--serial type=file,path=dir: serial: .*dir is a directory' run --serial type=file,path=dir "$hello"
	fails 1 'serial: .*no/such does not exist' run --serial type=file,path=no/such "$hello"
	if [ "$(id -u)" = 0 ]; then
		echo "skip permissions: root may read everything"
		return
	fi
	for file in disk junk; do
		chmod 0 $file
	done
	fails 1 'kernel junk: .*Permission denied' run junk
	fails 1 'block: .*disk may not be opened' run -d disk "$hello"
}

# What is found out while the VM starts.
group_start() {
	need_kvm
	make_files
	fails 1 'kernel cut-header: .*ends in the middle' run cut-header
	fails 1 'kernel cut-segment: .*ends in the middle' run cut-segment
	fails 1 'kernel junk: .*neither an ELF kernel .* nor a bzImage' run junk
	truncate -s 20M large
	fails 1 '-i large: initrd large: .* do not fit .*more memory' run -m 16 -i large "$hello"
	fails 1 '-p: kernel command line: .*too long' run -p "$(head -c 100000 /dev/zero | tr '\0' x)" "$hello"
	if grep -qa '__[at]san_init' "$crosvm"; then
		echo "skip out of memory: a sanitizer needs its own"
	else
		(ulimit -v 100000 && fails 1 'guest memory: .*ask for less' run "$hello" && exit $failures)
		failures=$((failures + $?))
	fi
	fails 1 'block: direct=on with engine=uring: .*use engine=pool' run \
		--device "block,path=large,direct=on,engine=uring,restart=on" "$hello"
	# wherever they run out
	for limit in $(seq 16 40); do
		(ulimit -n "$limit" && fails 1 'ulimit -n' run -c 8 --device rng --device rng "$hello" && exit $failures)
		failures=$((failures + $?))
	done
}

# A host whose KVM is missing or forbidden.
group_no_kvm() {
	name="no /dev/kvm"
	if ! unshare -rm true 2>/dev/null; then
		echo "user namespaces cannot be made here"
		exit 77
	fi
	hide_kvm run "$hello"
	ended 1 $?
	[ "$(wc -l <"$work/err")" = 1 ] || bad "not one line of complaint"
	said err '^crosvm: /dev/kvm does not exist; '
	hide_kvm check
	ended 1 $?
	said out '^kvm +no +/dev/kvm does not exist'
	said out '^ +-> '
	said out 'cannot be created on this host'
	if [ "$(id -u)" != 0 ] || ! [ -e /dev/kvm ] || [ "$(stat -c %a /dev/kvm)" = 666 ]; then
		echo "skip forbidden /dev/kvm: this user cannot arrange it"
		return
	fi
	name="forbidden /dev/kvm"
	# shellcheck disable=SC2016
	setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'exec 3<"$1" && shift && exec "$@"' \
		sh "$hello" "$crosvm" run /dev/fd/3 >"$work/out" 2>"$work/err" </dev/null
	ended 1 $?
	said err '^crosvm: /dev/kvm may not be opened .*kvm group'
}

hide_kvm() {
	# shellcheck disable=SC2016
	unshare -rm sh -c 'mount -t tmpfs none /dev && exec "$@"' sh "$crosvm" "$@" \
		>"$work/out" 2>"$work/err" </dev/null
}

# Where the output goes and that all of it does.
group_streams() {
	local long pid

	need_kvm
	make_files
	name="output appended"
	echo before >both
	"$crosvm" run "$hello" >>both 2>"$work/err" </dev/null
	"$crosvm" run "$hello" >>both 2>"$work/err" </dev/null
	[ "$(tr '\n' ' ' <both)" = "before Hello Hello " ] || bad "$(cat both)"
	silent
	run 0 run --serial type=file,path=log,console "$hello"
	run 0 run --serial "type=file,path=log" "$hello"
	[ "$(tr '\n' ' ' <log)" = "Hello Hello " ] || bad "$(cat log)"
	run 0 run "${no_processes[@]}" -d a,b --device block,path=a,,b,ro "$hello"
	run 0 run --serial type=file,path=c,,d,console "$hello"
	[ "$(cat c,d)" = Hello ] || bad "a comma in a path"
	run 0 run --serial type=sink "$hello"
	[ "$(wc -c <"$work/out")" = 0 ] || bad "output of a sink"

	name="closed streams"
	"$crosvm" run "${no_processes[@]}" --rwdisk disk "$hello" <&- >&- 2>&- || bad "exit status $?"
	cmp -s disk <(head -c 1M /dev/zero) || bad "something was written to the disk"
	name="full output"
	"$crosvm" run "$hello" >/dev/full 2>"$work/err" </dev/null || bad "exit status $?"
	said err 'serial: output is lost: No space left'

	# 65000 bytes leave little room in the pipe; the reader is late and slow
	name="slow pipe"
	long=$(head -c 1900 /dev/zero | tr '\0' x)
	{
		head -c 65000 /dev/zero | tr '\0' y
		"$crosvm" run -p "$long" "$guests/info.elf" </dev/null 2>"$work/err"
	} | {
		sleep 0.3
		while IFS= read -r -N 4000 piece || [ -n "$piece" ]; do
			printf %s "$piece"
			sleep 0.01
		done
	} >"$work/out"
	[ "$(tr -cd x <"$work/out" | wc -c)" -ge 1900 ] || bad "output is lost"
	silent

	name="ignored signals"
	(trap '' HUP INT QUIT && exec "$crosvm" run -p end=halt "$hello") >"$work/ignoring" 2>&1 </dev/null &
	pid=$!
	wait_for "$work/ignoring" Hello
	kill -HUP $pid && kill -INT $pid && kill -QUIT $pid
	sleep 0.5
	kill -TERM $pid
	wait $pid
	ended 143 $?
	grep -q '^crosvm: ended by signal 15 ' "$work/ignoring" || bad "no word about the signal"

	name="image in use"
	"$crosvm" run "${no_processes[@]}" --rwdisk disk -p end=halt "$hello" >"$work/first" 2>&1 </dev/null &
	pid=$!
	wait_for "$work/first" Hello
	fails 1 'disk is the image of another VM too; stop that one' run -d disk "$hello"
	kill $pid
	wait $pid
	run 0 run "${no_processes[@]}" -d disk "$hello"
}

# on_terminal STATUS KEYS-FUNCTION GUEST-WORDS [FIRST [NEXT]]: runs on a terminal of its own, with
# these shell commands before and after
on_terminal() {
	local want=$1 keys=$2 params=$3

	rm -f "$work"/before "$work"/after "$work"/status "$work"/tty "$work"/screen \
		"$work"/stopped
	cat >"$work/session" <<END
tty >"$work/tty"
{ stty -g; grep flags /proc/\$\$/fdinfo/0; } >"$work/before"
${4:-:}
sh -c 'echo \$\$ >"$work/pid"; exec "$crosvm" run -p "$params" "$hello"'
${5:-status=\$?}
echo \$status >"$work/status"
{ stty -g; grep flags /proc/\$\$/fdinfo/0; } >"$work/after"
END
	: >"$work/err"
	{ wait_for "$work/screen" ello && "$keys" && wait_for "$work/after" flags; } |
		timeout 60 script -qefc "sh $work/session" "$work/screen" >"$work/out"
	[ "$(cat "$work/status")" = "$want" ] || bad "exit status $(cat "$work/status")"
	cmp "$work/before" "$work/after" || bad "the terminal is left changed"
}

# The terminal is raw meanwhile.
is_raw() {
	stty -F "$(cat "$work/tty")" -a | grep -q -- -icanon || echo raw >"$work/not-raw"
}

press_quit() {
	is_raw
	printf '\001h'
	wait_for "$work/screen" 'press its power button'
	printf 'abc\001p\001x'
}

press_nothing() { :; }
send_term() { kill -TERM "$(cat "$work/pid")"; }
send_int() { kill -INT "$(cat "$work/pid")"; }
send_segv() { kill -SEGV "$(cat "$work/pid")"; }
send_usr1() { kill -USR1 "$(cat "$work/pid")"; }
send_rt() { kill -RTMAX "$(cat "$work/pid")"; }

# Faults find the tool's handler in the library's threads too; KVM's own thread and a vCPU within
# KVM have other masks.
look_at_masks() {
	local pid task mask

	pid=$(cat "$work/pid")
	for task in "/proc/$pid/task"/*; do
		# ours: the first one and the loop's; a sanitizer's own blocks everything
		[ "${task##*/}" = "$pid" ] || grep -qx vm-loop "$task/comm" || continue
		mask=$(sed -n 's/^SigBlk:[[:space:]]*//p' "$task/status")
		[ $((0x$mask & 0x400004d8)) = 0 ] || echo "$(cat "$task/comm") $mask" >>"$work/masks"
	done
	kill -TERM "$pid"
}

# Stopped, the terminal is as before; continued, it is raw again.
stop_and_continue() {
	kill -TSTP "$(cat "$work/pid")"
	wait_for "$work/stopped" flags
	cmp "$work/before" "$work/stopped" || echo stopped >"$work/raw"
	sleep 0.5
	is_raw
	send_term
}

group_terminal() {
	need_kvm
	if ! command -v script >/dev/null; then
		echo "script(1) is not installed"
		exit 77
	fi
	name="escape" && on_terminal 4 press_quit end=halt
	! [ -e "$work/not-raw" ] || bad "the terminal was not raw"
	said screen 'Ctrl-A a  type Ctrl-A'
	said screen 'crosvm: ended by Ctrl-A x'
	name="SIGTERM" && on_terminal 143 send_term end=halt
	name="SIGINT" && on_terminal 130 send_int end=halt
	name="power-off" && on_terminal 0 press_nothing end=poweroff
	name="panic" && on_terminal 3 press_nothing end=panic
	name="SIGUSR1" && on_terminal 138 send_usr1 end=halt
	name="SIGRTMAX" && on_terminal 192 send_rt end=halt
	name="masks" && on_terminal 143 look_at_masks end=halt
	! [ -e "$work/masks" ] || bad "faults are blocked: $(cat "$work/masks")"
	name="SIGTSTP" && on_terminal 143 stop_and_continue end=halt 'set -m' \
		"{ stty -g; grep flags /proc/\$\$/fdinfo/0; } >$work/stopped; fg >/dev/null; status=\$?"
	! [ -e "$work/raw" ] || bad "the terminal is raw while it is stopped"
	! [ -e "$work/not-raw" ] || bad "the terminal was not raw again"
	if ! grep -qa '__[at]san_init' "$crosvm"; then
		name="fault" && on_terminal 139 send_segv end=halt
	fi
}

"group_$group"
[ $failures = 0 ]
