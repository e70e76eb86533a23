# cv_device(NAME SOURCE...): one device class, cv_class_NAME, of this build.
# cv_device_table(OUT): writes the C table of all of them, so that the linker
# cannot drop a class of the static library.
function(cv_device name)
	list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE sources)
	set_property(GLOBAL APPEND PROPERTY CV_DEVICE_NAMES ${name})
	set_property(GLOBAL APPEND PROPERTY CV_DEVICE_SOURCES ${sources})
endfunction()

function(cv_device_table out)
	get_property(names GLOBAL PROPERTY CV_DEVICE_NAMES)
	set(externs "")
	set(rows "")
	foreach(name IN LISTS names)
		string(APPEND externs "extern const struct cv_class cv_class_${name};\n")
		string(APPEND rows "\t&cv_class_${name},\n")
	endforeach()
	file(CONFIGURE OUTPUT ${out} CONTENT
"/* SPDX-License-Identifier: BSD-3-Clause */
/* Generated from lib/devices/CMakeLists.txt. */
#include \"core/dev.h\"

${externs}
const struct cv_class *const cv_classes[] = {
${rows}	NULL,
};
" @ONLY)
endfunction()
