# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# /dev/hwrng, written to a disk by the guest and looked at from outside. Linux
# asks the device for 64 bytes at a time: a million requests, for which a lab
# takes some minutes. Its processor has no faults that the guest's kernel would
# have to work around at every one of them.
. "$CASES/lib.sh"

start hwrng
words="quiet test=random random_mib=$RANDOM_MIB"
[ -z "$LAB" ] || words="$words mitigations=off"
truncate -s "${RANDOM_MIB}M" "$work/data"
guest --device rng -r "$IMAGES/root.ext4" --rwdisk "$work/data" \
	-p "$words" -i "$IMAGES/initrd" "$KERNEL"
status 0
said rng virtio_rng.0
said random_sum "$(file_sum "$work/data")"
packed=$(gzip -1 -c "$work/data" | wc -c)
expect "the bytes are not random: gzip makes $packed of $((RANDOM_MIB << 20))" \
	[ "$packed" -gt $((RANDOM_MIB << 20)) ]
finish

summary
