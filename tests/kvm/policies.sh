#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every device in its jail, and the VM's own process in its: all that the policies
# allow is needed by something here, and nothing that is needed is missing.
# strace(1) tells what each process calls, coverage what that is worth.
#
#   policies.sh CROSVM GUEST-DIRECTORY COVERAGE CONTROL POLICY-DIRECTORY [LOAD...]
#
# Each load_NAME below runs VMs in a directory of its own, two loads at a time.
set -u
crosvm=$(realpath "$1") guests=$(realpath "$2") coverage=$(realpath "$3") control=$(realpath "$4")
policies=$(realpath "$5")
shift 5

for tool in strace perl script; do
	if ! command -v $tool >/dev/null; then
		echo "$tool is not installed"
		exit 77
	fi
done
# shellcheck source=tests/support/need.sh
. "$(dirname "$0")/../support/need.sh"
need_kvm
if ! strace -f -o /dev/null true 2>/dev/null; then
	echo "processes cannot be traced here (ptrace)"
	exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mmio_word="virtio_mmio.device=4K@0xf0000000:5"
failures=0 n_logs=0 tracer='' name='' traced=()

bad() {
	failures=$((failures + 1))
	echo "FAIL $load, $name: $1"
	tail -c 2000 out 2>/dev/null | sed 's/^/  out: /'
	sed 's/^/  err: /' err 2>/dev/null
}

# launch NAME COMMAND...: in the background; its input is what is written to descriptor 4
launch() {
	name=$1
	shift
	: >out
	: >err
	[ -p in ] || mkfifo in
	exec 4<>in
	timeout 120 "$@" >out 2>err <in 4>&- &
	tracer=$!
}

# trace WORD...: $traced becomes the command that runs this one traced, into $log
trace() {
	log=log.$((n_logs += 1))
	traced=(strace -f -Y -e raw=all -o "$log" "$@")
}

# begin NAME COMMAND...: as launch, traced
begin() {
	trace "${@:2}"
	launch "$1" "${traced[@]}"
}

# vm NAME OPTION... GUEST
vm() {
	begin "$1" "$crosvm" run -m 64 "${@:2:$#-2}" "$guests/${!#}.elf"
}

# said REGEX [FILE]: waits for such a line
said() {
	local ended=''

	until grep -qaE "$1" "${2:-out}" 2>/dev/null; do
		[ -z "$ended" ] || { bad "${2:-out} never matches '$1'"; return; }
		kill -0 "$tracer" 2>/dev/null || ended=yes
		sleep 0.05
	done
}

# end STATUS [forbidden]: waits for the traced command and all that it started
end() {
	local status

	wait "$tracer"
	status=$?
	[ $status = "$1" ] || bad "exit status $status instead of $1"
	[ -n "${2:-}" ] || ! grep -q 'seccomp policy' err || bad "a policy is too narrow"
	exec 4>&-
}

# children PID: of all its threads
children() {
	cat /proc/"$1"/task/*/children 2>/dev/null
}

# process: the traced command's number
process() {
	sed -n '1s/<.*//p' "$log" 2>/dev/null
}

# device CLASS: its process; waits for it
device() {
	local child tries=0

	while [ $((tries += 1)) -lt 100 ]; do
		for child in $(children "$(process)"); do
			if [ "$(cat "/proc/$child/comm" 2>/dev/null)" = "crosvm-$1" ]; then
				echo "$child"
				return
			fi
		done
		sleep 0.02
	done
}

# ---- disks ----

verify() { # OPTIONS GUEST-WORDS
	vm "disk $1" --device "block,path=disk$1" -p "mode=verify seed=7 n=20 span=8 $2" blk
	end 0
	said '^verify ok'
}

load_disk() {
	local options

	truncate -s 16M disk
	for options in ,engine=pool ,engine=uring,packed=true ,poll=false,discard=false; do
		verify "$options" ""
	done
	verify ,queues=16 queues=16
	verify ,transport=mmio "$mmio_word"
	# not every file system can
	if dd if=/dev/zero of=direct bs=4096 count=1 oflag=direct 2>/dev/null; then
		verify ,direct=true,engine=pool ""
		verify ,direct=true,engine=uring ""
	fi
	vm "read-only disk" -d disk -p mode=verify blk
	end 0
}

