# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh source=tests/lab/cases/lib.sh
# One guest that uses most of the library: for the sanitizer builds.
. "$CASES/lib.sh"

start guest
copy_root disk
make_random "$work/data" 8
guest -c 2 --rwroot "$work/disk" -d "$work/data" --device rng --device balloon \
	-p "quiet test=basics,disk_read,files,balloon" -i "$IMAGES/initrd" "$KERNEL"
status 0
said root "/dev/vda ext4 rw"
said cpus 2
said disk_sum "$(file_sum "$work/data")"
said ending poweroff
files_match "$work/disk"
fsck_clean "$work/disk"
expect "a sanitizer complains" sh -c "! grep -q -e 'ERROR: .*Sanitizer' -e 'runtime error' -e 'WARNING: ThreadSanitizer' '$log'"
finish

summary
