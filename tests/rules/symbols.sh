#!/usr/bin/env bash
# Names, and what the library may not do: mutable globals, exits, output.
set -u
internal=$1 shared=$2 static=$3
bad=0

others=$(nm -g --defined-only "$internal" | awk 'NF == 3 { print $3 }' | grep -vE '^(vm|cv)_')
[ -n "$others" ] && { echo "external names that are neither vm_ nor cv_: $others"; bad=1; }

forbidden=$(nm -u "$internal" | awk '{ print $2 }' | sort -u |
	grep -xE '_?exit|_Exit|abort|__assert_fail|printf|puts|putchar|perror|fprintf|fputs|fwrite|stdout|stderr|__printf_chk|__fprintf_chk|syslog|getenv|system|popen|fork|vfork|signal|sigaction')
[ -n "$forbidden" ] && { echo "calls that a library may not make: $forbidden"; bad=1; }

mutable=$(objdump -t "$internal" | awk '$4 ~ /^\.(data|bss|tdata|tbss)(\.[a-zA-Z_]|$)/ && $4 !~ /^\.data\.rel\.ro/ && $3 == "O" { print $NF }')
[ -n "$mutable" ] && { echo "mutable file-scope variables: $mutable"; bad=1; }

exported=$(nm -D --defined-only "$shared" | awk '{ print $3 }' | grep -vE '^(vm_[a-z0-9_]+@@CROSVM_1|CROSVM_1(@@CROSVM_1)?)$')
[ -n "$exported" ] && { echo "exports of the shared library that are not its API: $exported"; bad=1; }

archive=$(nm -g --defined-only "$static" | awk 'NF == 3 { print $3 }' | grep -v '^vm_')
[ -n "$archive" ] && { echo "external names of the static library that are not its API: $archive"; bad=1; }
exit $bad
