/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "rootfs/volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted once must be accepted again as it is written, and mean the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(volume_done) struct volume v = { 0 }, again = { 0 };
	json_auto_t *j = NULL, *first = NULL, *second = NULL;
	struct volt_error e = { 0 };

	if (json_parse((const char *)data, size, "input", &j, NULL) < 0)
		return 0;
	if (volume_from_json(j, "data", &v, &e) < 0) {
		if (!e.code || !e.msg[0])
			abort();
		return 0;
	}
	first = volume_to_json(&v);
	if (!first || volume_from_json(first, "data", &again, &e) < 0)
		abort();
	second = volume_to_json(&again);
	if (!json_equal(first, second))
		abort();
	return 0;
}
