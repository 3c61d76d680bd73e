/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/fetch.h"

/* Taking one image in: what is common to pull, load and build. The steps, in order:
 * import_begin(); get the documents and the layers into @blobs in any way (import_copy()
 * is skopeo's); import_finish(), which checks and stores everything and names the image.
 * Until that has succeeded nothing of it exists; import_end() removes what is temporary. */
struct import {
	struct images *images;
	struct staging staging;
	struct ingest *ingest;
	struct unpack *unpack;
	int blobs;                     /* layers by the digits of their digest */
	const struct platform *wanted; /* NULL: any */
	char *manifest_text, *config_text;
	size_t manifest_size, config_size;
	struct digest digest; /* the manifest's */
	struct manifest *manifest;
	struct image_config *config;
	struct image_layer *layers; /* the manifest's, with what is known of each */
	struct layer **trees;       /* their trees: the unpacker's, or held ones' */
	bool *held; /* per layer: it was here before, and @trees[i] is ours */
};

#define IMPORT_INIT                                              \
	{                                                        \
		.blobs = -1, .staging = {.lock = -1, .dir = -1 } \
	}

/* @blobs is FETCH_LAYOUT_BLOBS or FETCH_DIR. */
int import_begin(struct images *is, const char *blobs, struct import *im,
		 struct volt_error *e);
void import_end(struct import *im);
#define _cleanup_import_ _cleanup_(import_end)

/* Takes the manifest over (also on failure), and finds the layers that are held. */
int import_set_manifest(struct import *im, char *text, size_t size, struct volt_error *e);
/* The same for the config, which must be the manifest's. */
int import_set_config(struct import *im, char *text, size_t size, struct volt_error *e);

/* Puts what is held into @blobs, so that skopeo does not fetch it. Returns 1 if that is
 * every layer. */
int import_link_held(struct import *im, struct volt_error *e);

/* Runs skopeo; without a manifest yet, takes the one that it put into FETCH_DIR. */
int import_copy(struct import *im, const struct strv *args, struct volt_error *e);

/* The same for layers that were put into @blobs otherwise. */
int import_unpack(struct import *im, const struct digest *blob, struct blob_sums *ret,
		  struct volt_error *e);

/* Checks, stores, and names it @name (NULL: no name); @index is what it was found in. */
int import_finish(struct import *im, const char *name, const struct digest *index,
		  struct image **ret, struct volt_error *e);