# A block device: what it cannot show must be excused.
load_block_device() {
	truncate -s 16M file
	if ! loop=$(losetup --show -f file 2>/dev/null); then
		echo "skip a block device: losetup makes none here"
		echo "ioctl: arg1 == BLKDISCARD" >>"$work/excused"
		echo "ioctl: arg1 == BLKGETSIZE64" >>"$work/excused"
		return
	fi
	trap 'losetup -d "$loop"' EXIT
	vm "block device" --device "block,path=$loop" -p "mode=verify seed=7 n=20 span=8" blk
	end 0
	said '^verify ok'
	begin "a block device's size" "$control" 64 "$guests/devices.elf" "" "" \
		serial,out=/dev/fd/2 "block,path=$loop"
	said '^ready' err
	printf '%s\n' "block resize" stop >&4
	end 0
	said '^ok size='
}

# ---- the other devices ----

others=(--device rng --device "balloon,target=4M")

load_console() {
	vm "console on pipes" --serial type=sink "${others[@]}" \
		--device console,in=/dev/fd/0,out=/dev/fd/1 devices
	said '^ready'
	printf w >&4
	said '^worked'
	printf q >&4
	end 0

	# stops when the pipe is full, goes on when it is read
	mkfifo slow
	sleep 0.1
	exec 5<>slow
	vm "console on a full pipe" --serial type=sink --device console,in=/dev/fd/0,out=/dev/fd/5 \
		devices
	sleep 0.5
	printf f >&4
	sleep 0.5
	cat <&5 >flood &
	reader=$!
	said '^flooded' flood
	printf q >&4
	end 0
	kill $reader

	echo q >typed
	vm "console on files" --serial type=sink "${others[@]}" --device console,in=typed,out=said devices
	end 0
	said '^bye' said
}

# Nobody reads what a console and a serial port say.
load_unread() {
	mkfifo gone
	cat gone >/dev/null &
	reader=$!
	exec 5>gone
	vm "console on a broken pipe" --device console,in=/dev/fd/0,out=/dev/fd/5 devices
	exec 5>&-
	said '^ready'
	kill $reader
	wait $reader 2>/dev/null
	printf wq >&4
	end 0
	said '^bye'

	cat gone >/dev/null &
	reader=$!
	exec 5>gone
	vm "the tool's output on a broken pipe" --serial type=file,path=/dev/fd/5,console \
		--device console,in=/dev/fd/0 devices
	exec 5>&-
	sleep 0.5
	kill $reader
	wait $reader 2>/dev/null
	printf wq >&4
	end 0
}

# on_socket NAME OPTION... GUEST: as vm, with a socket as input and output, over which w, f and q are typed
on_socket() {
	trace "$crosvm" run -m 64 "${@:2:$#-2}" "$guests/${!#}.elf"
	# shellcheck disable=SC2016
	launch "$1" perl -MSocket -e '
		socketpair(my $ours, my $its, AF_UNIX, SOCK_STREAM, 0) or die;
		if (!fork) {
			open(STDIN, "<&", $its);
			open(STDOUT, ">&", $its);
			close($ours);
			exec(@ARGV);
		}
		close($its);
		my @letters = ("w", "f", "q");
		my $said = "";
		while (sysread($ours, my $got, 65536)) {
			$said .= $got;
			if (@letters && $said =~ /(ready|worked|flooded)\r?\n$/) {
				syswrite($ours, shift(@letters));
				$said = "";
			}
		}
		wait;
		exit($? >> 8);' "${traced[@]}"
	end 0
}

load_socket() {
	on_socket "console on a socket" --serial type=sink \
		--device console,in=/dev/fd/0,out=/dev/fd/1 devices
	on_socket "serial port on a socket" --serial type=stdout,console,sandbox=on devices
	on_socket "serial port on a socket, in the tool" --serial type=stdout,console devices
}

