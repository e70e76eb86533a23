#!/usr/bin/env bash
# An application builds against the installed library by pkg-config (shared and
# static) and by the CMake package.
set -eu
build=$1 src=$2 cc=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

DESTDIR="" cmake --install "$build" --prefix "$dir/prefix" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
PKG_CONFIG_PATH=$(dirname "$(find "$dir/prefix" -name crosvm.pc)")
export PKG_CONFIG_PATH
lib=$(dirname "$PKG_CONFIG_PATH")

# shellcheck disable=SC2046
"$cc" "$src/examples/minimal.c" -o "$dir/shared" $(pkg-config --cflags --libs crosvm)
LD_LIBRARY_PATH=$lib "$dir/shared" 2>"$dir/out" && exit 1
grep -q usage "$dir/out"
# shellcheck disable=SC2046
"$cc" "$src/examples/minimal.c" -o "$dir/static" $(pkg-config --cflags crosvm) "$lib/libcrosvm.a" -pthread \
	$(pkg-config --libs $(pkg-config --print-requires-private crosvm))
"$dir/static" 2>"$dir/out" && exit 1
grep -q usage "$dir/out"
if ldd "$dir/static" | grep -q libcrosvm; then
	echo "the static example wants the shared library"
	exit 1
fi

mkdir "$dir/app"
cat >"$dir/app/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(app C)
find_package(crosvm REQUIRED)
add_executable(app $src/examples/many_vms.c)
target_link_libraries(app crosvm::crosvm)
END
cmake -S "$dir/app" -B "$dir/app/build" -DCMAKE_PREFIX_PATH="$dir/prefix" -DCMAKE_C_COMPILER="$cc" >"$dir/log" 2>&1 &&
	cmake --build "$dir/app/build" >>"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
"$dir/prefix/bin/crosvm" version | grep -q '^crosvm [0-9]'
test -s "$dir/prefix/share/man/man1/crosvm.1"
