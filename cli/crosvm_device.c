/* SPDX-License-Identifier: BSD-3-Clause */
/* crosvm-device: the program of device processes; the library starts it. */
#include <stdio.h>

#include <crosvm/crosvm.h>

#if defined(__SANITIZE_ADDRESS__)
/* The leak checker would need what the jail forbids. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int main(int argc, char **argv)
{
	int status = vm_device_main(argc, argv);

	if (status >= 0)
		return status;
	fputs("crosvm-device: this runs one device of a virtual machine and is started by "
	      "libcrosvm, not by hand; to serve a device on a socket, see 'crosvm help device'\n",
	      stderr);
	return 2;
}
