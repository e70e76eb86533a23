#!/usr/bin/env bash
# Which floor may include which: the table of the README's floor map.
set -u
cd "$1" || exit 1

allowed() {
	case $1 in
	base) echo "base" ;;
	sys) echo "base sys" ;;
	core) echo "base sys core" ;;
	disk) echo "base sys disk" ;;
	tty) echo "base sys tty" ;;
	virtio) echo "base sys core virtio" ;;
	vhost) echo "base sys core virtio vhost" ;;
	pci) echo "base sys core virtio pci" ;;
	devices) echo "base sys core virtio disk tty devices" ;;
	hypervisor) echo "base sys core hypervisor" ;;
	sandbox) echo "base sys sandbox" ;;
	process) echo "base sys core virtio vhost sandbox process" ;;
	boot) echo "base core boot" ;;
	machine) echo "base sys core disk tty virtio pci devices hypervisor sandbox vhost process boot machine" ;;
	vm) echo "base sys core disk tty virtio pci devices hypervisor sandbox vhost process boot machine vm" ;;
	*) echo "" ;;
	esac
}

bad=0
while IFS=: read -r file line text; do
	room=${file#lib/}
	room=${room%%/*}
	target=${text#*\"}
	target=${target%%\"*}
	case $target in
	*/*) target=${target%%/*} ;;
	*)
		echo "$file:$line: write the path from lib/: $text"
		bad=1
		continue
		;;
	esac
	case " $(allowed "$room") " in
	*" $target "*) ;;
	*)
		echo "$file:$line: $room may not include $target"
		bad=1
		;;
	esac
done < <(grep -rn '^#include "' lib --include='*.[ch]')

# a device never includes another device
while IFS=: read -r file line text; do
	name=$(basename "$file")
	header=${text#*devices/}
	header=${header%%\"*}
	[ "${header%.h}" = "${name%.*}" ] && continue
	case $file in lib/devices/*/*) continue ;; esac
	echo "$file:$line: a device includes another: $text"
	bad=1
done < <(grep -rn '^#include "devices/' lib/devices --include='*.[ch]')

# command line and examples know the public API alone
while read -r hit; do
	echo "$hit: only <crosvm/...> and the tool's own headers"
	bad=1
done < <(grep -rnE '^#include "[a-z_]+/' cli examples tests/api --include='*.[ch]' 2>/dev/null)
exit $bad
