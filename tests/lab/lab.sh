#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Runs a command on an unmodified Debian kernel with a real /dev/kvm, on any
# machine: QEMU emulates the whole computer, virtualization extensions
# included. The lab's root is an initramfs in memory that holds a static
# busybox and what the options name; everything keeps its absolute path.
#
#   lab.sh [option]... [--] COMMAND...
#
#   -p PROGRAM     a program (path or name) with the libraries it loads
#   -f SRC[:DST]   a file or a directory
#   -M MODULE      load one more kernel module
#   -e NAME=VALUE  set a variable in the command's environment
#   -o DIR         bring what the command leaves in $LAB_OUT to DIR
#   -d MIB         an ext4 disk of that size, mounted at /scratch
#   -m MIB         memory of the lab (default 3072)
#   -c N           processors (default 1)
#   -t SECONDS     time limit (default 300)
#   -i             interactive: the command gets this terminal
#   -k DIR         keep the lab kernel's console.log there
#
# COMMAND is one argument for the shell, or a program and its arguments. Its
# output is streamed and its exit status returned; 124 means the time limit
# ended it, 125 that the lab itself failed.
#
# The lab is of this machine's architecture, or ARCH=aarch64 or x86_64; then
# programs that were not built for it come out of Debian's packages, as do all
# libraries. GIC=2 gives an aarch64 lab the
# older interrupt controller.
set -eu
shopt -s inherit_errexit
# shellcheck source=tests/lab/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/deps.sh
. "$src_dir/tests/deps.sh"

programs=() files=() modules=(virtio_pci virtio_console virtio_blk)
case $arch in
x86_64) modules+=(kvm-amd) qemu_package=qemu-system-x86 ;;
aarch64) qemu_package=qemu-system-arm ;;
esac
environment=() out_dir='' keep_dir='' disk_mib=0 memory_mib=3072 processors=1 limit=300 interactive=''

usage() {
	sed -n 's/^# \{0,1\}//; 3,29p' "$0" >&2
	exit 125
}

while getopts p:f:M:e:o:d:m:c:t:ik: option; do
	case $option in
	p) programs+=("$OPTARG") ;;
	f) files+=("$OPTARG") ;;
	M) modules+=("$OPTARG") ;;
	e) environment+=("$OPTARG") ;;
	o) out_dir=$OPTARG ;;
	d) disk_mib=$OPTARG ;;
	m) memory_mib=$OPTARG ;;
	c) processors=$OPTARG ;;
	t) limit=$OPTARG ;;
	i) interactive=1 ;;
	k) keep_dir=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage

need "qemu-system-$arch" "$qemu_package"
need cpio cpio
sysroot=''
if [ "$arch" != "$(uname -m)" ]; then
	need readelf binutils
	need "$arch-linux-gnu-strip" "binutils-${arch//_/-}-linux-gnu"
	sysroot=$("$src_dir/tests/cross/sysroot.sh" "$arch" "${deps_sysroot[@]}" "${deps_cross_lab[@]}")
fi

make_scratch lab
root=$scratch/root

# Keeps the absolute path; directories on the way are real ones here, so a
# merged /usr comes out as on the machine.
add_file() {
	local source=$1 dest=${2:-$1}
	local parent

	[ -e "$source" ] || die "$source does not exist, so it cannot go into the lab"
	parent=$(realpath -m "$(dirname "$dest")")
	mkdir -p "$root$parent"
	cp -a -L --reflink=auto "$source" "$root$parent/"
	[ "$(basename "$source")" = "$(basename "$dest")" ] ||
		mv "$root$parent/$(basename "$source")" "$root$parent/$(basename "$dest")"
}

libraries_of() {
	ldd "$1" 2>/dev/null | sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p'
}

