/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "store/ingest.h"
#include "store/store.h"

/* What keeps objects alive: cas/refs/<name>.json (profile manifests) and
 * cas/refs/<kind>/<name>.json (images, layers, kernels, machines). A ref's "objects"
 * member maps any key to a digest; its "lists" member is an array of digests of list
 * objects, each of which keeps alive itself and every digest in it. Digests are 64
 * hexadecimal digits. All other members belong to whoever wrote the ref, and unknown ones
 * are kept. A @name is a name_is_valid(): an image's is its digest's 64 digits. */

/* @kind is NULL (profiles), "images", "layers", "kernels" or "machines". Writing takes a
 * lease of its own, is durable on return, replaces, and is refused (-ENOENT) where an
 * object or list that the ref names is not in the store. */
int ref_write(struct store *s, const char *kind, const char *name, const json_t *j,
	      struct volt_error *e);
int ref_read(struct store *s, const char *kind, const char *name, json_t **ret,
	     struct volt_error *e); /* -ENOENT */
int ref_remove(struct store *s, const char *kind, const char *name,
	       struct volt_error *e); /* -ENOENT */

/* -EBADMSG unless "objects" and "lists", where present, are as described. */
int ref_check(const json_t *j, const char *what, struct volt_error *e);

/* The names of one kind, sorted, without ".json". */
struct strv;
int ref_list(struct store *s, const char *kind, struct strv *ret, struct volt_error *e);

/* cas/refs/tags/<tag> holds one ref name of kind NULL. */
int ref_tag_write(struct store *s, const char *tag, const char *name,
		  struct volt_error *e);
int ref_tag_read(struct store *s, const char *tag, char **ret,
		 struct volt_error *e);                                     /* -ENOENT */
int ref_tag_remove(struct store *s, const char *tag, struct volt_error *e); /* -ENOENT */

#define OBJECT_LIST_MAGIC \
	"volt-list-1\n"            /* then 32 bytes a digest, sorted, no duplicates */
#define OBJECT_LIST_MAX (4u << 20) /* digests */

/* Adds a list of the @n digests at @v, which it sorts. */
int object_list_add(struct ingest *g, struct digest *v, size_t n, struct digest *ret,
		    struct volt_error *e);
int object_list_read(const struct store *s, const struct digest *d, struct digest **ret,
		     size_t *ret_n, struct volt_error *e);
int object_list_parse(const char *data, size_t size, struct digest **ret, size_t *ret_n);
