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

if ! [ -r /dev/kvm ] || ! [ -w /dev/kvm ]; then
	echo "/dev/kvm cannot be used here"
	exit 77
fi
# shellcheck source=tests/support/jail.sh
. "$(dirname "$0")/../support/jail.sh"
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

"group_$group"
[ $failures = 0 ]
