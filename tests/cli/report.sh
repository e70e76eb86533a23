#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# crosvm sandbox-report of real VMs: what it says of their jails, to whom, and that they go on.
#
#   report.sh CROSVM GUEST-DIRECTORY
set -u
crosvm=$1 guests=$2
failures=0 name= pid= bare=

for tool in jq setpriv; do
	if ! command -v $tool >/dev/null; then
		echo "$tool is not installed"
		exit 77
	fi
done
# shellcheck source=tests/support/need.sh
. "$(dirname "$0")/../support/need.sh"
need_kvm
if grep -qa '__[at]san_init' "$crosvm"; then
	echo "a sanitizer's run-time has no full jail"
	exit 77
fi
need_jail
work=$(mktemp -d) || exit 1
chmod 755 "$work"
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$work"' EXIT
: >"$work/out" >"$work/err"

bad() {
	failures=$((failures + 1))
	echo "FAIL $name: $1"
	head -c 3000 "$work/out" | sed 's/^/  out: /'
	sed 's/^/  err: /' "$work/err"
}

# as [WORD...]: how the tool is called from now on
as() { prefix=("$@"); }
as

# start GUEST-WORDS OPTION...: a VM with a disk under load, its process in $pid
start() {
	local words=$1 tries=0

	shift
	truncate -s 4M "$work/disk"
	chmod 666 "$work/disk"
	"${prefix[@]}" "$crosvm" run -m 64 --device "block,path=$work/disk" --device rng --device console \
		"$@" -p "mode=verify seed=7 span=8 $words" "$guests/blk.elf" >"$work/guest" 2>&1 </dev/null &
	pid=$!
	# the disk's driver is at work once the process that it is in has the guest's memory
	until at_work || ! kill -0 $pid 2>/dev/null || [ "$((tries += 1))" = 300 ]; do
		sleep 0.1
	done
}

at_work() {
	local device

	for device in ${bare:+$pid} $(cat /proc/$pid/task/*/children 2>/dev/null); do
		! grep -qs crosvm_guest "/proc/$device/maps" || return 0
	done
	return 1
}

stop() {
	kill $pid 2>/dev/null
	wait $pid
	pid=
}

# report STATUS WORD...
report() {
	local status

	"${viewer[@]}" timeout 60 "$crosvm" sandbox-report "${@:2}" >"$work/out" 2>"$work/err"
	status=$?
	[ $status = "$1" ] || bad "exit status $status instead of $1"
}
viewer=()

# fails REGEX WORD...: one sentence and nothing else
fails() {
	report 1 "${@:2}"
	[ "$(wc -l <"$work/err")" = 1 ] || bad "not one line of complaint"
	grep -qE "^crosvm: .*($1)" "$work/err" || bad "the complaint does not match '$1'"
	! [ -s "$work/out" ] || bad "output where none belongs"
}

# holds FILTER: of the report in JSON
holds() {
	jq -e "$1" "$work/out" >"$work/jq" 2>&1 || bad "not so: $1: $(cat "$work/jq")"
}

# What each jail is made of; $1: the ids of the devices, $2 those inside
jailed() {
	holds '[.devices[].class] | sort == ["block", "console", "rng"]'
	holds ".devices | all(.uid == [$1, $1, $1, $1] and .gid == .uid and .uid_inside == $2)"
	holds '.devices | all(.capabilities | length == 5 and all(. == "0000000000000000"))'
	holds '.devices | all(.no_new_privs and .dumpable == false and .seccomp == 2)'
	holds '.devices | all(.namespaces | length == 7 and all(.differs_from_main))'
	holds '.devices | all(.root_entries == 0 and .private_bytes > 0 and .private_bytes < 4194304)'
	holds '.devices | all(.limits.core.hard == 0 and .limits.nofile.hard == 256)'
	holds '.devices | all(.unreadable.landlock != null)'
	holds '.devices | all([.descriptors[] | select(.kind == "socket")] | length >= 2)'
	holds '.devices | all([.descriptors[].fd] | contains([0, 1, 2, 3, 4]))'
	holds "[.devices[] | select(.class == \"block\").descriptors[] |
		select(.name == \"$work/disk\" and .writable)] | length > 0"
	holds '.devices[] | select(.class == "block").shared_memory |
		any(.name == "crosvm_guest" and .size == 67108864 and .access == "rw-s")'
	holds '.main.shared_memory | any(.name == "crosvm_guest")'
	holds '.devices | all(.weaker == [])'
	holds .jailed
}

# Looked at again and again, the guest's disk loses nothing.
case_default() {
	local i own=65534

	name="default"
	[ "$(id -u)" = 0 ] || own=$(id -u)
	start n=100000000
	report 0 --json $pid
	jailed "$own" "$own"
	if [ "$(id -u)" = 0 ] && jq -e '.devices[0].filter' "$work/out" >/dev/null; then
		holds '.devices | all(.filter | .instructions > 50 and .allowed > 10 and .allowed < 60 and
			.conditional > 4 and .conditional < 30 and .logged == 0 and (.hash | length == 16))'
		holds '[.devices[].filter.hash] | unique | length == 3'
	else
		echo "skip the filters: this kernel does not let us read them"
		holds '.devices | all(.unreadable.filter | length > 0)'
	fi
	report 0 --json --no-attach $pid
	holds '.devices | all(.filter == null and (.unreadable.filter | test("stopped")))'
	report 0 $pid
	grep -q '^Every device process is jailed as by default' "$work/out" || bad "no verdict"
	for device in $(cat /proc/$pid/task/*/children); do
		fails 'is that of a device, name' "$device"
	done
	stop

	name="goes on"
	start n=6000
	for ((i = 0; i < 40; i++)); do
		kill -0 $pid 2>/dev/null || break
		"$crosvm" sandbox-report $pid >/dev/null 2>&1
	done
	[ $i -gt 1 ] || bad "the guest was too quick to be looked at"
	wait $pid || bad "the guest: exit status $?"
	pid=
	grep -q '^verify ok ' "$work/guest" || bad "the guest says: $(tail -3 "$work/guest")"
}

