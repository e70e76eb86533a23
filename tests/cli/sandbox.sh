#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What can be wrong with device processes, with back ends and with what jails are made of: one
# sentence each, and nothing is left behind.
#
#   sandbox.sh CROSVM GUEST-DIRECTORY GROUP
set -u
crosvm=$1 guests=$2 group=$3
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
nonsense=$guests/../vhost/vhost-nonsense
policies=$(realpath "$(dirname "$0")/../../seccomp/x86_64")

# The options of "crosvm device", and what it can be told to serve.
group_device() {
	local type long

	truncate -s 1M disk
	mkdir dir
	: >file
	fails 2 'no device is given, write .crosvm device TYPE' device
	fails 2 'no device is given' device --socket s
	fails 2 'no socket is given, add --socket PATH' device rng
	fails 2 '--socket needs a value, write --socket PATH' device rng --socket
	fails 2 '--socket is given twice' device rng --socket s --socket t
	fails 2 '--socket: a socket is given already .3., give one' device rng --fd 3 --socket s
	fails 2 "--fd: 'x' is not the number of an open file" device rng --fd x
	fails 2 "--fd: '-1' is not the number of an open file" device rng --fd -1
	fails 2 "a device is given already .rng., leave out 'console'" device rng console --socket s
	fails 2 "'--bogus' is not known, see 'crosvm device --help'" device rng --bogus
	fails 2 "log-level: 'loud' is not known, give error" device rng --log-level loud --socket s
	for type in nope '' serial debugcon i8042 cmos vhost-user; do
		fails 1 "device type '$type' cannot be served, name a virtio device" device "$type" --socket s
	done
	fails 1 'block: option path is missing, give path=FILE' device block --socket s
	fails 1 'block: option path: nofile does not exist, check' device block,path=nofile --socket s
	fails 1 "rng: option 'bogus' is not known, see" device rng,bogus=1 --socket s
	fails 1 'block: option queues: 17 is out of range, give 1 to 16' \
		device block,path=disk,queues=17 --socket s
	for type in transport=pci sandbox=on restart; do
		fails 1 "rng: option '${type%=*}' is for a device of a VM, leave it out" \
			device rng,$type --socket s
	done
	fails 1 '--fd 77: descriptor 77 is not open, pass one that is' device rng --fd 77
	fails 1 '--fd 0: descriptor 0 is not a Unix stream socket' device rng --fd 0
	fails 1 '--socket file: file exists already and is not a socket, use' device rng --socket file
	fails 1 '--socket dir: dir exists already and is not a socket, use' device rng --socket dir
	fails 1 '--socket : the path is empty, give' device rng --socket ''
	fails 1 '--socket no/s: no/s cannot be made: No such file or directory; name a place' \
		device rng --socket no/s
	fails 1 ': file/s cannot be made: Not a directory; name a place' device rng --socket file/s
	long=$(head -c 108 /dev/zero | tr '\0' x)
	fails 1 ': x{40}[.]{3}: the path is longer than the 107 bytes .* shorter' \
		device rng --socket "$long"
	fails 1 '--sandbox dungeon: .* no mechanism .dungeon.; there are default' \
		device rng --sandbox dungeon --socket s
	fails 1 '--sandbox landlock: landlock needs no_new_privs; add' device rng --sandbox landlock --socket s
	fails 1 'seccomp-policy-dir none: policy none/rng.policy: No such file or directory; name a directory' \
		device rng --seccomp-policy-dir none --socket s
	taken_socket
	user_namespaces
}

# Another program's socket is neither taken away nor disturbed.
taken_socket() {
	local pid

	"$nonsense" hangs taken 2>"$work/peer" &
	pid=$!
	until [ -S taken ]; do
		sleep 0.05
	done
	fails 1 ': taken is the socket of a running program, end that or use another name' \
		device rng --socket taken
	kill "$pid"
	wait "$pid"
	rm taken
}

# An ordinary user gets no namespaces without one for users.
user_namespaces() {
	[ "$(id -u)" != 0 ] || prefix=(/usr/bin/setpriv --reuid=12345 --regid=12345 --clear-groups)
	chmod 755 "$work"
	chmod 777 .
	if ! "${prefix[@]}" test -x "$crosvm"; then
		echo "skip an ordinary user: the program is in a directory closed to others"
	else
		fails 1 "rng: sandbox: namespaces without one for users need root; put 'user' into" \
			device rng --log-level error --sandbox default,-user --socket s
	fi
	prefix=()
}

# peer MODE: somebody at the socket "peer", in $pid
peer() {
	rm -f peer
	"$nonsense" "$1" peer 2>"$work/peer" &
	pid=$!
	until [ -S peer ]; do
		sleep 0.05
	done
}

