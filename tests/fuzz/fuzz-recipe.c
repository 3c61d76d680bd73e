/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "profile/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What becomes a part of an argument or a line has nothing in it that would end either. */
static void check(const struct strv *words)
{
	strv_foreach(i, words->v)
		if (**i == '-' || strpbrk(*i, " \t\n\r,='\"\\$;") || !path_is_clean(*i))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_recipe_ struct recipe r = { 0 };
	struct volt_error e = { 0 };

	if (recipe_parse((const char *)data, size, "x", &r, &e) < 0) {
		if (!e.code || !e.msg[0] || strchr(e.msg, '\n'))
			abort();
		return 0;
	}
	check(&r.features);
	check(&r.formats);
	check(&r.firmware);
	for (size_t i = 0; i < r.n_targets; i++) {
		_cleanup_free_ char *text = recipe_devices(&r.targets[i]);

		check(&r.targets[i].devices);
		if (!text)
			abort();
	}
	return 0;
}
