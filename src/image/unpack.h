/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/images-internal.h"
#include "image/layer-read.h"

/* Layers being read on all cores, by threads that are joined before unpack_free()
 * returns. They see the ingest and what they are given, nothing else. */
struct unpack;

/* @blobs is a directory of layers named by 64 hexadecimal digits. Everything given must
 * outlive the result. */
int unpack_new(struct ingest *g, int blobs, const struct layer_limits *limits,
	       struct unpack **ret, struct volt_error *e);
void unpack_free(struct unpack *u); /* cancels what is not done */
DEFINE_CLEANUP(struct unpack *, unpack_free)

/* Starts on the layer of this name; nothing if it was started before. */
int unpack_add(struct unpack *u, const struct digest *blob, struct volt_error *e);

/* Counts a layer that was read before into what all of the image's may take. -E2BIG. */
int unpack_count_held(struct unpack *u, const struct layer *l, struct volt_error *e);

/* Readable when something has ended since unpack_ended() was called last. */
int unpack_fd(const struct unpack *u);
/* How many have ended; -1 as soon as one has failed. */
int unpack_ended(struct unpack *u);
/* How many there are. */
size_t unpack_count(const struct unpack *u);

/* Waits for all. The error of the first that failed, with the layer's name. */
int unpack_wait(struct unpack *u, struct volt_error *e);

/* After unpack_wait(): what became of a layer; NULL if it was never added. The layer stays
 * the pool's. */
struct unpacked {
	struct digest blob;
	struct blob_sums sums;
	struct layer *layer;
	struct digest tree, list; /* as stored */
};
const struct unpacked *unpack_find(const struct unpack *u, const struct digest *blob);
