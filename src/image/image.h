/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "volt.h"

#include "base/digest.h"
#include "base/log.h"
#include "base/macro.h"
#include "base/strv.h"
#include "store/store.h"

/* The images of one root: names (images/names/), and the refs of kind "images" that keep
 * each image's objects. Everything here is safe beside other processes doing the same. */
struct images;

/* @rootfd (dup'ed) is volt's root; @s stays the caller's and must outlive the result.
 * Removes the staging of pulls whose process is gone. */
int images_open(int rootfd, struct store *s, struct images **ret, struct volt_error *e);
void images_close(struct images *is);
DEFINE_CLEANUP(struct images *, images_close)

void images_set_log(struct images *is, const struct log *log); /* copied; may be NULL */
void images_set_progress(struct images *is, volt_progress_fn fn, void *data);

/* What may be made of an image's merged tree as soon as that is known, while its objects
 * are being committed. */
struct image_head_start {
	/* In a thread of its own; @s has the objects that are not committed yet. A failure is
	 * nobody's: whoever needs it makes it later. */
	void (*begin)(void *data, struct store *s, const struct digest *tree);
	/* The image was not stored after all. */
	void (*undo)(void *data, const struct digest *tree);
	void *data;
};
void images_set_head_start(struct images *is, const struct image_head_start *h);

struct image {
	char *name;             /* by which it was found or pulled; NULL: by id */
	struct strv names;      /* all of them, sorted */
	struct digest manifest; /* of this platform's manifest, as the registry has it */
	struct digest config;   /* its hexadecimal text is the image's id, as podman's */
	struct digest tree;     /* merged: tree_load(), rootfs_erofs() */
	json_t *config_json;    /* the OCI config: "config", "rootfs", "history", … */
	const char *arch;       /* volt's word, static: "x86_64"; "" where not known */
	int64_t created;        /* ns since 1970, 0 where not said */
	uint64_t size;          /* bytes of all files in the merged tree */
};

void image_free(struct image *img);
DEFINE_CLEANUP(struct image *, image_free)

/* @text is a name (a short one is tried as localhost/NAME first, then docker.io), a name
 * with a digest (the manifest's, or the index's it was pulled through), an id, the
 * beginning of an id (3 digits or more), or "sha256:…" of id or manifest. -ENOENT;
 * -EEXIST when several ids begin so. */
int image_find(struct images *is, const char *text, struct image **ret,
	       struct volt_error *e);

/* The same without its config_json: one whose config is damaged can still be removed. */
int image_find_bare(struct images *is, const char *text, struct image **ret,
		    struct volt_error *e);

/* All, newest first; {"id","digest","names","created_at","size","arch"} each. */
int image_list(struct images *is, json_t **ret, struct volt_error *e);

/* What `podman image inspect` has under the same names (Id, Digest, RepoTags, RepoDigests,
 * Created, Size, Architecture, Os, Config, RootFS, History, …), and volt's own below
 * "Volt": {"tree", "manifest", "layers"}. */
int image_inspect(struct images *is, const struct image *img, json_t **ret,
		  struct volt_error *e);

/* Adds to a ref's "objects" and "lists" all that the image needs to run, so that a
 * machine's ref keeps it alive even where the image is removed by force. An image is in
 * use while a ref of kind "machines" holds its manifest digest in "objects". */
int image_pin(struct images *is, const struct image *img, json_t *ref,
	      struct volt_error *e);

int image_tag(struct images *is, const char *image, const char *name,
	      struct volt_error *e);
/* @name NULL: all names. The image stays. */
int image_untag(struct images *is, const char *image, const char *name,
		struct volt_error *e);

struct image_removed {
	struct strv untagged; /* names */
	struct strv deleted;  /* ids */
	struct digest *trees; /* no image has these any more: rootfs_evict() */
	size_t n_trees;
	uint64_t bytes; /* freed in the store */
};
void image_removed_done(struct image_removed *r);

/* Takes the name away; with its last name (or by id) the image goes too. By id with
 * several names: -EBUSY without VOLT_REMOVE_FORCE. In use by a machine: -EBUSY, names it.
 * VOLT_REMOVE_WHOLE: all names at once, or none. */
int image_remove(struct images *is, const char *image, unsigned int flags,
		 struct image_removed *ret, struct volt_error *e);

/* Images without a name, with @all also those with one; never one that a machine uses. */
int image_prune(struct images *is, bool all, struct image_removed *ret,
		struct volt_error *e);
