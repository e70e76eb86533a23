# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# Every way in which a guest ends, and what crosvm says then.
. "$CASES/lib.sh"

start reset
guest -p "quiet test=basics end=reboot" -i "$IMAGES/initrd" "$KERNEL"
status 0
said ending reboot
expect "the guest booted $(values ending | wc -l) times without --reboot" [ "$(values ending | wc -l)" = 1 ]
finish

start reboot
copy_root disk
# the limit is for one boot, these are three
one_boot=$CASE_LIMIT CASE_LIMIT=$((3 * CASE_LIMIT))
guest --reboot -c 2 --rwroot "$work/disk" -p "quiet test=counter end=reboot until=3" \
	-i "$IMAGES/initrd" "$KERNEL"
CASE_LIMIT=$one_boot
status 0
expect "the disk counted the boots $(values boots | tr '\n' ' ')instead of 1 2 3" \
	[ "$(values boots | tr '\n' ' ')" = "1 2 3 " ]
fsck_clean "$work/disk"
finish

start panic
guest -p "quiet test=basics end=panic" -i "$IMAGES/initrd" "$KERNEL"
status $panic_status
said ending panic
finish

if [ "$ARCH" = x86_64 ]; then
	start triple-fault
	guest -p "quiet test=basics end=reboot reboot=t" -i "$IMAGES/initrd" "$KERNEL"
	status 3
	said ending reboot
	finish
fi

# Asked to end while the guest runs, crosvm does so at once.
start terminated
guest_beside </dev/null -p "quiet test=waiting" -i "$IMAGES/initrd" "$KERNEL"
expect "the guest never came up" wait_for "$log.raw" "LAB ready waiting"
before=$(date +%s)
kill "$runner"
join
expect "crosvm took $(($(date +%s) - before)) s to end" [ $(($(date +%s) - before)) -le 3 ]
status 143
finish

summary
