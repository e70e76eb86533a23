#!/usr/bin/env bash
# No file of C over 800 lines; nothing left undone in it.
set -u
cd "$1" || exit 1
bad=0
while read -r n file; do
	[ "$file" = total ] && continue
	if [ "$n" -gt 800 ]; then
		echo "$file: $n lines; what second thing does it do?"
		bad=1
	fi
done < <(find lib include cli examples tests \( -name '*.c' -o -name '*.h' \) -exec wc -l {} +)
grep -rnE '\b(TODO|FIXME|XXX|HACK)\b|#if 0' lib include cli examples --include='*.[ch]' && bad=1
exit $bad
