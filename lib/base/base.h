/* SPDX-License-Identifier: BSD-3-Clause */
/* The few macros that every file may use; see style.md's guide for their manners. */
#ifndef CV_BASE_BASE_H
#define CV_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define CV_MUST_CHECK	    __attribute__((warn_unused_result))
#define CV_PRINTF(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define CV_UNUSED	    __attribute__((unused))

/* The number of elements of an array; a pointer does not compile. */
#define CV_LEN(a)                                                                                  \
	(sizeof(a) / sizeof((a)[0]) +                                                              \
	 0 * sizeof(struct {                                                                       \
		 _Static_assert(!__builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0])), \
				"not an array");                                                   \
		 int dummy;                                                                        \
	 }))

/* The object of which @ptr is the member @member. */
#define cv_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define cv_min(a, b)                               \
	({                                         \
		__typeof__(a) min_a_ = (a);        \
		__typeof__(b) min_b_ = (b);        \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define cv_max(a, b)                               \
	({                                         \
		__typeof__(a) max_a_ = (a);        \
		__typeof__(b) max_b_ = (b);        \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})

/* Gives up the ownership that an automatic variable holds: returns the pointer, leaves NULL. */
#define cv_steal(p)                                 \
	({                                          \
		__typeof__(p) *steal_p_ = &(p);     \
		__typeof__(p) steal_v_ = *steal_p_; \
		*steal_p_ = NULL;                   \
		steal_v_;                           \
	})

/* Ignores the result of a call that must be checked, on purpose; say why beside it. */
#define cv_ignore(call)                                       \
	do {                                                  \
		__typeof__(call) ignored_ CV_UNUSED = (call); \
	} while (0)

static inline void cv_free_ptr(void *p)
{
	free(*(void **)p);
}

/* A local pointer that is freed when it goes out of scope; leave with cv_steal(). */
#define CV_AUTO_FREE __attribute__((cleanup(cv_free_ptr)))

#endif
