/* SPDX-License-Identifier: BSD-3-Clause */
/* Constants of the virtio specification 1.2 that more than one file needs. */
#ifndef CV_VIRTIO_VIRTIO_H
#define CV_VIRTIO_VIRTIO_H

#include <stdint.h>

/* Device status, section 2.1. */
enum {
	CV_VIRTIO_ACKNOWLEDGE = 1,
	CV_VIRTIO_DRIVER = 2,
	CV_VIRTIO_DRIVER_OK = 4,
	CV_VIRTIO_FEATURES_OK = 8,
	CV_VIRTIO_NEEDS_RESET = 64,
	CV_VIRTIO_FAILED = 128,
};

/* Interrupt status, sections 4.1.4.5 and 4.2.2. */
enum { CV_VIRTIO_ISR_QUEUE = 1, CV_VIRTIO_ISR_CONFIG = 2 };

#define CV_VIRTIO_NO_VECTOR 0xffffu

/* Features that belong to rings and transports, section 6. */
#define CV_VIRTIO_F_INDIRECT_DESC   (1ull << 28)
#define CV_VIRTIO_F_EVENT_IDX	    (1ull << 29)
#define CV_VIRTIO_F_VERSION_1	    (1ull << 32)
#define CV_VIRTIO_F_ACCESS_PLATFORM (1ull << 33)
#define CV_VIRTIO_F_RING_PACKED	    (1ull << 34)
#define CV_VIRTIO_F_RING_RESET	    (1ull << 40)

/* Device IDs, section 5. */
enum {
	CV_VIRTIO_ID_NET = 1,
	CV_VIRTIO_ID_BLOCK = 2,
	CV_VIRTIO_ID_CONSOLE = 3,
	CV_VIRTIO_ID_RNG = 4,
	CV_VIRTIO_ID_BALLOON = 5,
	CV_VIRTIO_ID_FS = 26,
};

#endif
