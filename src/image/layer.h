/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "image/tree.h"

/* What one layer changes: the files it brings and the names it takes away. */
struct layer_removal {
	const char *path;
	bool opaque; /* what lower layers have in this directory, not the directory */
};

struct layer {
	struct tree *tree; /* parents that are not in the archive are TREE_IMPLIED */
	struct layer_removal
		*removals; /* sorted by path, each once; strings are the tree's */
	uint32_t n_removals;
};

void layer_free(struct layer *l);
DEFINE_CLEANUP(struct layer *, layer_free)

/* As an object of the store, with the list of its contents; layer_load() checks all. */
int layer_store(struct ingest *g, const struct layer *l, struct digest *ret_object,
		struct digest *ret_list, struct volt_error *e);
int layer_load(const struct store *s, const struct digest *d, struct layer **ret,
	       struct volt_error *e);

/* The bytes of such an object; the caller frees. A merged tree is a layer that removes
 * nothing and implies nothing. layer_decode() takes @bytes over on success: strings of the
 * layer lie in them. */
int layer_encode(const struct layer *l, char **ret, size_t *ret_size,
		 struct volt_error *e);
int layer_decode(char *bytes, size_t size, struct layer **ret, struct volt_error *e);

/* What one sees with layers[0] lowest, by the OCI rules: removals take from lower layers
 * only; a directory over a directory changes its attributes, everything else replaces
 * with all that was below; implied parents change nothing that is there. The result's
 * strings are the layers', so it must go first. More than @max entries: -E2BIG. */
int layer_merge(struct layer *const *layers, size_t n, uint32_t max, struct tree **ret,
		struct volt_error *e);
