/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz target: the packed virtqueue. See ring.h. */
#include "ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return ring_run(data, size, CV_VIRTIO_F_VERSION_1 | CV_VIRTIO_F_RING_PACKED);
}