load_serial() {
	vm "serial port on pipes" --serial type=stdout,console,sandbox=on devices
	said '^ready'
	printf w >&4
	said '^worked'
	printf q >&4
	end 0
	vm "debug console" --serial type=file,path=port,console,sandbox=on \
		--device debugcon,out=e9,sandbox=on -p "end=reset e9" hello
	end 0
	said '^ello' e9
}

# on_terminal NAME OPTION... GUEST: as vm, on a terminal of its own, named in the file tty
on_terminal() {
	local words

	trace "$crosvm" run -m 64 "${@:2:$#-2}" "$guests/${!#}.elf"
	printf -v words '%q ' "${traced[@]}"
	launch "$1" script -qefc "tty >tty; $words" screen
}

load_terminal() {
	# only one of the tool and the console may read from it
	on_terminal "console on a terminal" --serial type=sink "${others[@]}" \
		--device console,in=/dev/tty,out=/dev/tty devices
	said ready
	stty -F "$(cat tty)" cols 132 rows 43
	echo wfq >&4
	end 0
	on_terminal "the tool's keys" --device rng devices
	said ready
	printf '\001h' >&4
	said 'power button'
	printf '\001p\001x' >&4
	end 4
	on_terminal "a deadly signal" --device rng devices
	said ready
	kill -USR1 "$(process)"
	end 138
}

# ---- what the VM is told ----

load_control() {
	truncate -s 16M disk
	begin "control operations" "$control" 64 "$guests/devices.elf" "" "" serial,out=/dev/fd/2 balloon \
		console rng block,path=disk
	said '^ready' err
	printf '%s\n' "balloon target bytes=16M" "console resize cols=132,rows=43" \
		"block resize size=32M" "balloon stats" >&4
	said '^ok updates'
	until grep -q 'actual=16777216' out || ! kill -0 "$tracer" 2>/dev/null; do
		echo "balloon status" >&4
		sleep 0.1
	done
	printf '%s\n' "balloon target bytes=4M" "balloon stats" "block resize size=16M" power >&4
	until grep -q 'actual=4194304' out || ! kill -0 "$tracer" 2>/dev/null; do
		echo "balloon status" >&4
		sleep 0.1
	done
	echo stop >&4
	end 0
	said 'free=12345678'
	! grep -q failed out || bad "an operation failed"
}

# ---- processes that die, stop and are looked at ----

replaced() { # CLASS N
	until [ "$(grep -c "$1: its process has died, and a new one goes on" err)" = "$2" ] ||
		! kill -0 "$tracer" 2>/dev/null; do
		sleep 0.02
	done
}

load_death() {
	local options i

	truncate -s 16M disk
	for options in engine=pool engine=uring,packed=true; do
		vm "killed disk, $options" --device "block,path=disk,restart=on,$options" --device rng,restart=on \
			-p "mode=verify seed=7 n=1000000 span=8" blk
		said '^id '
		for i in 1 2 3; do
			sleep 0.1
			"$crosvm" sandbox-report "$(process)" >report 2>&1
			kill -9 "$(device block)" "$(device rng)"
			replaced block $i
			replaced rng $i
		done
		kill "$(process)"
		end 143
		! grep -q FAIL out || bad "the disk failed"
	done
	# in flight when it died, and never to be repeated: the guest ends by itself
	vm "dead disk" --no-acpi --device block,path=disk,transport=mmio \
		-p "$mmio_word mode=verify seed=7 n=1000000 span=8" blk
	said '^id '
	kill -9 "$(device block)"
	said 'block: its process has died' err
	end 3
	vm "dead devices" "${others[@]}" --device console devices
	said '^ready'
	kill -9 "$(device rng)" "$(device console)"
	said 'console: its process has died' err
	printf q >&4
	kill -TERM "$(process)"
	end 143
}

# A policy without what a device needs: the VM's process sees that, jailed as it is.
load_forbidden() {
	truncate -s 1M disk
	cp -r "$policies" changed
	sed -i '/^fdatasync/d' changed/block.policy
	vm "forbidden" --seccomp-policy-dir changed --rwdisk disk devices
	end 3 forbidden
	grep -q 'block: its process has died.*seccomp policy' err || bad "no word about it"
	"$coverage" changed log.* >judged && bad "the judge sees nothing"
	grep -q 'block.policy does not allow fdatasync(' judged || bad "the judge says: $(cat judged)"
}

