#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Back ends and front ends in programs of their own, on this host's KVM: the tool
# serves a disk, a bare guest of another one of it uses it.
#
#   device.sh CROSVM GUEST-DIRECTORY GROUP
set -u
crosvm=$(realpath "$1") guests=$(realpath "$2") group=$3
nonsense=$guests/../vhost/vhost-nonsense
failures=0 name='' back='' front=''

# shellcheck source=tests/support/need.sh
. "$(dirname "$0")/../support/need.sh"
need_kvm
jails=("" --disable-sandbox)
if ! can_jail; then
	jails=(--disable-sandbox)
	[ "$group" = storage ] || echo "skip devices in processes of their own: $no_jail"
fi
work=$(mktemp -d) || exit 1
trap 'kill $back $front 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
truncate -s 8M disk

bad() {
	failures=$((failures + 1))
	echo "FAIL $name: $1"
	tail -n 20 out | sed 's/^/  out: /'
	sed 's/^/  err: /' err
	sed 's/^/  back: /' back
}

said() {
	grep -qE "$2" "$1" || bad "$1 has no line that matches '$2'"
}

wait_for() { # FILE REGEX
	local tries=0

	until grep -qE "$2" "$1" 2>/dev/null; do
		[ $((tries += 1)) -lt 300 ] || { bad "$1 never matches '$2'"; return; }
		sleep 0.1
	done
}

wait_listening() {
	local tries=0

	until [ -S sock ] || [ $((tries += 1)) = 100 ]; do
		sleep 0.05
	done
}

serve() { # WORD...: the tool as a back end; sets $back
	"$crosvm" device "$@" --socket sock >>back 2>&1 </dev/null &
	back=$!
	wait_listening
}

start_guest() { # VHOST-USER-OPTIONS GUEST-WORDS: sets $front; it can be told to end
	: >out
	[ -p keys ] || mkfifo keys
	"$crosvm" run -m 64 --device "vhost-user,type=block,socket=sock$1" -p "mode=verify $2" \
		"$guests/blk.elf" >out 2>err <>keys &
	front=$!
}

# Waits until it has done something more than when this was called last.
steps=0
goes_on() {
	local tries=0

	until [ "$(grep -c '^verify at' out)" -gt $steps ]; do
		[ $((tries += 1)) -lt 400 ] || { bad "the guest does not go on"; return; }
		sleep 0.05
	done
	steps=$(grep -c '^verify at' out)
}

start_stepping() { # VHOST-USER-OPTIONS
	start_guest "$1" "seed=$RANDOM span=8 step=100"
	steps=0
	goes_on
}

end_stepping() {
	goes_on
	echo >keys
	end_guest 0
	said out '^verify ok rounds='
}

end_guest() { # STATUS
	local status

	wait "$front"
	status=$?
	[ $status = "$1" ] || bad "exit status $status instead of $1"
}

