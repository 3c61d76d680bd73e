/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/skopeo.h"
#include "image/unpack.h"

#define FETCH_LAYOUT "layout" /* skopeo's destination in the staging directory */
#define FETCH_BLOBS  FETCH_LAYOUT "/blobs/sha256"

/* One run of skopeo that copies an image into the layout, while what arrives is being
 * unpacked. */
struct fetch {
	struct images *images;
	const struct staging *staging;
	struct unpack *unpack;
	int blobs;                       /* FETCH_BLOBS */
	const struct manifest *manifest; /* NULL: not known yet */
	uint64_t total;  /* bytes of the layers that are to come, 0: not known */
	unsigned layers; /* how many, 0: not known */
};

/* Makes the layout's directories; returns a descriptor of FETCH_BLOBS. */
int fetch_prepare(const struct staging *st, struct volt_error *e);

int fetch_copy(struct fetch *f, const struct strv *args, struct volt_error *e);

/* Waits for the layers; the same progress goes on. */
int fetch_wait(struct fetch *f, struct volt_error *e);
