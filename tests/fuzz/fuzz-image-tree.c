/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/layer.h"
#include "image/tree-builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken as a tree must bear being used: in order, merged with itself,
 * written again and read back. */
static void use(struct layer *l)
{
	struct layer *const twice[] = { l, l };
	_cleanup_(layer_freep) struct layer *again = NULL;
	_cleanup_(tree_freep) struct tree *merged = NULL;
	char *bytes;
	size_t size;

	for (uint32_t i = 1; i < l->tree->n; i++)
		if (tree_path_compare(l->tree->v[i - 1].path, l->tree->v[i].path) >= 0)
			abort();
	if (layer_merge(twice, 2, 1000000, &merged, NULL) == 0 && merged->n == 0)
		abort();
	if (layer_encode(l, &bytes, &size, NULL) < 0)
		return;
	if (layer_decode(bytes, size, &again, NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct volt_error e = { 0 };
	struct layer *l = NULL;
	char *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (layer_decode(copy, size, &l, &e) < 0) {
		free(copy);
		if (!e.code || !e.msg[0])
			abort();
		return 0;
	}
	use(l);
	layer_free(l);
	return 0;
}