# serve TYPE: a back end of ours at the socket "peer", in $pid
serve() {
	rm -f peer
	"$crosvm" device "$1" --disable-sandbox --socket peer 2>"$work/peer" </dev/null &
	pid=$!
	until [ -S peer ]; do
		sleep 0.05
	done
}

# refused REGEX OPTIONS: one sentence that begins with what was typed
refused() {
	fails 1 "--device vhost-user,$2: vhost-user: $1" run --device "vhost-user,$2" "$hello"
}

end_peer() {
	kill "$pid" 2>/dev/null
	wait "$pid"
}

# Back ends that are not there, or not what they should be.
group_peers() {
	local pid type at='option socket: peer: the back end'

	truncate -s 1M disk
	mkdir dir
	: >file
	refused 'option type is missing, give' socket=peer
	refused 'option socket is missing, give socket=PATH or fd=NUMBER' type=block
	refused 'option socket and fd are both given, give' type=block,socket=peer,fd=3
	refused "option type: 'toaster' is not known, give a device ID .1 to 63. or one of net block" \
		type=toaster,socket=peer
	refused "option type: '64' is not known" type=64,socket=peer
	refused 'option queue_size: 3 is not a power of two, give 128' type=block,socket=peer,queue_size=3
	refused 'option tag: it is for type=fs' type=block,socket=peer,tag=x
	refused "option 'sandbox' is not known" type=block,socket=peer,sandbox=on
	refused "option fd: 'x' is not the number of an open file" type=block,fd=x
	refused 'option fd: descriptor 77 is not open, pass one that is' type=block,fd=77
	refused 'option socket: peer does not exist, start the back end first' type=block,socket=peer
	for type in file dir; do
		refused "option socket: $type is not a socket, name the back end" "type=block,socket=$type"
	done
	peer refuses
	refused 'option socket: peer is not listened to, start the back end first' type=block,socket=peer
	end_peer
	for type in hangs silent; do
		peer $type
		refused "$at does not answer in time .* name a vhost-user back end of type block" \
			type=block,socket=peer
		end_peer
	done
	peer closes
	refused "$at has closed the connection.*; name" type=block,socket=peer
	end_peer
	peer noise
	refused "$at answers .*; name a vhost-user back end of type block" type=block,socket=peer
	end_peer
	wrong_types
}

# What a back end has tells much of what it is, though no message does.
wrong_types() {
	local pid

	serve rng
	refused "$at has 1 queues, at least 2 are needed; name a vhost-user back end of type console" \
		type=console,socket=peer
	end_peer
	serve block,path=disk
	refused "$at has 1 queues, at least 2 are needed; name .* type balloon" type=balloon,socket=peer
	refused "$at has 1 queues, at least 4 are needed; name" type=block,socket=peer,queues=4
	end_peer
	! [ -s "$work/peer" ] || [ "$(grep -vc 'ended by signal 15' "$work/peer")" = 0 ] ||
		bad "the back end complains: $(cat "$work/peer")"
}

# policy REGEX: what is said of the policies in the directory "own"
policy() {
	fails 1 "$1" run --seccomp-policy-dir own --jail-main=off --device rng "$hello"
}

