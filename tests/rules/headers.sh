#!/usr/bin/env bash
# Every header compiles alone; the public ones also as strict C11 and as C++.
set -u
src=$1 build=$2 cc=$3
bad=0
includes="-I$src/lib -I$src/include -I$build/include"

for h in "$src"/lib/*/*.h; do
	# shellcheck disable=SC2086
	$cc -std=gnu17 -D_GNU_SOURCE -DCROSVM_HAVE_URING=1 -fsyntax-only -Wall -Wextra -Werror -Wno-unused-function \
		$includes -include "$h" -x c /dev/null || bad=1
done
cxx=$(command -v c++ || command -v g++ || command -v clang++) || echo "no C++ compiler: public headers not tried as C++"
for h in "$src"/include/crosvm/*.h "$build"/include/crosvm/version.h; do
	# shellcheck disable=SC2086
	$cc -std=c11 -pedantic-errors -fsyntax-only -Wall -Wextra -Werror $includes -include "$h" -x c /dev/null || bad=1
	[ -z "$cxx" ] && continue
	# shellcheck disable=SC2086
	$cxx -std=c++17 -fsyntax-only -Wall -Wextra -Werror $includes -include "$h" -x c++ /dev/null || bad=1
done
exit $bad
