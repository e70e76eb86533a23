#!/usr/bin/env bash
# The device trees of the aarch64 machine, which vm/machine_aarch64 compares with
# these sources, as dtc sees them: no warning at all.
set -u
command -v dtc >/dev/null || {
	echo "skip dtc is missing; install device-tree-compiler"
	exit 77
}
bad=0
for source in "$1"/tests/vm/golden/*.dts; do
	# numbers that are handles can be told in the binary form only
	said=$(dtc -q -I dts -O dtb "$source" | dtc -I dtb -O dtb -o /dev/null 2>&1)
	[ -z "$said" ] || {
		echo "$said"
		bad=1
	}
done
exit $bad
