/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "store/store.h"

/* What keeps objects alive: cas/refs/<name>.json (profile manifests) and
 * cas/refs/<kind>/<name>.json (images, layers, kernels, machines). A ref's "objects"
 * member maps any key to a digest; its "lists" member is an array of digests of list
 * objects, each of which keeps alive itself and every digest in it. All other members
 * belong to whoever wrote the ref, and unknown ones are kept. */

#define OBJECT_LIST_MAGIC \
	"volt-list-1\n" /* then 32 bytes a digest, sorted, no duplicates */

/* @kind is NULL (profiles), "images", "layers", "kernels" or "machines". */
int ref_write(struct store *s, const char *kind, const char *name, const json_t *j,
	      struct volt_error *e);
int ref_read(struct store *s, const char *kind, const char *name, json_t **ret,
	     struct volt_error *e); /* -ENOENT */
int ref_remove(struct store *s, const char *kind, const char *name, struct volt_error *e);

/* The names of one kind, sorted, without ".json". */
struct strv;
int ref_list(struct store *s, const char *kind, struct strv *ret, struct volt_error *e);

/* cas/refs/tags/<tag> holds one ref name of kind NULL. */
int ref_tag_write(struct store *s, const char *tag, const char *name,
		  struct volt_error *e);
int ref_tag_read(struct store *s, const char *tag, char **ret, struct volt_error *e);
