#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Talks to a program as a person would: waits for a prompt in its output, then
# types one line. Shows the output and returns the program's exit status, or 1
# if the prompt did not appear within the given seconds.
#
#   dialogue.sh SECONDS PROMPT LINE COMMAND...
seconds=$1 prompt=$2 line=$3
shift 3
dir=$(mktemp -d) || exit 1
runner='' viewer=''
trap 'kill $runner $viewer 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 143' TERM INT HUP

mkfifo "$dir/keys"
: >"$dir/output"
exec 8<>"$dir/keys"
"$@" <"$dir/keys" >"$dir/output" 2>&1 8>&- &
runner=$!
tail -f "$dir/output" 2>/dev/null 8>&- &
viewer=$!

tries=0
until grep -q -F -e "$prompt" "$dir/output"; do
	tries=$((tries + 1))
	if [ $tries -gt $((seconds * 5)) ] || ! kill -0 "$runner" 2>/dev/null; then
		echo "dialogue: '$prompt' did not appear within $((tries / 5)) s" >&2
		exit 1
	fi
	sleep 0.2
done
printf '%s\n' "$line" >&8
wait "$runner"
status=$?
runner=''
sleep 1
exit $status
