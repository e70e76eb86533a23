# CROSVM_ARCH: the machine that is built, x86_64 or aarch64.
# cv_filter_arch(LIST): takes the sources out of it that are another architecture's,
# by their names: NAME_ARCH.c, ARCH.c and ARCH_WORD.c.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
	set(CROSVM_ARCH x86_64)
	set(_other_arch aarch64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
	set(CROSVM_ARCH aarch64)
	set(_other_arch x86_64)
else()
	message(FATAL_ERROR "libcrosvm does not know the processor '${CMAKE_SYSTEM_PROCESSOR}'; "
	        "x86_64 and aarch64 are supported")
endif()

function(cv_filter_arch list)
	list(FILTER ${list} EXCLUDE REGEX "(_|/)${_other_arch}(_[a-z0-9_]+)?\\.c$")
	set(${list} ${${list}} PARENT_SCOPE)
endfunction()
