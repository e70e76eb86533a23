#!/usr/bin/env bash
# Every public prototype stands under a comment (several may share one, without a blank line between).
set -u
bad=0
for h in "$1"/include/crosvm/*.h "$1"/include/crosvm/*.h.in; do
	awk -v file="$h" '
		/\*\/[[:space:]]*$/ { documented = 1; next }
		/^$/ { documented = 0 }
		/^[a-z].*\<vm_[a-z_]+\(/ && !/^(typedef|static)/ {
			if (!documented) { print file ":" FNR ": no comment: " $0; bad = 1 }
		}
		END { exit bad }' "$h" || bad=1
done
exit $bad
