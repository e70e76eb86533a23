/* SPDX-License-Identifier: BSD-3-Clause */
/* A growing byte buffer. Zeroed is empty; an allocation failure is remembered and told at the end. */
#ifndef CV_BASE_BUF_H
#define CV_BASE_BUF_H

#include "base/base.h"

struct cv_buf {
	uint8_t *data;
	size_t len, cap;
	bool failed; /* out of memory happened; data is incomplete */
};

void cv_buf_put(struct cv_buf *b, const void *data, size_t len);
void cv_buf_u8(struct cv_buf *b, uint8_t v);
void cv_buf_le16(struct cv_buf *b, uint16_t v);
void cv_buf_le32(struct cv_buf *b, uint32_t v);
void cv_buf_le64(struct cv_buf *b, uint64_t v);
void cv_buf_fini(struct cv_buf *b);

#endif
