# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# What every case is written with. The cases run on the machine that has the
# real /dev/kvm: in the lab, or on the host itself.
#
#   start NAME          begins a case
#   guest ARG...        runs "crosvm run ARG...", keeping log and status
#   guest_beside ARG... the same in the background, until join
#   guest_seen N ARG... the same for a guest that begins with test=held and has
#                       N virtio devices: its processes are looked at meanwhile
#   status N            crosvm must have ended with N
#   said KEY VALUE      the guest must have reported exactly that
#   expect TEXT CMD...  CMD must succeed, else TEXT is the reason
#   finish              prints the case's one line
#
# Devices are in processes of their own in the first case of a group, in
# crosvm's in the second, and so on; SANDBOX=on or off says it for all,
# and "jailed" after start for one. The machines are ours or, with STRANGER=yes
# or "unprivileged" after start, somebody's without any privilege.
#
# Set by run.sh: CROSVM, CONTROL, ARCH, GIC, BIOS, BOOT_DISK, KERNEL_DIR, KERNEL (bzImage or
# Image), IMAGES, GROUP, LAB_OUT, CASE_LIMIT, LAB,
# BIG_MEMORY, RANDOM_MIB, SANDBOX, STRANGER.

# What Linux calls a vector of MSI-X, and how crosvm ends after a panic: Debian's arm64
# cloud kernel has no driver that would tell of it, and resets.
msi=PCI-MSI panic_status=3
[ "$ARCH" = x86_64 ] || msi=ITS-MSI panic_status=0

passed=0 failed=0 skipped=0 n_cases=0
as_user='' # what comes before crosvm to run it as somebody else
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stranger=1234

start() {
	name=$1 reason='' result='' log=$LAB_OUT/$1.log
	began=$(date +%s)
	: >"$log"
	case ${SANDBOX:-}$((n_cases % 2)) in
	on* | 0) where='' ;;
	*) where=--disable-sandbox ;;
	esac
	n_cases=$((n_cases + 1))
	as_user=''
	[ -z "${STRANGER:-}" ] || unprivileged
}

jailed() {
	where=''
}

# Whoever is no privileged user already becomes none.
unprivileged() {
	[ "$(id -u)" = 0 ] || return 0
	as_user="/usr/bin/setpriv --reuid $stranger --regid $stranger --clear-groups"
	chmod 755 "$work"
	chmod 666 /dev/kvm
}

# Only the first reason counts: the others follow from it.
fail() {
	[ -n "$reason" ] || reason=$*
}

expect() {
	text=$1
	shift
	"$@" || fail "$text"
}

guest() {
	# shellcheck disable=SC2086 # one word or none
	timeout -k 5 "$CASE_LIMIT" $as_user "$CROSVM" run $where "$@" </dev/null >"$log.raw" 2>"$log.err"
	result=$?
	settle
}

# The same beside us, with our standard input: $runner is its process, until
# join has waited for it.
guest_beside() {
	: >"$log.raw"
	# a shell gives what it starts in the background no standard input
	exec 7<&0
	# shellcheck disable=SC2086 # one word or none
	timeout -k 5 "$CASE_LIMIT" $as_user "$CROSVM" run $where "$@" <&7 7<&- >"$log.raw" 2>"$log.err" &
	runner=$!
	exec 7<&-
}

guest_seen() {
	devices=$1
	shift
	rm -f "$work/hold"
	mkfifo "$work/hold"
	exec 8<>"$work/hold"
	guest_beside <"$work/hold" "$@"
	expect "the guest never came up" wait_for "$log.raw" "LAB ready held"
	[ -n "$reason" ] || look_at_processes "$devices"
	echo >&8
	join
	exec 8>&-
}

# The machine's process is what guest_beside has started or, where timeout does
# not become what it runs, its child.
machine_process() {
	for process in "$runner" $(cat "/proc/$runner/task/$runner/children"); do
		[ "$(cat "/proc/$process/comm")" != crosvm ] || echo "$process"
	done
}