group_policies() {
	need_kvm
	mkdir empty
	: >file
	fails 1 'seccomp-policy-dir none: policy none/rng.policy: No such file or directory; name a directory that has' \
		run --seccomp-policy-dir none --jail-main=off --device rng "$hello"
	fails 1 "seccomp-policy-dir '?'?: the path is empty, give a directory" \
		run --seccomp-policy-dir '' --device rng "$hello"
	fails 1 'policy empty/rng.policy: No such file' run --seccomp-policy-dir empty --jail-main=off --device rng "$hello"
	fails 1 'policy file/rng.policy: Not a directory; name' run --seccomp-policy-dir file --jail-main=off --device rng "$hello"
	cp -r "$policies" own
	run 0 run --seccomp-policy-dir own "${no_processes[@]}" --device rng "$hello"
	silent
	rm own/common.policy
	policy 'own/rng.policy:1: own/common.policy cannot be included: No such file'
	echo '@include other.policy' >own/common.policy
	echo '@include common.policy' >own/other.policy
	policy 'own/other.policy:1: own/common.policy cannot be included: it includes itself'
	echo '@include rng.policy' >own/common.policy
	policy 'own/common.policy:1: own/rng.policy cannot be included: it includes itself'
	faults_in_policies
	cp "$policies"/* own
	if grep -qa '__[at]san_init' "$crosvm"; then
		echo "skip policies in force: none fits the run-time of a sanitizer"
		return
	fi
	if ! can_jail; then
		echo "skip policies in force: $no_jail"
		return
	fi
	run 0 run --seccomp-policy-dir own --device rng --jail-main=on "$hello"
	silent
	rm own/main.policy
	fails 1 'policy own/main.policy: No such file or directory; name' \
		run --seccomp-policy-dir own --device rng "$hello"
	printf '# ours\n\nread: 1\nfrobnicate: 1\n' >own/main.policy
	fails 1 "own/main.policy:4: there is no system call 'frobnicate'" \
		run --seccomp-policy-dir own --device rng "$hello"
	# and one that is well written, and too narrow
	echo 'read: 1' >own/rng.policy
	policy 'seccomp-policy-dir own: own/rng.policy does not allow sendmsg'
	printf 'read: 1\nsendmsg: 1\n' >own/rng.policy
	policy "rng: its process .*: its seccomp policy does not allow the system call 'close', and ended it; allow that in own/rng.policy, or give no policies of your own$"
	# found out only when the device is asked something
	cp "$policies"/* own
	sed -i '/^fstat:\|^newfstatat:/d' own/common.policy
	policy "rng: its process .*: its seccomp policy does not allow the system call '(fstat|newfstatat)', and ended it"
}

# Each with file, line and reason.
faults_in_policies() {
	local fault

	while IFS='|' read -r fault regex; do
		printf 'read: 1\n%b\n' "$fault" >own/rng.policy
		policy "own/rng.policy:2: $regex"
	done <<-'END'
		frobnicate: 1|there is no system call 'frobnicate'
		read: 1|'read' has a line already, rng.policy:1
		write 1|a colon is missing before '1'
		write: yes|what is to be done\?
		write: arg9 == 1|'arg9 == 1' is no argument; there are arg0 to arg5
		write: arg1 ~ 1|'~ 1' is no comparison
		write: arg1 == FOO|unknown constant 'FOO'; write its number
		write: return EFOO|unknown errno 'EFOO'
		write: 1 1|'1' is too much
		@inclode x|'@include' is the only word with @
	END
	: >own/rng.policy
	policy 'policy own/rng.policy: it has no rule'
	printf 'read: 1\0\n' >own/rng.policy
	policy 'policy own/rng.policy: it is not text'
	rm own/rng.policy
	mkdir own/rng.policy
	policy 'policy own/rng.policy: it is not a regular file'
	rmdir own/rng.policy
}

# both REGEX: what the tool in ./bin says of the program beside it, with a VM and without
both() {
	local words=(--log-level error "${plain_processes[@]}")

	crosvm=$PWD/bin/crosvm
	fails 1 "$1" device rng --socket s "${words[@]}"
	[ ! -w /dev/kvm ] || fails 1 "$1" run "${words[@]}" --device rng "$hello"
}

# passed_over WHY: the program in its place is not used, and the complaint is of another one's
passed_over() {
	crosvm=$PWD/bin/crosvm
	run 1 device rng --socket s "${plain_processes[@]}"
	said err "warning: sandbox: .*/crosvm-device is not used for device processes: $1"
	said err "program of device processes, '.*', cannot be opened: No such file or directory; install"
}

# The program of device processes, in the place where it is looked for.
group_program() {
	local device=$PWD/libexec/crosvm/crosvm-device real=$guests/../../crosvm-device version

	version=$("$crosvm" version | cut -d' ' -f2)
	mkdir -p bin libexec/crosvm
	cp "$crosvm" bin
	if [ -e /usr/local/libexec/crosvm/crosvm-device ]; then
		echo "skip a missing program: one is installed"
	else
		both "program of device processes, '.*', cannot be opened: No such file or directory; install"
		: >"$device"
		passed_over "it may not be executed"
		chmod o+wx "$device"
		passed_over "everybody may write to it"
		chmod o-w "$device"
		if [ "$(id -u)" = 0 ]; then
			chown 65534 "$device"
			passed_over "it belongs to another user"
			chown 0 "$device"
		fi
	fi
	printf '#!/bin/sh\n' >"$device"
	chmod +x "$device"
	both "rng: sandbox: the helper program '$device' cannot be executed: it is a script.*; put"
	head -c 1000 "$hello" | tr '\177' x >"$device"
	both "rng: sandbox: the helper program '$device' cannot be executed: Exec format error; put"
	cp "$(type -P true)" "$device"
	both "rng: its process ended before it was ready: it exited with status 0"
	cp "$(type -P cat)" "$device"
	both "rng: its process ended before it was ready: it exited with status 1; is .* the crosvm-device of this build"
	if grep -qa '__[at]san_init' "$crosvm"; then
		echo "skip another version: a sanitizer's program does not run from elsewhere"
		return
	fi
	LC_ALL=C sed "s/\<${version//./\\.}\>/9.9.9/g" "$real" >"$device"
	cmp -s "$real" "$device" && bad "its version could not be changed"
	both "crosvm-device: this is version 9.9.9 and cannot serve version $version; install both"
	cp "$real" "$device"
	[ ! -w /dev/kvm ] || run 0 run "${no_processes[@]}" --device rng "$hello"
	silent
}

"group_$group"
[ $failures = 0 ]
