/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int r, const struct volt_error *e)
{
	if (r < 0 && (!e->code || !e->msg[0] || strchr(e->msg, '\n')))
		abort();
}

/* Manifest, index and config: the same bytes as each of them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(image_config_freep) struct image_config *c = NULL;
	_cleanup_(manifest_freep) struct manifest *m = NULL;
	const char *text = (const char *)data;
	struct volt_error e = { 0 };
	struct descriptor d;
	int r;

	r = manifest_parse(text, size, &m, &e);
	check(r, &e);
	if (r == 0 && m->n_layers > LAYERS_MAX)
		abort();
	check(manifest_is_index(text, size, &e), &e);
	check(index_choose(text, size, platform_find("arm"), &d, &e), &e);
	r = image_config_parse(text, size, &c, &e);
	check(r, &e);
	if (r == 0 && c->n_diff_ids > LAYERS_MAX)
		abort();
	return 0;
}
