# cv_seccomp_table(OUT): the policies of seccomp/${CROSVM_ARCH}, compiled into a
# C table by a program that runs at build time. Without libseccomp it is empty.
#
# A cross build without an emulator takes the program from a native build:
# -DCROSVM_POLICY_TABLE=NATIVE-BUILD/lib/policy-table.
set(CROSVM_POLICY_TABLE "" CACHE FILEPATH "A policy-table program that runs here, for cross builds")

function(cv_seccomp_table out)
	if(NOT CROSVM_SECCOMP)
		file(CONFIGURE OUTPUT ${out} CONTENT
"/* Generated: this build has no libseccomp. */
#include \"sandbox/seccomp.h\"

const struct cv_seccomp_builtin cv_seccomp_builtins[] = { { .name = NULL } };
" @ONLY)
		return()
	endif()
	set(lib ${PROJECT_SOURCE_DIR}/lib)
	set(tool ${CROSVM_POLICY_TABLE})
	if(NOT tool)
		add_executable(policy-table ${PROJECT_SOURCE_DIR}/seccomp/policy_table.c
			${lib}/sandbox/policy.c ${lib}/sandbox/policy_bpf.c ${lib}/sandbox/policy_names.c
			${lib}/sandbox/syscalls.c
			${lib}/sys/fd.c ${lib}/base/err.c ${lib}/base/str.c)
		target_include_directories(policy-table PRIVATE ${lib} ${PROJECT_SOURCE_DIR}/include)
		target_link_libraries(policy-table PRIVATE crosvm_strict PkgConfig::SECCOMP)
		set(tool policy-table)
	endif()
	file(GLOB all CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/seccomp/${CROSVM_ARCH}/*.policy)
	set(policies ${all})
	list(FILTER policies EXCLUDE REGEX "/common[a-z_]*\\.policy$")
	add_custom_command(OUTPUT ${out} COMMAND ${tool} ${CROSVM_ARCH} ${out} ${policies}
		DEPENDS ${tool} ${all} VERBATIM COMMENT "Compiling the seccomp policies")
endfunction()
