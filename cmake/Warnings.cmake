# Warnings and hardening, as two interface targets: crosvm_flags for all code,
# crosvm_strict in addition for what is shipped.
add_library(crosvm_flags INTERFACE)
target_compile_options(crosvm_flags INTERFACE
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wimplicit-fallthrough
	-fno-common -fvisibility=hidden)
target_compile_definitions(crosvm_flags INTERFACE _GNU_SOURCE)
if(CROSVM_WERROR)
	target_compile_options(crosvm_flags INTERFACE -Werror)
endif()

add_library(crosvm_strict INTERFACE)
target_link_libraries(crosvm_strict INTERFACE crosvm_flags)
target_compile_options(crosvm_strict INTERFACE -Wconversion)

# Hardening; the sanitizers bring their own checks and do not go with FORTIFY.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
include(CheckCCompilerFlag)
if(NOT CROSVM_SANITIZE AND NOT CROSVM_FUZZ)
	target_compile_options(crosvm_flags INTERFACE
		"$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>")
endif()
target_compile_options(crosvm_flags INTERFACE -fstack-protector-strong)
foreach(flag -fcf-protection=full -fstack-clash-protection -ftrivial-auto-var-init=zero)
	string(MAKE_C_IDENTIFIER "CROSVM_HAS${flag}" var)
	check_c_compiler_flag(${flag} ${var})
	if(${var})
		target_compile_options(crosvm_flags INTERFACE ${flag})
	elseif(flag STREQUAL -ftrivial-auto-var-init=zero)
		# clang 14 wants its consent flag
		check_c_compiler_flag("${flag} -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang" CROSVM_HAS_AUTO_INIT_CLANG)
		if(CROSVM_HAS_AUTO_INIT_CLANG)
			target_compile_options(crosvm_flags INTERFACE ${flag}
				-enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
		endif()
	endif()
endforeach()
target_link_options(crosvm_flags INTERFACE -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
