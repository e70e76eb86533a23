/* SPDX-License-Identifier: BSD-3-Clause */
/* Assertions of the test support itself: they hold in unit tests, fuzz targets and benchmarks. */
#ifndef CV_TESTS_MUST_H
#define CV_TESTS_MUST_H

#include <stdio.h>
#include <stdlib.h>

/* Aborts with the place and the text of the condition unless it holds; also under NDEBUG. */
#define must(cond)                                                                            \
	do {                                                                                  \
		if (!(cond)) {                                                                \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                              \
		}                                                                             \
	} while (0)

#endif
