/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/lock.h"
#include "image/image.h"
#include "image/manifest.h"
#include "image/name.h"

/* Shared by the files of this layer that work on an opened root. */
struct images {
	int root;  /* volt's root */
	int dir;   /* images/ */
	int names; /* images/names/ */
	struct store *store;
	struct log log;
	volt_progress_fn progress;
	void *progress_data;
	struct image_head_start head_start;
};

#define REF_IMAGES   "images"
#define REF_LAYERS   "layers"
#define REF_MACHINES "machines"

/* --- names (image-names.c) --- */

/* One file each, images/names/<sha256 of the name>.json: no name can be mistaken for
 * another, and none is too long. */
struct name_record {
	char *name;
	struct digest manifest;
	struct digest index; /* through which it was pulled */
	bool has_index;
};
struct name_records {
	struct name_record *v;
	size_t n;
};
void name_record_done(struct name_record *r);
void name_records_done(struct name_records *t);

/* Names are written under the shared lock, images removed under the exclusive one, so that
 * no name is given to what is going. Returns the descriptor to close. */
int names_lock(struct images *is, enum lock_mode mode, struct volt_error *e);

/* -ENOENT where the image is gone. */
int name_write(struct images *is, const char *name, const struct digest *manifest,
	       const struct digest *index, struct volt_error *e);
int name_read(struct images *is, const char *name, struct name_record *ret,
	      struct volt_error *e); /* -ENOENT */
int name_remove(struct images *is, const char *name, struct volt_error *e);
int names_load(struct images *is, struct name_records *ret, struct volt_error *e);
void names_clean(struct images *is); /* of what dead writers left */

/* --- refs (image-ref.c) --- */

/* What the ref of an image says besides its objects. */
struct image_layer {
	struct digest blob, diff, tree, list;
	uint64_t size; /* of the blob */
	const char *media_type;
};
struct image_ref {
	struct digest manifest, config, tree, list;
	const struct image_layer *layers;
	size_t n_layers;
	const char *arch; /* volt's word, or "" */
	int64_t created;
	uint64_t size;
};
int image_ref_write(struct images *is, const struct image_ref *ref, struct volt_error *e);

/* With its names and config; @name may be NULL. -ENOENT. The bare one has no config yet. */
int image_load_ref(struct images *is, const struct digest *manifest, const char *name,
		   struct image **ret, struct volt_error *e);
int image_load_bare(struct images *is, const struct digest *manifest, const char *name,
		    struct image **ret, struct volt_error *e);
int image_load_config(struct images *is, struct image *img, struct volt_error *e);

/* All of them, without their configs; one whose ref is broken is logged and left out. */
struct image_array {
	struct image **v;
	size_t n;
};
void image_array_done(struct image_array *a);
int images_load(struct images *is, struct image_array *ret, struct volt_error *e);

/* The manifest's bytes and its parsed form. Either may be NULL. */
int image_manifest(struct images *is, const struct digest *digest, char **ret_text,
		   size_t *ret_size, struct manifest **ret, struct volt_error *e);

/* A layer that is held, by the digest of its blob: -ENOENT. */
int layer_ref_read(struct images *is, const struct digest *blob, struct image_layer *ret,
		   struct volt_error *e);
int layer_ref_write(struct images *is, const struct image_layer *l, struct volt_error *e);

/* --- staging (image-staging.c) --- */

/* A directory of one pull, load, save or push: images/staging/<random>/. While any is in
 * use, images/staging.lock is held shared; whoever gets it exclusively knows that all
 * there is was left by the dead. */
struct staging {
	struct images *images;
	int lock, dir;
	char *path; /* absolute */
	char name[33];
};
int staging_open(struct images *is, struct staging *ret, struct volt_error *e);
void staging_close(struct staging *s);
#define _cleanup_staging_ _cleanup_(staging_close)
void staging_clean(struct images *is);
