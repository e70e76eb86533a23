/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the loading of saved states: what is accepted, saves to something that loads the same. */
#include <errno.h>
#include <string.h>

#include "base/state.h"
#include "support/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct thing {
	uint8_t a, bytes[5];
	uint16_t b;
	uint32_t c, list[3];
	uint64_t d;
	bool on, flags[2];
};

static const struct cv_field fields[] = { { CV_FIELD(struct thing, a) },
					  { CV_FIELD_ARRAY(struct thing, bytes) },
					  { CV_FIELD(struct thing, b) },
					  { CV_FIELD(struct thing, c) },
					  { CV_FIELD_ARRAY(struct thing, list) },
					  { CV_FIELD(struct thing, d) },
					  { CV_FIELD(struct thing, on) },
					  { CV_FIELD_ARRAY(struct thing, flags) },
					  CV_FIELD_LAST };

/* Records come in any order, so that bytes may differ; what they say may not. */
static void check_again(const struct thing *first)
{
	struct cv_buf buf = { 0 };
	struct thing second;
	uint16_t version;
	size_t used;

	memset(&second, 0, sizeof(second));
	cv_state_save(fields, 2, first, &buf);
	must(!buf.failed);
	must(cv_state_load(fields, 2, &second, buf.data, buf.len, &used, &version, NULL) == 0);
	must(used == buf.len && version == 2);
	must(memcmp(first, &second, sizeof(second)) == 0);
	cv_buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm_error e = { 0 };
	struct thing t;
	uint16_t version = 0;
	size_t used = 0;
	int err;

	memset(&t, 0, sizeof(t));
	err = cv_state_load(fields, 2, &t, data, size, &used, &version, &e);
	must(err == 0 || (err == -EINVAL && e.text[0] != '\0'));
	if (err)
		return 0;
	must(used <= size && version >= 1 && version <= 2);
	check_again(&t);
	return 0;
}
