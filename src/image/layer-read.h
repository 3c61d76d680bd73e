/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdatomic.h>

#include "image/blob-reader.h"
#include "image/layer.h"

/* What a layer may cost. */
struct layer_limits {
	struct blob_limits blob;
	uint64_t max_content; /* bytes of all files, holes included */
	uint32_t max_entries;
	size_t max_memory; /* for the names and attributes of all files of all layers */
	uint64_t min_free_disk; /* what must stay free while contents are written */
};
extern const struct layer_limits layer_limits_default;

struct layer_input {
	int fd;                    /* the layer as it was sent */
	struct ingest *ingest;     /* where the contents of files go */
	int disk;                  /* any descriptor on the store's file system */
	const atomic_bool *cancel; /* may be NULL: -ECANCELED soon after it is set */
	const struct layer_limits *limits;
	atomic_size_t *memory; /* may be NULL: what other layers take, and this one */
};

/* Reads a layer to its end in one pass. The sums are for the caller to compare with what
 * the manifest promised, before anything is committed. */
int layer_read(const struct layer_input *in, struct layer **ret, struct blob_sums *sums,
	       struct volt_error *e);