children_of_back() {
	cat /proc/"$back"/task/*/children 2>/dev/null
}

end_back() {
	local status child children

	children=$(children_of_back)
	kill "$back" 2>/dev/null
	wait "$back"
	status=$?
	[ $status = 143 ] || bad "the back end's exit status is $status instead of 143"
	! [ -e sock ] || bad "the socket is left behind"
	# it waits for their end
	for child in $children; do
		! grep -qs '^State:.[^ZX]' "/proc/$child/status" || bad "process $child is left behind"
	done
}

verify() { # NAME VHOST-USER-OPTIONS GUEST-WORDS
	name=$1
	start_guest "$2" "seed=$RANDOM n=100 span=8 $3"
	end_guest 0
	said out '^verify ok rounds=100 '
	! [ -s err ] || bad "messages where none belong"
}

# A signal in the middle takes the device's process along.
ended_while_serving() {
	name="ended while it serves"
	: >back
	serve block,path=disk
	start_guest "" "seed=1 n=100000000 span=8"
	wait_for out '^id '
	[ -n "$(children_of_back)" ] || bad "no process serves"
	end_back
	kill "$front"
	end_guest 143
}

group_disk() {
	local where

	for where in "${jails[@]}"; do
		: >back
		serve block,path=disk,queues=2 $where
		verify "split$where" "" ""
		verify "packed$where" ",packed" ""
		verify "mmio$where" ",transport=mmio" "virtio_mmio.device=4K@0xf0000000:5"
		verify "one queue$where" ",queues=1,queue_size=64" ""
		end_back
		grep -v 'ended by signal 15' back >rest && bad "the back end complains"
	done
	! can_jail || ended_while_serving
	name=once
	serve block,path=disk --once "${no_processes[@]}"
	start_guest "" "seed=1 n=10 span=8"
	end_guest 0
	wait "$back" || bad "the back end's exit status is $?"
	! [ -e sock ] || bad "the socket is left behind"
}

# Its device's process ends with it, a moment later, and has the image until then.
kill_back() {
	local child children

	children=$(children_of_back)
	kill -9 "$back"
	wait "$back" 2>/dev/null
	for child in $children; do
		while kill -0 "$child" 2>/dev/null; do
			sleep 0.01
		done
	done
}

killed_process() {
	local round

	name="the device's process is killed"
	: >back
	serve block,path=disk
	start_stepping ""
	for round in 1 2 3; do
		# shellcheck disable=SC2046
		kill -9 $(children_of_back)
		goes_on
	done
	end_stepping
	said back 'block: its process has died: it was killed by signal 9'
	end_back
}

wait_returns() { # N
	local tries=0

	until [ "$(grep -c 'another back end goes on' err)" -ge "$1" ]; do
		[ $((tries += 1)) -lt 400 ] || { bad "not $1 returns"; return; }
		sleep 0.05
	done
}

# The back end is killed in the middle, and another one takes its requests up.
group_kill() {
	local more round where

	for where in "${jails[@]}"; do
		for more in "" ,packed; do
			name="killed${more}$where"
			: >back
			serve block,path=disk $where
			start_stepping "$more"
			for round in 1 2 3 4 5; do
				kill_back
				[ $((round % 2)) = 0 ] || sleep 0.1
				serve block,path=disk $where
				wait_returns $round
				goes_on
			done
			end_stepping
			[ "$(grep -c 'another back end goes on' err)" = 5 ] || bad "not five returns"
			end_back
		done
	done
	! can_jail || killed_process

	name="reconnect=off"
	: >back
	serve block,path=disk "${no_processes[@]}"
	"$crosvm" run -m 64 --device vhost-user,type=block,socket=sock,reconnect=off \
		--device-death=stop -p "mode=verify seed=1 n=200000 span=8" \
		"$guests/blk.elf" >out 2>err </dev/null &
	front=$!
	sleep 1
	kill -9 "$back"
	wait "$back" 2>/dev/null
	end_guest 3
	said err "a device's process died: vhost-user: its back end has closed"
	rm -f sock
}

serve_storage() {
	rm -f sock
	qemu-storage-daemon --blockdev driver=file,node-name=disk,filename=disk \
		--export type=vhost-user-blk,id=e,node-name=disk,writable=on,addr.type=unix,addr.path=sock \
		>>back 2>&1 </dev/null &
	back=$!
	wait_listening
}

# QEMU's back end; it has no log of requests, but completes all that it has begun or none.
group_storage() {
	local round

	if ! command -v qemu-storage-daemon >/dev/null; then
		echo "qemu-storage-daemon is not installed"
		exit 77
	fi
	: >back
	serve_storage
	verify "qemu-storage-daemon" "" ""
	verify "qemu-storage-daemon again" "" ""
	name="qemu-storage-daemon ends and comes back"
	start_stepping ""
	for round in 1 2 3; do
		kill -9 "$back"
		wait "$back" 2>/dev/null
		serve_storage
		wait_returns $round
		goes_on
	done
	end_stepping
	kill "$back"
	wait "$back"
}

# Peers that are not what they should be, found out when the VM is made.
group_nonsense() {
	local mode pid

	: >back
	for mode in silent closes noise; do
		name="a back end that is $mode"
		rm -f sock
		"$nonsense" $mode sock >>back 2>&1 &
		pid=$!
		wait_listening
		start_guest "" ""
		end_guest 1
		wait $pid
		[ "$(wc -l <err)" = 1 ] || bad "not one line of complaint"
		said err '^crosvm: --device vhost-user,type=block,socket=sock: vhost-user: option socket: sock: the back end .*; name a vhost-user back end of type block$'
	done
	# a machine whose disk has lost its back end meets such ones, and the good one at last
	rm -f sock
	name="back ends that do not do"
	: >back
	serve block,path=disk "${no_processes[@]}"
	start_stepping ""
	kill_back
	for mode in closes noise silent; do
		rm -f sock
		"$nonsense" $mode sock >>back 2>&1 &
		wait $!
	done
	said err 'block: the back end at sock does not do: '
	rm -f sock
	serve block,path=disk "${no_processes[@]}"
	wait_returns 1
	end_stepping
	end_back
	# or is ended while it waits for an answer
	name="ended while a back end is tried"
	: >back
	serve block,path=disk "${no_processes[@]}"
	start_stepping ""
	kill_back
	rm -f sock
	"$nonsense" silent sock >>back 2>&1 &
	pid=$!
	wait_for err 'waiting for another back end'
	sleep 0.5
	kill "$front"
	end_guest 143
	kill $pid 2>/dev/null
	wait $pid
	# the other way round: front ends that speak nonsense do not end the back end
	rm -f sock
	name="front ends that speak nonsense"
	: >back
	serve block,path=disk "${no_processes[@]}"
	for mode in 1 2 3; do
		"$nonsense" speaks sock || bad "the back end does not close"
	done
	said back 'block: the front end'
	verify "a good one after them" "" ""
	end_back
}

# pass HOW WORD...: becomes that program, with a socket as its descriptor 7: one that
# listens, one that was accepted, one that is connected, or one of another kind; where
# HOW is "file" it is none.
passing='
import os, socket, sys
how = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if how == "datagrams" else socket.SOCK_STREAM)
if how in ("listening", "accepted"):
    s.bind("new")
    s.listen()
    os.rename("new", "sock")
if how == "accepted":
    s, _ = s.accept()
if how == "connected":
    s.connect("sock")
os.dup2(os.open("disk", os.O_RDONLY) if how == "file" else s.fileno(), 7)
os.execvp(sys.argv[2], sys.argv[2:])
'
pass() {
	exec python3 -c "$passing" "$@"
}

serve_passed() { # HOW WORD...: sets $back
	rm -f sock
	pass "$1" "$crosvm" device --fd 7 "${@:2}" >>back 2>&1 </dev/null &
	back=$!
	wait_listening
}

run_passed() { # HOW VHOST-USER-OPTIONS GUEST-WORDS: sets $front
	: >out
	pass "$1" "$crosvm" run -m 64 --device "vhost-user,type=block,$2" --device-death=stop \
		-p "mode=verify $3" "$guests/blk.elf" >out 2>err </dev/null &
	front=$!
}

# Either end, or both, get a socket that somebody else has opened.
group_fd() {
	local where how

	if ! command -v python3 >/dev/null; then
		echo "python3 is not installed"
		exit 77
	fi
	for where in "" --disable-sandbox; do
		: >back
		serve_passed listening block,path=disk $where
		verify "a listening socket$where" "" ""
		verify "a listening socket again$where" ",packed" ""
		name="both have descriptors$where"
		run_passed connected fd=7 "seed=$RANDOM n=100 span=8"
		end_guest 0
		said out '^verify ok rounds=100 '
		! [ -s err ] || bad "messages where none belong"
		name="the back end's end$where"
		kill "$back"
		wait "$back"
		[ $? = 143 ] || bad "not ended by its signal"
		[ -S sock ] || bad "the socket that others made is gone"
		grep -v 'ended by signal 15' back >rest && bad "the back end complains"

		: >back
		serve_passed accepted block,path=disk $where
		verify "a connection$where" "" ""
		wait "$back" || bad "the back end's exit status is $?"
	done

	name="a connection that ends cannot be made again"
	rm -f sock
	serve block,path=disk
	run_passed connected fd=7 "seed=1 n=200000 span=8"
	sleep 1
	kill -9 "$back"
	wait "$back" 2>/dev/null
	end_guest 3
	said err "a device's process died: vhost-user: its back end has closed"

	: >back
	for how in datagrams file; do
		name="the front end gets $how"
		run_passed $how fd=7 ""
		end_guest 1
		said err '^crosvm: --device vhost-user,.*: vhost-user: option fd: descriptor 7 is not a '
		name="the back end gets $how"
		pass $how "$crosvm" device rng --fd 7 >out 2>err </dev/null &
		front=$!
		end_guest 1
		said err '^crosvm: .*descriptor 7 is not a '
	done
	name="the front end gets a listening socket"
	run_passed listening fd=7 ""
	end_guest 1
	said err 'descriptor 7 listens, pass one that is connected'
	name="a descriptor that is not open"
	run_passed file fd=199 ""
	end_guest 1
	said err 'option fd: descriptor 199 is not open'
	pass file "$crosvm" device rng --fd 199 >out 2>err </dev/null &
	front=$!
	end_guest 1
	said err 'descriptor 199 is not open'
	name="two sockets"
	run_passed file fd=7,socket=sock ""
	end_guest 1
	said err 'socket and fd are both given'
	"$crosvm" device rng --fd 7 --socket sock >out 2>err </dev/null &
	front=$!
	end_guest 2
	said err "a socket is given already"
}

"group_$group"
[ $failures = 0 ]
