# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# Two virtual machines in one process, through the public API alone.
. "$CASES/lib.sh"

start two-vms
cd "$work" || exit 1
timeout -k 5 "$CASE_LIMIT" "$MANY_VMS" 2 "$KERNEL" "$IMAGES/initrd" \
	"console=ttyS0 panic=-1 quiet test=basics" </dev/null >"$log.raw" 2>"$log.err"
result=$?
cat vm-0.log vm-1.log >>"$log.raw"
settle
status 0
for i in 0 1; do
	expect "guest $i did not power off" grep -q "LAB ending poweroff" vm-$i.log
done
finish

summary
