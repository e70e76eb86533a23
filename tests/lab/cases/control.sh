# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# What a machine is told from outside while Linux runs in it, through the public
# API alone: examples/control.c takes the commands.
. "$CASES/lib.sh"

# machine CMDLINE DEVICE...: a guest with 384 MiB beside us. Descriptor 8 types at
# its console, 9 commands the machine, whose answers are lines of $work/answers.
machine() {
	words=$1 told=0 asked=0
	shift
	rm -f "$work/keys" "$work/commands"
	mkfifo "$work/keys" "$work/commands"
	exec 8<>"$work/keys" 9<>"$work/commands"
	: >"$log.raw"
	: >"$work/answers"
	timeout -k 5 "$CASE_LIMIT" "$CONTROL" 384 "$KERNEL" "$IMAGES/initrd" \
		"console=ttyS0 panic=-1 quiet $words" "serial,num=1,in=$work/keys,out=$log.raw" "$@" \
		<"$work/commands" >"$work/answers" 2>"$log.err" 8>&- 9>&- &
	runner=$!
}

# The run is over: how it ended is the last answer.
ended() {
	[ -z "$reason" ] || echo stop >&9
	join
	exec 8>&- 9>&-
	sed 's/^/control: /' "$work/answers" >>"$log"
	status 0
	expect "the end was: $(tail -n 1 "$work/answers")" \
		[ "$(tail -n 1 "$work/answers")" = "the VM ended: the guest powered off" ]
}

note() {
	echo "note: $*" >>"$log"
}

