# Cross compilation for 64-bit Arm with Debian's gcc-aarch64-linux-gnu:
#
#   cmake --toolchain cmake/aarch64-linux-gnu.cmake \
#         -DCMAKE_SYSROOT="$(tests/cross/sysroot.sh)" -S . -B build-arm -G Ninja
#
# Without a sysroot the libraries are those of Debian's multiarch, as
# libseccomp-dev:arm64 and so on. Programs of the build run in qemu-aarch64 where
# it is installed.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CMAKE_LIBRARY_ARCHITECTURE)

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${CMAKE_SYSROOT}")
set(ENV{PKG_CONFIG_LIBDIR}
	"${CMAKE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${CMAKE_SYSROOT}/usr/share/pkgconfig")

find_program(CROSVM_QEMU_USER NAMES qemu-aarch64-static qemu-aarch64)
mark_as_advanced(CROSVM_QEMU_USER)
if(CROSVM_QEMU_USER)
	set(CMAKE_CROSSCOMPILING_EMULATOR ${CROSVM_QEMU_USER})
	if(CMAKE_SYSROOT)
		list(APPEND CMAKE_CROSSCOMPILING_EMULATOR -L ${CMAKE_SYSROOT})
	endif()
endif()
