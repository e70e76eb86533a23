#!/usr/bin/env bash
# The formatter has nothing to say.
set -u
cd "$1" || exit 1
fmt=$(command -v clang-format-14 || command -v clang-format) || {
	echo "clang-format is not installed: formatting not checked"
	exit 77
}
if ! "$fmt" --version | grep -q 'version 14\.'; then
	echo "$("$fmt" --version): other versions format otherwise; formatting not checked"
	exit 77
fi
find lib include cli examples tests \( -name '*.c' -o -name '*.h' \) -print0 |
	xargs -0 "$fmt" --dry-run --Werror 2>&1 | grep -E 'error:' | head -20 | tee /dev/stderr | grep -q . && exit 1
exit 0
