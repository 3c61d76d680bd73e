/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "vm/spec.h"
#include "vm/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted once must be accepted again as it is written, and mean the same. */
static void again(const struct spec *s, enum spec_form form)
{
	json_auto_t *first = spec_to_json(s), *second = NULL;
	_cleanup_(spec_freep) struct spec *copy = NULL;
	struct volt_error e;

	if (!first || spec_parse(first, form, &copy, &e) < 0)
		abort();
	second = spec_to_json(copy);
	if (!json_equal(first, second))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(state_done) struct state st = { 0 };
	json_auto_t *j = NULL;

	if (json_parse((const char *)data, size, "input", &j, NULL) < 0)
		return 0;
	for (int form = SPEC_WISH; form <= SPEC_STORED; form++) {
		_cleanup_(spec_freep) struct spec *s = NULL;
		struct volt_error e = { 0 };

		if (spec_parse(j, (enum spec_form)form, &s, &e) == 0)
			again(s, (enum spec_form)form);
		else if (!e.code || !e.msg[0])
			abort();
	}
	if (json_is_object(j) && state_parse(j, &st, NULL) == 0) {
		json_auto_t *out = state_to_json(&st);

		if (!out)
			abort();
	}
	return 0;
}
