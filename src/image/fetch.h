/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/skopeo.h"
#include "image/unpack.h"

/* skopeo's destinations in the staging directory, and where in each the blobs come to be.
 * Its layouts take blobs that are there already; its plain directories must be empty, but
 * leave the manifest and the config as they are. */
#define FETCH_LAYOUT       "layout"
#define FETCH_LAYOUT_BLOBS FETCH_LAYOUT "/blobs/sha256"
#define FETCH_DIR          "copy"

/* One run of skopeo that copies an image into the layout, while what arrives is being
 * unpacked. */
struct fetch {
	struct images *images;
	const struct staging *staging;
	struct unpack *unpack;
	int blobs;                       /* FETCH_LAYOUT_BLOBS or FETCH_DIR */
	const struct manifest *manifest; /* NULL: not known yet */
	uint64_t total; /* bytes of the layers that are to come, 0: not known */
	/* What one file may have: bytes of the largest layer to come, or 1 GiB where that is
	 * more; 0: not known. */
	uint64_t max;
	uint64_t max_total; /* bytes of all files that arrive, 0: not known */
	unsigned layers;    /* how many, 0: not known */
};

int fetch_copy(struct fetch *f, const struct strv *args, struct volt_error *e);

/* Waits for the layers; the same progress goes on. */
int fetch_wait(struct fetch *f, struct volt_error *e);
