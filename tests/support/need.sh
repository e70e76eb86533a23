# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2034
# Whether this host lets the tests make VMs, and jails: many a container and every chroot does not. Sourced.

need_kvm() {
	if ! [ -r /dev/kvm ] || ! [ -w /dev/kvm ]; then
		echo "/dev/kvm cannot be used here"
		exit 77
	fi
}

no_jail="user namespaces cannot be made here (a chroot, a container, or sysctl), nor jails"

can_jail() {
	unshare --user true 2>/dev/null
}

need_jail() {
	if ! can_jail; then
		echo "$no_jail"
		exit 77
	fi
}

# For "crosvm run" where processes are not the point: jails, or no processes; and where processes are
# but jails are not. Without jails there is a warning then.
no_processes=() plain_processes=()
if ! can_jail; then
	no_processes=(--disable-sandbox) plain_processes=(--sandbox=none)
fi
