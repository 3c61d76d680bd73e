/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "store/store.h"

/* Questions people ask about a store. They remove nothing and lock nothing: what others do
 * meanwhile may be seen or not. */

struct object_info {
	struct digest digest;
	uint64_t size;
	uint64_t allocated; /* on disk, both files together */
	uint64_t links;     /* hard links from elsewhere: assembled profiles, trees */
	bool plain, exec;   /* which files it has */
	bool kept;          /* some ref reaches it */
};

/* Every object, by digest. @fn's first result that is not 0 ends it and is returned. */
int store_list(struct store *s, int (*fn)(void *data, const struct object_info *o),
	       void *data, struct volt_error *e);

/* The object whose digest begins with @prefix ("sha256:" may stand before it), in the
 * store or named by a ref. -EINVAL, -ENOENT, -EEXIST where several begin so. */
int store_find(struct store *s, const char *prefix, struct digest *ret,
	       struct volt_error *e);

/* What keeps an object alive: one ref, by one of its members. */
struct store_reason {
	const char *ref;  /* "<kind>/<name>", without kind for a profile's */
	const char *path; /* its key among the ref's "objects"; NULL: by a list */
	const struct digest *list; /* the list that names it, or that it is itself */
};

struct store_asker {
	int (*reason)(void *data, const struct store_reason *r); /* as store_list()'s */
	void (*bad)(void *data, const char *what, const char *why);
	void *data;
};

/* @bad is told of refs and lists that cannot be read, which might name it too. */
int store_why(struct store *s, const struct digest *d, const struct store_asker *to,
	      struct volt_error *e);

/* What the refs of one kind need; what several need counts with each. */
struct kind_usage {
	const char *kind; /* "profiles", "images", … */
	uint64_t refs, objects, bytes, allocated;
};

/* By the order of the kinds on disk, profiles first. */
int store_usage_kinds(struct store *s, int (*fn)(void *data, const struct kind_usage *u),
		      void *data, struct volt_error *e);