case_weaker() {
	name="no seccomp"
	start n=100000000 --sandbox=default,-seccomp
	report 5 --json $pid
	holds '(.jailed | not) and (.devices | length == 3 and all(.weaker == ["seccomp: none!"]))'
	holds '.devices | all(.seccomp == 0 and .filter == null)'
	report 5 $pid
	grep -q '^  WEAKER  *seccomp: none!$' "$work/out" || bad "no word about seccomp"
	stop
	name="little of it"
	start n=100000000 --sandbox=default,-net,-mount,-rlimit --seccomp-log-failures
	report 5 --json $pid
	holds '.devices | all(.weaker | any(test("net is the VM")) and any(test("^root: ")) and
		any(test("^limits: nofile")))'
	[ "$(id -u)" != 0 ] || holds '.devices | all(.filter == null or (.weaker | any(test("only logged"))))'
	stop
	name="no processes"
	bare=yes
	start n=100000000 --disable-sandbox
	report 5 --json $pid
	holds '.devices == [] and (.jailed | not)'
	bare=
	stop
}

case_wrong() {
	name="wrong processes"
	sleep 100 &
	pid=$!
	fails 'runs no VM; name' $pid
	stop
	fails 'there is none' 2147483647
	report 2 0
	report 2 1x
	report 2 1 2
	report 2 --json=1
}

# Whoever ends meanwhile: a report, or a sentence.
case_vanishing() {
	local i status

	name="vanishing"
	for ((i = 0; i < 6; i++)); do
		start n=100000000
		{ sleep "0.0$i" && kill -9 $pid; } &
		disown
		while kill -0 $pid 2>/dev/null; do
			timeout 20 "$crosvm" sandbox-report --json $pid >"$work/out" 2>"$work/err"
			status=$?
			case $status in
			0 | 5) jq -e .main.pid "$work/out" >/dev/null || bad "no JSON" ;;
			1) [ "$(wc -l <"$work/err")" = 1 ] || bad "not one sentence" ;;
			*) bad "exit status $status" ;;
			esac
		done
		wait $pid 2>/dev/null
		pid=
	done
}

# Root's VM in the eyes of somebody else, and somebody else's VM.
case_user() {
	local user=(setpriv --reuid=12345 --regid=12345 --clear-groups)

	[ "$(id -u)" = 0 ] || return
	name="root's VM, seen by a user"
	if ! "${user[@]}" test -x "$crosvm"; then
		echo "skip $name: the program is in a directory closed to others"
		return
	fi
	start n=100000000
	viewer=("${user[@]}")
	report 5 --json $pid
	holds '.devices | length == 3 and all(.seccomp == 2 and .namespaces == null and .root_entries == null and
		.descriptors == null and .shared_memory == null and .private_bytes == null and .filter == null)'
	holds '.devices | all(.unreadable.descriptors | test("denied; run as root"))'
	holds '.devices | all(.weaker | all(test("not seen")))'
	stop

	name="a user's VM, seen by himself"
	# /dev/kvm may be root's
	as "${user[@]}" --inh-caps=+dac_override --ambient-caps=+dac_override
	start n=100000000
	if ! kill -0 $pid 2>/dev/null; then
		echo "skip $name: $(cat "$work/guest")"
		pid=
		return
	fi
	viewer=("${user[@]}" --inh-caps=+dac_override --ambient-caps=+dac_override)
	report 0 --json $pid
	jailed 12345 12345
	holds '.devices | all(.filter == null and (.unreadable.filter | test("denied; run as root")))'
	stop
	as
	viewer=()
}

case_default
case_weaker
case_wrong
case_vanishing
case_user
[ $failures = 0 ]