# The same of another architecture's: ldd would have to run them.
add_foreign_libraries() {
	local name path own

	own=$(readelf -d "$1" 2>/dev/null | sed -n 's/.*(RUNPATH).*\[\([^:]*\).*\]/\1/p')
	for name in $(readelf -d "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p') \
		$(readelf -l "$1" 2>/dev/null | sed -n 's|.*interpreter: /lib/\(.*\)\]|\1|p'); do
		for path in "usr/lib/$arch-linux-gnu/$name" "usr/lib/$name"; do
			[ -e "$sysroot/$path" ] && [ ! -e "$root/$path" ] || continue
			add_file "$sysroot/$path" "/$path"
			add_foreign_libraries "$sysroot/$path"
		done
		if [ -n "$own" ] && [ -e "$own/$name" ] && [ ! -e "$root$own/$name" ]; then
			add_file "$own/$name"
			add_foreign_libraries "$own/$name"
		fi
	done
}

add_foreign_program() {
	local dir path=$1

	case $1 in
	/*) ;;
	*)
		for dir in usr/bin usr/sbin; do
			[ ! -e "$sysroot/$dir/$1" ] || path=/$dir/$1
		done
		;;
	esac
	if [ -e "$sysroot$path" ]; then
		add_file "$sysroot$path" "$path"
		add_foreign_libraries "$sysroot$path"
	else
		[ -e "$path" ] || die "program $1 not found, so it cannot go into the lab"
		add_file "$path"
		add_foreign_libraries "$path"
	fi
	"$arch-linux-gnu-strip" --strip-debug "$root$path"
}

add_program() {
	local path library

	if [ -n "$sysroot" ]; then
		add_foreign_program "$1"
		return
	fi
	path=$(command -v "$1") || die "program $1 not found, so it cannot go into the lab"
	path=$(realpath -s "$path")
	add_file "$path"
	for library in $(libraries_of "$path"); do
		[ -e "$root$library" ] || add_file "$library"
	done
}

make_root() {
	local name

	mkdir -p "$root"/{usr,proc,sys,dev,tmp,run,etc,lab,scratch}
	for name in bin sbin lib lib64; do
		mkdir -p "$root/usr/$name"
		[ -L "/$name" ] && ln -s "usr/$name" "$root/$name"
	done
	mkdir -p "$root/bin" "$root/sbin" "$root/lab/out"
	cp "$("$lab_dir/kernel.sh" busybox)" "$root/bin/busybox"
	for name in sh mount insmod; do
		ln -s busybox "$root/bin/$name"
	done
	printf 'root:x:0:0:root:/:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\n' >"$root/etc/group"
	cp "$lab_dir/lab-init" "$root/init"
	chmod 755 "$root/init"
	"$lab_dir/kernel.sh" modules "$root/lab/modules" "${modules[@]}"
}

# What the command is and what it is given, as a shell script.
make_command() {
	local pair size

	{
		printf 'export LAB=1 LAB_OUT=/lab/out PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n'
		for pair in "${environment[@]}"; do
			printf 'export %s=%q\n' "${pair%%=*}" "${pair#*=}"
		done
		if [ -n "$interactive" ] && size=$(terminal_size); then
			printf 'stty rows %s cols %s\n' "${size% *}" "${size#* }"
		fi
		if [ "$#" -eq 1 ]; then
			printf '%s\n' "$1"
		else
			printf '%q ' "$@"
			printf '\n'
		fi
	} >"$root/lab/command"
}

make_disk() {
	need mke2fs e2fsprogs
	truncate -s "${disk_mib}M" "$scratch/disk"
	mke2fs -q -t ext4 -E lazy_itable_init=1 -O ^has_journal "$scratch/disk" ||
		die "cannot make a $disk_mib MiB file system in $scratch"
}

pack() {
	(cd "$root" && find . -print0 | cpio --quiet -0 -o -H newc) >"$scratch/initrd" ||
		die "cannot pack the lab's root in $scratch; is the disk full?"
	rm -rf "$root"
}

# port NAME [BUS]
port() {
	qemu+=(-device "virtserialport,chardev=$1,name=$1,bus=${2:-serial.0}")
}

# The emulator's VMRUN sets its flag of a virtual interrupt without the lock
# that all other flags are set under, so that another thread's "an interrupt is
# pending" gets lost in some hundred guests. The processor then runs on with a
# full IRR, without its tick, until the next new interrupt. Hence a pulse for
# each of them: a device of its own, whose interrupt lab-init binds to it.
make_pulses() {
	local i

	[ "$arch" = x86_64 ] || return 0
	: >"$root/lab/pulses"
	for ((i = 0; i < processors; i++)); do
		mkfifo "$scratch/pulse$i.in" "$scratch/pulse$i.out"
		qemu+=(-device "virtio-serial-pci,id=pulse$i"
			-chardev "pipe,id=pulse$i,path=$scratch/pulse$i")
		port "pulse$i" "pulse$i.0"
	done
}

# What machine it is: the one, and then the other.
#
# XSAVE is left out because the emulator does not tell KVM of its XSETBV, LA57
# because under nested paging a fifth level makes every miss of the TLB, of which
# each exit causes dozens, half as long again (35 loads instead of 24).
make_qemu_x86_64() {
	# shellcheck disable=SC2054 # the commas are QEMU's
	qemu=(qemu-system-x86_64 -cpu max,xsave=off,la57=off
		-kernel "$("$lab_dir/kernel.sh" dir)/bzImage"
		-append "quiet console=ttyS0 panic=-1 mitigations=off nokaslr")
}

# Pointer authentication by the architecture's own algorithm takes most of the
# emulator's time.
make_qemu_aarch64() {
	# shellcheck disable=SC2054
	qemu=(qemu-system-aarch64 -machine "virt,virtualization=on,gic-version=${GIC:-3}"
		-cpu max,pauth-impdef=on,sve=off
		-kernel "$("$lab_dir/kernel.sh" dir)/Image"
		-append "quiet console=ttyAMA0 panic=-1 mitigations=off nokaslr")
}

make_qemu_arguments() {
	"make_qemu_$arch"
	# shellcheck disable=SC2054
	qemu+=(-no-user-config -nodefaults -display none -no-reboot
		-accel "tcg,thread=multi" -smp "$processors" -m "$memory_mib" -initrd "$scratch/initrd"
		-chardev "file,id=kernel,path=$scratch/console.log" -serial chardev:kernel
		-device virtio-serial-pci,id=serial
		-chardev "file,id=status,path=$scratch/status"
		-chardev "file,id=files,path=$scratch/files")
	port status
	port files
	make_pulses
	if [ "$disk_mib" != 0 ]; then
		qemu+=(-drive "if=none,id=scratch,format=raw,cache=unsafe,file=$scratch/disk"
			-device "virtio-blk-pci,drive=scratch")
	fi
	if [ -n "$interactive" ]; then
		qemu+=(-chardev "stdio,id=terminal,signal=off"
			-device "virtconsole,chardev=terminal,name=terminal,bus=serial.0")
	else
		mkfifo "$scratch/output"
		qemu+=(-chardev "file,id=output,path=$scratch/output,append=on")
		port output
	fi
}

send_pulses() {
	local fd fds=() i

	[ "$arch" = x86_64 ] || return 0
	for ((i = 0; i < processors; i++)); do
		exec {fd}<>"$scratch/pulse$i.in"
		fds+=("$fd")
	done
	while sleep 0.2; do
		for fd in "${fds[@]}"; do
			printf . >&"$fd"
		done
	done
}

# QEMU ends when the lab powers itself off; the limit ends it otherwise.
run_lab() {
	send_pulses &
	if [ -n "$interactive" ]; then
		"${qemu[@]}" 2>"$scratch/qemu.log" || true
		return
	fi
	# Held open for both until QEMU is gone, so that neither waits in vain.
	exec 9<>"$scratch/output"
	cat "$scratch/output" 9>&- &
	reader=$!
	timeout -k 5 "$limit" "${qemu[@]}" </dev/null >"$scratch/qemu.log" 2>&1 9>&- &
	wait $! || [ $? != 124 ] || expired=1
	exec 9>&-
	wait "$reader"
}

collect() {
	if [ -n "$keep_dir" ]; then
		mkdir -p "$keep_dir"
		cp "$scratch/console.log" "$keep_dir/" 2>/dev/null || true
	fi
	if [ -n "$out_dir" ] && [ -s "$scratch/files" ]; then
		mkdir -p "$out_dir"
		tar -xf "$scratch/files" -C "$out_dir" ||
			say "the files that came out of the lab are incomplete"
	fi
}

finish() {
	if [ -s "$scratch/status" ]; then
		exit "$(head -n 1 "$scratch/status")"
	fi
	cat "$scratch/qemu.log" >&2
	tail -n 20 "$scratch/console.log" >&2 2>/dev/null || true
	if [ -n "$expired" ]; then
		say "the lab was ended after its limit of $limit s; raise it with -t or look at the console above"
		exit 124
	fi
	say "the lab stopped without a status; its kernel's last messages are above"
	exit 125
}

expired=''
make_root
for name in "${programs[@]}"; do
	add_program "$name"
done
for name in "${files[@]}"; do
	add_file "${name%%:*}" "${name#*:}"
done
make_command "$@"
[ -z "$interactive" ] || : >"$root/lab/interactive"
[ "$disk_mib" = 0 ] || make_disk
make_qemu_arguments
pack
run_lab
collect
finish
