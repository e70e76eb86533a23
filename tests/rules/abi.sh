#!/usr/bin/env bash
# The ABI only grows: abidiff against the dump of the last change that was meant.
# To record a meant addition: abidw --headers-dir include/crosvm --exported-interfaces-only --no-show-locs
# --no-corpus-path --no-comp-dir-path --drop-private-types --out-file tests/rules/libcrosvm.abi LIB
# and cut the paths of its abi-instr elements down to lib/...
set -u
src=$1 lib=$2
command -v abidiff >/dev/null || {
	echo "abidiff is not installed (package abigail-tools): ABI not compared"
	exit 77
}
abidiff --headers-dir2 "$src/include/crosvm" --drop-private-types "$src/tests/rules/libcrosvm.abi" "$lib"
status=$?
# bit 4: a change of the ABI; bit 8: an incompatible one; 1 and 2: abidiff failed
if [ $status -ne 0 ]; then
	echo "the ABI differs from tests/rules/libcrosvm.abi; if that is meant, record it anew"
	exit 1
fi
