# cv_library(OPTION MODULE FILE HELP): a library that lib/FILE.c uses. CROSVM_OPTION
# is on where pkg-config knows MODULE; without it lib/FILE_none.c is built instead.
# Afterwards CV_UNUSED matches the sources that are not built, CV_HAVE lists
# CROSVM_HAVE_OPTION=0 or 1, and for what is on there are PkgConfig::OPTION in
# CV_LIBRARIES and MODULE in CV_MODULES.
macro(cv_library option module file help)
	pkg_check_modules(${option} QUIET IMPORTED_TARGET GLOBAL "${module}")
	string(REGEX REPLACE "[<>=].*" "" _module ${module})
	option(CROSVM_${option} "${help} (${_module})" ${${option}_FOUND})
	if(CROSVM_${option})
		if(NOT ${option}_FOUND)
			message(FATAL_ERROR "CROSVM_${option}: pkg-config does not find ${module}; "
			        "install its development package or say -DCROSVM_${option}=OFF")
		endif()
		list(APPEND CV_LIBRARIES PkgConfig::${option})
		list(APPEND CV_MODULES ${_module})
		list(APPEND CV_HAVE CROSVM_HAVE_${option}=1)
		list(APPEND CV_UNUSED "/${file}_none\\.c$")
	else()
		list(APPEND CV_HAVE CROSVM_HAVE_${option}=0)
		list(APPEND CV_UNUSED "/${file}\\.c$")
	endif()
endmacro()