# Tells the machine; $answer is its answer without "ok". Like all that follows,
# nothing once the case has failed.
tell() {
	[ -z "$reason" ] || return
	told=$((told + 1)) tries=0
	echo "$*" >&9
	until [ "$(wc -l <"$work/answers")" -ge $told ] || [ $((tries += 1)) -gt 100 ]; do
		sleep 0.1
	done
	answer=$(sed -n "${told}p" "$work/answers")
	expect "'$*' was answered '$answer'" [ "${answer%% *}" = ok ]
	answer=${answer#ok}
	answer=${answer# }
}

# Has the guest run functions of guest/tests, and waits until it has.
ask() {
	for function in "$@"; do
		[ -z "$reason" ] || return
		asked=$((asked + 1))
		echo "$function" >&8
		expect "the guest never did '$function'" wait_for "$log.raw" "^LAB obeyed $asked$(printf '\r')*\$"
	done
}

# The value that the running guest reported last.
latest() {
	tr -d '\r' <"$log.raw" | sed -n "s/^LAB $1 //p" | tail -n 1
}

# A "name=value" of the last answer.
field() {
	echo "$answer" | tr , '\n' | sed -n "s/^$1=//p"
}

# KiB of guest memory that this host holds. The machine's process is what we have
# started or, where timeout does not become what it runs, its child.
held() {
	for process in "$runner" $(cat "/proc/$runner/task/$runner/children"); do
		for file in /proc/"$process"/fd/*; do
			case $(readlink "$file") in
			/memfd:crosvm_guest*) echo $(($(stat -L -c %b "$file") / 2)) ;;
			esac
		done
	done
}

# Asks both sides, giving $free, $total and $held.
weigh() {
	ask meminfo
	[ -z "$reason" ] || return
	free=$(latest free) total=$(latest total) held=$(held)
	note "$1: the guest has $free of $total KiB free, this host holds $held KiB"
}

# near WHAT NUMBER WANTED SLACK
near() {
	[ -z "$reason" ] || return
	if [ -z "$2" ] || [ "$2" -lt $(($3 - $4)) ] || [ "$2" -gt $(($3 + $4)) ]; then
		fail "$1 is '$2' instead of $3, give or take $4"
	fi
}

at_least() {
	[ -z "$reason" ] || return
	if [ -z "$2" ] || [ "$2" -lt "$3" ]; then
		fail "$1 is '$2', less than $3"
	fi
}

# Sets the balloon's target in MiB and waits until the guest has followed.
inflate_to() {
	tell balloon target "bytes=$1M"
	followed=0
	until tell balloon status && [ "$(field actual)" = $(($1 << 20)) ]; do
		if [ -n "$reason" ] || [ $((followed += 1)) -gt 300 ]; then
			break
		fi
		sleep 0.2
	done
	expect "asked for $1 MiB, the balloon is at: $answer" [ "$(field actual)" = $(($1 << 20)) ]
}

mib=1024 # KiB

# Nearly all memory is touched before, so nearly all that the balloon takes is
# something that this host had to hold.
start balloon
machine test=asked balloon,deflate_on_oom=false,reporting=false
expect "the guest never came up" wait_for "$log.raw" "LAB ready asked"
ask keep fill spill
weigh before
free_before=$free total_before=$total held_before=$held
inflate_to 128
weigh inflated
free_inflated=$free held_inflated=$held
near "what the guest's MemTotal lost" $((total_before - total)) $((128 * mib)) 0
near "what the guest's MemFree lost" $((free_before - free)) $((128 * mib)) $((8 * mib))
near "what this host got back" $((held_before - held)) $((128 * mib)) $((32 * mib))
tell balloon stats
updates=$(field updates)
sleep 1
tell balloon stats
note "statistics: $answer"
at_least "the number of updates" "$(field updates)" $((updates + 1))
near "the total of the statistics" $(($(field total) / 1024)) "$total" 0
near "the free memory of the statistics" $(($(field free) / 1024)) "$free" $((8 * mib))
at_least "the available memory of the statistics" "$(field available)" 1
at_least "the minor faults of the statistics" "$(field minor_faults)" 1000
inflate_to 0
weigh deflated
near "MemTotal after deflating" "$total" "$total_before" 0
near "MemFree after deflating" "$free" $((free_inflated + 128 * mib)) $((8 * mib))
ask fill
weigh filled
at_least "what this host holds again" $((held - held_inflated)) $((96 * mib))
ask kept end
ended
said kept same
finish

# The guest's kernel tells of free pages by itself, some seconds after they became free.
start reporting
machine test=asked balloon
expect "the guest never came up" wait_for "$log.raw" "LAB ready asked"
ask keep fill
weigh filled
held_filled=$held
ask spill
tries=0
until [ -n "$reason" ] || [ $((held_filled - $(held))) -ge $((160 * mib)) ] || [ $((tries += 1)) -gt 60 ]; do
	sleep 1
done
weigh reported
at_least "what this host got back of the file" $((held_filled - held)) $((160 * mib))
free_before=$free total_before=$total
inflate_to 64
weigh inflated
near "what the guest's MemFree lost" $((free_before - free)) $((64 * mib)) $((8 * mib))
near "what MemTotal lost of a balloon that deflates on demand" $((total_before - total)) 0 0
ask kept end
ended
said kept same
finish

# A file is written and not synced, then the button pressed: init does the rest.
if [ "$ARCH" != x86_64 ]; then
	skip power-button "Debian's arm64 cloud kernel has no driver for gpio-keys"
else
	start power-button
	copy_root disk
	machine "root=/dev/vda rw" "block,path=$work/disk"
	expect "no prompt appeared" wait_for "$log.raw" "^crosvm# "
	# shellcheck disable=SC2016 # for the guest's shell
	echo 'dd if=/dev/urandom of=/root/late bs=1M count=2 2>/dev/null; echo LAB file /root/late $(sha256sum </root/late | cut -c 1-64)' >&8
	expect "the guest wrote no file" wait_for "$log.raw" "^LAB file"
	tell power
	ended
	expect "init did not shut the system down" grep -q "The system is going down NOW" "$log"
	expect "the kernel did not power off" grep -q "reboot: Power down" "$log"
	fsck_clean "$work/disk"
	expect "the file system was not unmounted" \
		sh -c "! debugfs -R features '$work/disk' 2>/dev/null | grep -q needs_recovery"
	files_match "$work/disk"
	finish
fi

# The first console has one port, the second two. How the numbers of a port's
# message are ordered, Linux and the specification did not agree on for long; and
# Debian's kernel looks at a lone port's size only when it is told of a change.
start resize
machine test=asked console console,ports=2
expect "the guest never came up" wait_for "$log.raw" "LAB ready asked"
ask consoles sizes
expect "the console began with size $(latest hvc0)" [ -z "$(latest hvc0)" ]
tell console resize cols=132,rows=43
tell console.2 resize cols=101,rows=37
tries=0
until ask sizes && [ "$(latest hvc0)" = "43 132" ] && [ "$(latest hvc1 | tr ' ' '\n' | sort | tr '\n' ' ')" = "101 37 " ]; do
	if [ -n "$reason" ] || [ $((tries += 1)) -gt 20 ]; then
		break
	fi
	sleep 0.5
done
expect "the console's size is $(latest hvc0)" [ "$(latest hvc0)" = "43 132" ]
expect "the port's size is $(latest hvc1)" \
	[ "$(latest hvc1 | tr ' ' '\n' | sort | tr '\n' ' ')" = "101 37 " ]
ask end
ended
finish

summary
