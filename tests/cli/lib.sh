# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC2154
# What the tests of the tool have in common. Sourced with $crosvm and $guests set: makes the
# directory $work and goes to an empty one in it.

# shellcheck source=tests/support/need.sh
. "$(dirname "$0")/../support/need.sh"
hello=$guests/hello.elf
alone=$guests/../run-alone
failures=0 name=

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/in" && cd "$work/in" || exit 1

bad() {
	failures=$((failures + 1))
	echo "FAIL $name: $1"
	head -c 2000 "$work/out" | sed 's/^/  out: /'
	sed 's/^/  err: /' "$work/err"
}

# ended WANTED STATUS
ended() {
	[ "$2" = "$1" ] || bad "exit status $2 instead of $1"
}

# run STATUS WORD...: output in $work/out, messages in $work/err; no process may outlive it
run() {
	local want=$1

	shift
	name=$(printf '%s ' "$@" | cut -c 1-200)
	"$alone" 60 "${prefix[@]}" "$crosvm" "$@" >"$work/out" 2>"$work/err" </dev/null
	ended "$want" $?
}
prefix=()

# fails STATUS REGEX WORD...: complains in one line that matches, and leaves nothing behind
fails() {
	local want=$1 regex=$2 before after

	shift 2
	before=$(ls -lR .)
	run "$want" "$@"
	after=$(ls -lR .)
	[ "$(wc -l <"$work/err")" = 1 ] || bad "not one line of complaint"
	grep -qE "^crosvm: .*($regex)" "$work/err" || bad "the complaint does not match '$regex'"
	! [ -s "$work/out" ] || bad "output where none belongs"
	[ "$before" = "$after" ] || bad "it has left something behind"
}

# said FILE REGEX
said() {
	grep -qE "$2" "$work/$1" || bad "$1 has no line that matches '$2'"
}

silent() {
	! [ -s "$work/err" ] || bad "messages where none belong"
}

# repeat N WORD...: the words N times, in the array $words
repeat() {
	local n=$1

	shift
	words=()
	while [ $((n -= 1)) -ge 0 ]; do
		words+=("$@")
	done
}

# wait_for FILE TEXT
wait_for() {
	local tries=0

	until grep -q "$2" "$1" 2>/dev/null || [ $((tries += 1)) = 300 ]; do
		sleep 0.1
	done
}
