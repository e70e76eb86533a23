/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef GUEST_BLK_H
#define GUEST_BLK_H

/* Write, read back and compare; every request type the disk offers. */
void blk_verify(void);

#endif
