# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# The jail of device processes on another kernel, and in the lab also on an
# initramfs, a root that cannot be replaced. No guest.
. "$CASES/lib.sh"

start jail
expect "the tests of the jail fail" sh -c "'$JAIL_TEST' >'$log' 2>&1"
finish

summary
