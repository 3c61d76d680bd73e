/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image/tree.h"

/* Filling an empty directory with a tree: two kinds of TinyVol, one walk. */
int tinyvol_fill_9p(const struct tree *t, const struct store *s, int dir,
		    struct volt_error *e);
int tinyvol_fill_host(const struct tree *t, const struct store *s, int dir,
		      struct volt_error *e);

/* The rest is between the walk (tinyvol.c) and the kinds. */

/* A directory in which names are being made. */
struct tinyvol_level {
	uint32_t entry;
	int dir;
	int meta; /* the kind's, closed with it, or -1 */
};

struct tinyvol;

struct tinyvol_ops {
	/* The root, which exists. */
	int (*start)(struct tinyvol *v, struct tinyvol_level *root,
		     const struct tree_entry *f);
	/* Makes @name; errors need not name it. */
	int (*put)(struct tinyvol *v, struct tinyvol_level *up, const char *name,
		   const struct tree_entry *f, struct volt_error *e);
	/* A directory with all its names in it; or NULL. */
	int (*leave)(struct tinyvol *v, const struct tinyvol_level *l,
		     const struct tree_entry *f);
};

struct tinyvol {
	const struct tree *t;
	const struct store *s;
	const struct tinyvol_ops *ops;
	void *data; /* the kind's */
	struct tinyvol_level *stack;
	size_t depth, size;
};

int tinyvol_fill(const struct tree *t, const struct store *s, int dir,
		 const struct tinyvol_ops *ops, void *data, struct volt_error *e);

/* Makes and opens a directory, 0755. */
int tinyvol_make_dir(int parent, const char *name);

/* Makes a directory in which the walk goes on. */
int tinyvol_enter(struct tinyvol *v, const struct tinyvol_level *up, const char *name,
		  const struct tree_entry *f);

/* A file of its own, 0444. */
int tinyvol_write(int dir, const char *name, const void *data, size_t size);

/* A link to the object of @f, checked; and another name of an earlier entry. */
int tinyvol_link_object(struct tinyvol *v, const struct tinyvol_level *up,
			const char *name, const struct tree_entry *f,
			struct volt_error *e);
int tinyvol_link_name(struct tinyvol *v, const struct tinyvol_level *up, const char *name,
		      const struct tree_entry *f);

/* -EBADMSG: names the object of @f. */
int tinyvol_fail_size(const struct tree_entry *f, struct volt_error *e);
