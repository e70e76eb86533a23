#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The test programs of a build for another architecture, in an emulated machine
# with that processor and a real kernel: an emulator of processes alone lacks the
# system calls of sandboxes and hangs where threads are signalled.
#
#   unit.sh BUILD [REGEX]     REGEX: only tests whose name matches
#
# Prints "pass NAME", "FAIL NAME" or "skip NAME: reason" for each, and the output of
# those that failed. Exit status: 0 all passed, 1 some failed, 125 no result.
set -eu
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/../lab/common.sh"

build=$(realpath "${1:?usage: unit.sh BUILD [REGEX]}")
only=${2:-.}
need jq jq
[ -x "$build/cli/crosvm" ] || die "$build/cli/crosvm does not exist; build the project in $build first"
arch=$(program_arch "$build/cli/crosvm")
export ARCH=$arch
make_scratch unit

# What runs a test there is the test's own program, without this machine's emulator.
ctest --test-dir "$build" --show-only=json-v1 -R "$only" -LE "lab|rules" |
	jq -r --arg build "$build/" '.tests[] | select(.command) | select(.name | startswith("fuzz/") | not)
		| [.name] + (.command | .[(map(startswith($build)) | index(true)) // length:])
		| select(length > 1) | @tsv' >"$scratch/all"
while IFS=$'\t' read -r name command; do
	[ "$(od -An -tx1 -N4 "${command%%$'\t'*}" | tr -d ' ')" != 7f454c46 ] ||
		printf '%s\t%s\n' "$name" "$command"
done <"$scratch/all" >"$scratch/tests"
[ -s "$scratch/tests" ] || die "no test program in $build matches '$only'"

arguments=(-p "$build/crosvm-device" -f "$src_dir/seccomp" -f "$src_dir/tests/vm/golden" -f "$scratch/tests:/lab/tests" -p true -p false -c 2 -t 1500)
for program in tests/sandbox/jail-helper tests/process/hostile-device tests/guest; do
	case $program in
	*/guest) [ ! -d "$build/$program" ] || arguments+=(-f "$build/$program") ;;
	*) arguments+=(-p "$build/$program") ;;
	esac
done
while IFS=$'\t' read -r _ command; do
	arguments+=(-p "${command%%$'\t'*}")
done <"$scratch/tests"
for library in "$build"/lib/libcrosvm.so.*; do
	[ -L "$library" ] || arguments+=(-p "$library" -f "$library:$build/lib/libcrosvm.so.1")
done

cat >"$scratch/one" <<'END'
#!/bin/sh
line=$(sed -n "$1p" /lab/tests)
name=$(echo "$line" | cut -f 1)
log=/tmp/log.$1
timeout -s KILL 700 $(echo "$line" | cut -f 2-) >"$log" 2>&1 </dev/null
status=$?
grep '^skip ' "$log" | sort -u | sed "s|^skip |skip $name: |"
if [ $status = 0 ]; then
	echo "pass $name"
else
	sed "s|^|$name: |" "$log"
	echo "FAIL $name (status $status)"
fi
END
chmod 755 "$scratch/one"
# shellcheck disable=SC2016 # for the lab's shell
"$lab_dir/lab.sh" "${arguments[@]}" -f "$scratch/one:/lab/one" -e CK_DEFAULT_TIMEOUT=600 -- \
	'chmod 1777 /tmp
	echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
	n=$(wc -l </lab/tests); seq 1 "$n" | xargs -n 1 -P 2 /lab/one' | tee "$scratch/output" || true
n=$(wc -l <"$scratch/tests")
done=$(grep -c -E '^(pass|FAIL) ' "$scratch/output" || true)
[ "$done" = "$n" ] || {
	say "only $done of $n tests have ended"
	exit 125
}
! grep -q '^FAIL ' "$scratch/output"
