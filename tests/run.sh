#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Everything that this host can test: installs what is missing (as root or
# through sudo), builds with gcc, with the sanitizers and with clang, runs all
# tests, fuzzes, builds and tests for 64-bit Arm in an emulated machine, and tells
# what was skipped and why. About 45 minutes on two cores.
#
#   tests/run.sh [STAGE...]     stages: test address thread fuzz aarch64; default: all
#
# CROSVM_BUILD_ROOT is where the build directories go (default: the source
# tree), CROSVM_CACHE where kernel and images are kept, CROSVM_FUZZ_SECONDS how
# long each fuzz target runs (default 30). Exit status: 0 only if all passed.
set -u
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/lab/common.sh"
# shellcheck source=tests/deps.sh
. "$src_dir/tests/deps.sh"

build_root=${CROSVM_BUILD_ROOT:-$src_dir}
fuzz_seconds=${CROSVM_FUZZ_SECONDS:-30}
jobs=$(nproc)
passed=0 failed=0 skipped=0
notes=()

headline() {
	printf '\n=== %s (%d min %02d s)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60))
}

# One thing that counts as a test of its own, as a build does.
count() {
	if [ "$2" = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		notes+=("failed: $1")
	fi
}

# build NAME OPTION...: configures and builds in build-NAME; sets $dir
build() {
	local name=$1 log=$scratch/build-$1.log status=0

	shift
	dir=$build_root/build${name:+-$name}
	cmake -S "$src_dir" -B "$dir" -G Ninja -DBUILD_TESTING=ON -DCROSVM_WERROR=ON "$@" >"$log" 2>&1 &&
		ninja -C "$dir" -j "$jobs" >>"$log" 2>&1 || status=1
	[ $status = 0 ] || tail -n 60 "$log"
	count "the build in $dir" $status
	return $status
}

# What ctest wrote about each test, as lines "STATUS NAME" and its reasons.
read_results() {
	local status name text

	while IFS=$'\t' read -r status name text; do
		case $status in
		run) passed=$((passed + 1)) ;;
		fail)
			failed=$((failed + 1))
			notes+=("failed: ${1:+$1 }$name")
			;;
		skip)
			skipped=$((skipped + 1))
			notes+=("skipped: ${1:+$1 }$name: $text")
			;;
		note) notes+=("skipped: ${1:+$1 }$text") ;;
		esac
	done < <(awk -v OFS='\t' '
		/<testcase / {
			name = $0
			sub(/.*<testcase name="/, "", name)
			sub(/".*/, "", name)
			status = $0
			sub(/.* status="/, "", status)
			sub(/".*/, "", status)
			text = "no reason given"
		}
		/<system-out>/ {
			line = $0
			sub(/.*<system-out>/, "", line)
			if (line != "")
				text = line
			if (line ~ /^skip /)
				print "note", name, substr(line, 6)
		}
		/^skip / { print "note", name, substr($0, 6) }
		/<\/testcase>/ {
			if (status == "run" || status == "fail")
				print status, name, ""
			else
				print "skip", name, text
		}' "$2")
}

# ctest_in NAME ARG...: runs tests of the build in $dir and counts them
ctest_in() {
	local name=$1 results=$dir/Testing/results.xml

	shift
	rm -f "$results"
	ctest --test-dir "$dir" --output-on-failure --output-junit "$results" \
		--test-output-size-passed 65536 --no-tests=error "$@"
	if [ -s "$results" ]; then
		read_results "$name" "$results"
	else
		count "ctest in $dir" 1
	fi
}

stage_test() {
	headline "build with gcc"
	build "" -DCROSVM_SANITIZE= -DCMAKE_C_COMPILER=gcc || return
	headline "unit, device, vm, kvm and rule tests"
	ctest_in "" -j "$jobs" -LE lab
	headline "Linux guests"
	ctest_in "" -j 2 -L lab
}

sanitized() {
	headline "build with -fsanitize=$2"
	build "$1" "-DCROSVM_SANITIZE=$2" -DCMAKE_C_COMPILER=gcc || return
	headline "tests with -fsanitize=$2"
	ctest_in "$1" -j "$jobs" -LE rules
}

stage_address() {
	sanitized address address,undefined
}

stage_thread() {
	sanitized thread thread
}

# fuzz_one PROGRAM: what it finds stays beside the program
fuzz_one() {
	local name=${1##*/fuzz_} found=$dir/found corpus=$scratch/corpus

	mkdir -p "$found" "$corpus/$name"
	"$1" -max_total_time="$fuzz_seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$found/$name-" "$corpus/$name" \
		"$src_dir/tests/fuzz/corpus/$name" >"$scratch/fuzz-$name.log" 2>&1
	echo $? >"$scratch/fuzz-$name.status"
}

fuzz_result() {
	local name=${1##*/fuzz_} status

	status=$(cat "$scratch/fuzz-$name.status")
	printf '%-24s %s, status %s\n' "fuzz_$name" \
		"$(sed -n 's/^stat::number_of_executed_units: */runs: /p' "$scratch/fuzz-$name.log")" "$status"
	[ "$status" = 0 ] || tail -n 40 "$scratch/fuzz-$name.log"
	count "fuzz_$name (its input is in $dir/found)" "$status"
}

stage_fuzz() {
	local target

	headline "build with clang and libFuzzer"
	build fuzz -DCROSVM_FUZZ=ON -DCMAKE_C_COMPILER=clang || return
	headline "fuzz targets, $fuzz_seconds s each"
	for target in "$dir"/tests/fuzz_*; do
		[ -f "$target" ] || continue
		while [ "$(jobs -pr | wc -l)" -ge 2 ]; do
			wait -n
		done
		fuzz_one "$target" &
	done
	wait
	for target in "$dir"/tests/fuzz_*; do
		[ -f "$scratch/fuzz-${target##*/fuzz_}.status" ] && fuzz_result "$target"
	done
}

# cross_units: unit.sh's lines, counted
cross_units() {
	local line log=$scratch/units.log status=0

	"$src_dir/tests/cross/unit.sh" "$dir" 2>&1 | tee "$log" || status=$?
	while IFS= read -r line; do
		case $line in
		pass\ *) passed=$((passed + 1)) ;;
		FAIL\ *)
			failed=$((failed + 1))
			notes+=("failed: aarch64 ${line#FAIL }")
			;;
		skip\ *) notes+=("skipped: aarch64 ${line#skip }") ;;
		esac
	done <"$log"
	[ $status -le 1 ] || count "the unit tests for aarch64" $status
}

# cross_lab GROUP: its output is kept until the end, since two run at a time
cross_lab() {
	"$src_dir/tests/lab/run.sh" "$1" "$dir" >"$scratch/lab-$1.log" 2>&1
	echo $? >"$scratch/lab-$1.status"
}

stage_aarch64() {
	local sysroot group groups=(aarch64 aarch64-unsandboxed aarch64-gicv2 disk power control)

	if [ "$(uname -m)" = aarch64 ]; then
		notes+=("skipped: building for aarch64: this machine is one, the other stages test it")
		return
	fi
	headline "build for aarch64"
	sysroot=$("$src_dir/tests/cross/sysroot.sh") || {
		count "the sysroot for aarch64" 1
		return
	}
	build aarch64 --toolchain "$src_dir/cmake/aarch64-linux-gnu.cmake" "-DCMAKE_SYSROOT=$sysroot" || return
	headline "unit tests on an emulated aarch64 machine"
	cross_units
	headline "Linux guests on an emulated aarch64 machine"
	for group in "${groups[@]}"; do
		while [ "$(jobs -pr | wc -l)" -ge 2 ]; do
			wait -n
		done
		cross_lab "$group" &
	done
	wait
	for group in "${groups[@]}"; do
		cat "$scratch/lab-$group.log"
		count "lab/$group on aarch64" "$(cat "$scratch/lab-$group.status")"
	done
}

report() {
	headline "result"
	[ ${#notes[@]} = 0 ] || printf '%s\n' "${notes[@]}"
	printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
	[ $failed = 0 ] && [ $passed -gt 0 ]
}

stages=("$@")
[ ${#stages[@]} -gt 0 ] || stages=(test address thread fuzz aarch64)
for stage in "${stages[@]}"; do
	declare -F "stage_$stage" >/dev/null || die "no stage '$stage'; the stages are: test address thread fuzz aarch64"
done
deps=("${deps_build[@]}" "${deps_guest[@]}" "${deps_lab[@]}" "${deps_test[@]}")
case " ${stages[*]} " in
*" aarch64 "*) deps+=("${deps_cross[@]}") ;;
esac
deps_install "${deps[@]}" || exit 1
make_scratch tests
for stage in "${stages[@]}"; do
	"stage_$stage"
done
report