# Whose the machine is, and how many of its devices have a process and a jail.
look_at_processes() {
	pid=$(machine_process) owner=$(id -u) wanted=$1
	[ -z "$as_user" ] || owner=$stranger
	expect "the machine's process is not to be found" [ -n "$pid" ]
	ids=$(sed -n 's/^Uid://p' "/proc/$pid/status" | xargs)
	expect "the machine's user is '$ids' instead of $owner" [ "$ids" = "$owner $owner $owner $owner" ]
	"$CROSVM" sandbox-report "$pid" >"$log.report" 2>&1
	verdict=$?
	sed 's/^/report: /' "$log.report" >>"$log"
	seen=$(grep -c '^device .*, process [0-9]' "$log.report")
	rm "$log.report"
	[ -z "$where" ] || wanted=0
	expect "$seen devices have processes instead of $wanted" [ "$seen" = "$wanted" ]
	# what other users see of their own is too little for a verdict
	[ "$(id -u)" = 0 ] || return 0
	[ -z "$where" ] && wanted=0 || wanted=5
	expect "the report on its jails ended with $verdict instead of $wanted" [ $verdict = "$wanted" ]
}

join() {
	wait "$runner"
	result=$?
	settle
}

# The console's log without its carriage returns, crosvm's own words below.
settle() {
	tr -d '\r' <"$log.raw" >>"$log"
	sed 's/^/crosvm: /' "$log.err" >>"$log"
	rm -f "$log.raw" "$log.err"
}

status() {
	[ "$result" = "$1" ] || fail "crosvm ended with status $result instead of $1$(last_words)"
}

last_words() {
	tail -n 1 "$log" | sed 's/^/; the last line was: /'
}

# The values reported under a key, one a line.
values() {
	sed -n "s/^LAB $1 //p" "$log"
}

value() {
	values "$1" | head -n 1
}

said() {
	[ "$(value "$1")" = "$2" ] || fail "the guest reported $1 '$(value "$1")' instead of '$2'"
}

# A number reported under a key lies between two others.
between() {
	number=$(value "$1")
	if [ -z "$number" ] || [ "$number" -lt "$2" ] || [ "$number" -gt "$3" ]; then
		fail "the guest reported $1 '$number', which is not in $2..$3"
	fi
}

has() {
	values "$1" | grep -q -e "$2" || fail "the guest reported no $1 like '$2'"
}

finish() {
	seconds=$(($(date +%s) - began))
	if [ -z "$reason" ]; then
		passed=$((passed + 1))
		echo "pass $GROUP/$name ($seconds s)"
	else
		failed=$((failed + 1))
		echo "FAIL $GROUP/$name ($seconds s): $reason"
	fi
}

skip() {
	skipped=$((skipped + 1))
	echo "skip $GROUP/$1: $2"
}

# A disk of our own for this case.
copy_root() {
	cp "$IMAGES/root.ext4" "$work/$1"
	[ -z "$as_user" ] || chown $stranger "$work/$1"
}

file_sum() {
	sha256sum "$1" | cut -d ' ' -f 1
}

# A file of N MiB that does not compress and does not repeat.
make_random() {
	dd if=/dev/urandom of="$1" bs=1M count="$2" iflag=fullblock 2>/dev/null
}

# The file system as the guest left it, looked at from outside.
fsck_clean() {
	e2fsck -f -n "$1" >>"$log" 2>&1 || fail "e2fsck finds faults in the image the guest left"
}

# Each "LAB file PATH SUM" of the guest against the image.
files_match() {
	values file >"$work/list"
	[ -s "$work/list" ] || fail "the guest reported no files"
	while read -r path sum; do
		: >"$work/dumped"
		debugfs -R "dump $path $work/dumped" "$1" >/dev/null 2>&1
		[ "$(file_sum "$work/dumped")" = "$sum" ] ||
			fail "$path read from outside differs from what the guest wrote"
	done <"$work/list"
}

# Waits until the log holds a text; used while a guest runs beside us.
wait_for() {
	tries=0
	until tr -d '\r' <"$1" | grep -q -e "$2"; do
		tries=$((tries + 1))
		[ $tries -le $((CASE_LIMIT * 5)) ] || return 1
		sleep 0.2
	done
}

summary() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed = 0 ]
}