# Stopped and continued, waiting begins again: a disk's thread does so for some seconds.
load_stop() {
	local child

	truncate -s 1M disk
	vm "stopped and continued" "${others[@]}" --rwdisk disk devices
	said '^ready'
	for child in $(children "$(process)") $(process); do
		kill -STOP "$child"
		sleep 0.1
		kill -CONT "$child"
	done
	sleep 4
	printf w >&4
	said '^worked'
	printf q >&4
	end 0
}

# ---- ends, processors, interrupts ----

load_ends() {
	local how

	for how in reset i8042; do
		vm "$how" "${others[@]}" -p "end=$how" hello
		end 0
	done
	for how in p t x; do
		vm "crash, $how" "${others[@]}" devices
		said '^ready'
		printf %s "$how" >&4
		end 3
	done
	vm "SIGTERM" "${others[@]}" devices
	said '^ready'
	kill "$(process)"
	end 143
}

# Devices that are set up only when the VM's process has gone into its jail.
late() { # OPTION... GUEST
	vm "late $*" -p wait "$@"
	until grep -qs '^Seccomp:.*2' "/proc/$(process)/status" || ! kill -0 "$tracer" 2>/dev/null; do
		sleep 0.05
	done
	printf ' ' >&4
}

load_late() {
	truncate -s 1M disk
	late --rwdisk disk irq
	end 0
	late --rwdisk disk "${others[@]}" --device console,out=said devices
	said '^ready'
	printf q >&4
	end 0
}

load_processors() {
	vm "four processors" -c 4 --cpu-affinity 0 -p expect=4 smp
	end 0
	truncate -s 1M disk
	vm "a line" --device "block,path=disk,ro=true,transport=mmio" -p "$mmio_word" irq
	end 0
	vm "a hostile guest" --rwdisk disk "${others[@]}" --device console,ports=3,out2=out2 \
		-p "seed=3 n=2000" chaos
	end 0
}

# ---- both sides of vhost-user ----

load_served() {
	local type

	truncate -s 16M disk
	for type in block,path=disk rng console,out=said balloon; do
		begin "served ${type%%,*}" "$crosvm" device "$type" --socket sock --once
		while ! [ -S sock ] && kill -0 "$tracer"; do
			sleep 0.1
		done
		"$crosvm" run -m 64 --device "vhost-user,type=${type%%,*},socket=sock" \
			-p "mode=verify seed=7 n=10 span=8" \
			"$guests/$([ "${type%%,*}" = block ] && echo blk || echo devices).elf" \
			>front 2>&1 <<<q
		end 0
		rm -f sock
	done
}

run_load() {
	local begin=$SECONDS

	load=$1
	mkdir "$work/$load" && cd "$work/$load" || exit 1
	trap - EXIT
	"load_$load"
	[ $failures = 0 ] || touch "$work/failed"
	echo "$load: $((SECONDS - begin)) s"
}

all=(disk terminal death stop control forbidden served ends late processors console serial unread socket
	block_device)
[ $# -gt 0 ] || set -- "${all[@]}"
for load; do
	[ "$(jobs -pr | wc -l)" -lt 2 ] || wait -n
	run_load "$load" &
done
wait
excused=()
while read -r line; do
	excused+=(-x "$line")
done < <(cat "$work/excused" 2>/dev/null)
"$coverage" "${excused[@]}" "$policies" "$work"/*/log.* || touch "$work/failed"

# A rule too many is seen.
cp -r "$policies" "$work/changed"
echo "getppid: 1" >>"$work/changed/rng.policy"
"$coverage" "$work/changed" "$work"/*/log.* | grep -q 'rng.policy:.*nothing needed getppid: 1' || {
	echo "FAIL: a rule that nothing needs passes"
	touch "$work/failed"
}
! [ -e "$work/failed" ]
