# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# A directory of this host in the guest: QEMU's virtiofsd serves it, and Linux
# mounts it. Contents are compared both ways.
. "$CASES/lib.sh"

if [ "$(id -u)" != 0 ]; then
	skip all "virtiofsd has to be started by root"
	summary
	exit
fi
mkdir -p /var/run
shared=$work/shared

# daemon OPTION...: serves what is made here for one guest
daemon() {
	rm -rf "$shared" "$work/fs.sock"
	mkdir -p "$shared/theirs/deep/er"
	for size in 1 4097 1048576; do
		dd if=/dev/urandom of="$shared/theirs/f$size" bs=$size count=1 iflag=fullblock 2>/dev/null
	done
	echo "far below" >"$shared/theirs/deep/er/file"
	echo "to be removed" >"$shared/theirs/removed"
	: >"$shared/theirs/empty"
	"$VIRTIOFSD" --socket-path="$work/fs.sock" -o "source=$shared,sandbox=chroot" "$@" \
		>"$work/daemon" 2>&1 </dev/null &
	daemon=$!
	tries=0
	until [ -S "$work/fs.sock" ] || [ $((tries += 1)) -gt 100 ]; do
		sleep 0.1
	done
	expect "virtiofsd does not listen: $(tail -n 1 "$work/daemon")" [ -S "$work/fs.sock" ]
}

daemon_ends() {
	tries=0
	while kill -0 $daemon 2>/dev/null && [ $((tries += 1)) -lt 50 ]; do
		sleep 0.1
	done
	expect "virtiofsd does not end with its guest" sh -c "! kill -9 $daemon 2>/dev/null"
	sed 's/^/virtiofsd: /' "$work/daemon" >>"$log"
}

# Each "KEY PATH SUM" of the guest against the directory.
sums_match() {
	values "$1" >"$work/list"
	expect "the guest reported $(wc -l <"$work/list") files as '$1' instead of $2" \
		[ "$(wc -l <"$work/list")" = "$2" ]
	while read -r path sum; do
		expect "the guest's $path is not ours" [ "$(file_sum "$shared/$path")" = "$sum" ]
	done <"$work/list"
}

# share TEXT ARG...: runs a guest until it has said the text
share() {
	awaited=$1
	shift
	rm -f "$work/keys"
	mkfifo "$work/keys"
	exec 8<>"$work/keys"
	guest_beside <"$work/keys" "$@" -p "quiet test=shared" -i "$IMAGES/initrd" \
		"$KERNEL"
	expect "the guest never said '$awaited'" wait_for "$log.raw" "^LAB $awaited"
}

# The whole of it.
both_ways() {
	share "ready turn" "$@"
	tr -d '\r' <"$log.raw" >"$log"
	sums_match there 6
	: >"$log"
	make_random "$shared/theirs/later" 2
	echo "one line more" >>"$shared/theirs/deep/er/file"
	rm -f "$shared/theirs/removed"
	echo >&8
	join
	exec 8>&-
	status 0
	daemon_ends
	said mounted "lab virtiofs"
	sums_match seen 6
	sums_match wrote 5
	sums_match again 1
	said many 49
	expect "$(find "$shared/ours/many" -type f | wc -l) small files are there instead of 49" \
		[ "$(find "$shared/ours/many" -type f | wc -l)" = 49 ]
	expect "a small file is not what was written" \
		[ "$(cat "$shared/ours/many/33")" = "small file 33" ]
	expect "the symbolic link is not there" [ "$(readlink "$shared/ours/soft")" = f4096 ]
	expect "the hard link is not one" [ "$(stat -c %h "$shared/ours/hard")" = 2 ]
	expect "the mode is $(stat -c %a "$shared/ours/f1")" [ "$(stat -c %a "$shared/ours/f1")" = 640 ]
	said gone yes
	said ending poweroff
}

start pci
daemon
both_ways --device "vhost-user,type=fs,socket=$work/fs.sock,tag=lab"
finish

start mmio
daemon -o cache=none
both_ways --device "vhost-user,type=fs,socket=$work/fs.sock,tag=lab,transport=mmio" --device rng
finish

# Without the name to mount, which this virtiofsd does not tell, there is no device.
start no-tag
daemon
guest --device "vhost-user,type=fs,socket=$work/fs.sock" "$KERNEL"
daemon_ends
status 1
expect "the message does not name the option" grep -q "crosvm: .*vhost-user: .* tag=NAME" "$log"
finish

# It dies under a mounted directory.
start death
daemon
share mounted --device-death=stop \
	--device "vhost-user,type=fs,socket=$work/fs.sock,tag=lab,reconnect=false"
kill -9 $daemon
join
exec 8>&-
status 3
expect "the death is not told" grep -q "a device's process died: vhost-user: its back end" "$log"
finish

summary
