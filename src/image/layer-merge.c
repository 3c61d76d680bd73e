/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * All layers are sorted alike, so putting one on top of what is there is one pass over
 * both, as in merge sort. Before it, what the upper layer removes is marked: the subtree of
 * a path is contiguous. In the pass, whatever replaces a directory by something else skips
 * the lower subtree. Entries are moved as pointers; only the result is made of copies.
 * Hard links are groups within one layer; the first name of a group that survives becomes
 * the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "image/layer.h"
#include "image/tree-builder.h"

struct item {
	const struct tree_entry *t;
	uint32_t layer;
	bool gone;
};

struct pile {
	struct item *v;
	size_t n, size;
};

static void pile_done(struct pile *p)
{
	free(p->v);
}

static int push(struct pile *p, const struct tree_entry *t, uint32_t layer)
{
	if (p->n == p->size) {
		size_t size = p->size > 0 ? p->size * 2 : 1024;
		struct item *v = reallocarray(p->v, size, sizeof(*v));

		if (!v)
			return -ENOMEM;
		p->v = v;
		p->size = size;
	}
	p->v[p->n++] = (struct item){ .t = t, .layer = layer };
	return 0;
}

static bool is_below(const char *path, const char *up)
{
	size_t n = strlen(up);

	return n == 0 ? *path != '\0' : strncmp(path, up, n) == 0 && path[n] == '/';
}

/* The index of @path, or of what would stand after it. */
static size_t find(const struct pile *p, const char *path)
{
	size_t low = 0, high = p->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (tree_path_compare(p->v[mid].t->path, path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* A subtree whose first entry is gone already is gone as a whole: removals are sorted,
 * so nested ones cost nothing. */
static void remove_from(struct pile *p, const struct layer_removal *v)
{
	size_t i = find(p, v->path);

	if (i == p->n || strcmp(p->v[i].t->path, v->path) != 0)
		return;
	if (v->opaque)
		i++;
	else if (!p->v[i].gone)
		p->v[i++].gone = true;
	for (; i < p->n && !p->v[i].gone && is_below(p->v[i].t->path, v->path); i++)
		p->v[i].gone = true;
}

struct merge {
	const struct pile *lower;
	const struct layer *upper;
	uint32_t layer; /* the upper one's number */
	size_t i, j;
	struct pile out;
};

static int take_lower(struct merge *m)
{
	const struct item *low = &m->lower->v[m->i++];

	return low->gone ? 0 : push(&m->out, low->t, low->layer);
}

static int take_upper(struct merge *m)
{
	return push(&m->out, &m->upper->tree->v[m->j++], m->layer);
}

/* Both have the path. */
static int take_one(struct merge *m)
{
	const struct item *low = &m->lower->v[m->i];
	const struct tree_entry *up = &m->upper->tree->v[m->j];

	if (S_ISDIR(up->mode) && (up->flags & TREE_IMPLIED) != 0 && !low->gone &&
	    S_ISDIR(low->t->mode)) {
		m->j++;
		return take_lower(m);
	}
	m->i++;
	if (!S_ISDIR(up->mode))
		while (m->i < m->lower->n &&
		       is_below(m->lower->v[m->i].t->path, up->path))
			m->i++;
	return take_upper(m);
}

static int merge_pass(struct merge *m)
{
	while (m->i < m->lower->n || m->j < m->upper->tree->n) {
		int c, r;

		if (m->i == m->lower->n)
			c = 1;
		else if (m->j == m->upper->tree->n)
			c = -1;
		else
			c = tree_path_compare(m->lower->v[m->i].t->path,
					      m->upper->tree->v[m->j].path);
		r = c < 0 ? take_lower(m) : c > 0 ? take_upper(m) : take_one(m);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Puts layer number @k on top. */
static int stack_layer(struct pile *p, const struct layer *l, uint32_t k)
{
	struct merge m = { .lower = p, .upper = l, .layer = k };
	int r;

	for (uint32_t i = 0; i < l->n_removals; i++)
		remove_from(p, &l->removals[i]);
	r = merge_pass(&m);
	if (r < 0) {
		pile_done(&m.out);
		return r;
	}
	pile_done(p);
	*p = m.out;
	return 0;
}

/* For each layer, where in the result its files are: TREE_NONE until one is there. */
static uint32_t **places_new(struct layer *const *layers, size_t n)
{
	size_t total = 0;
	uint32_t **v, *next;

	for (size_t i = 0; i < n; i++)
		total += layers[i]->tree->n;
	v = malloc((n + 1) * sizeof(*v) + total * sizeof(*next));
	if (!v)
		return NULL;
	next = (uint32_t *)(v + n + 1);
	memset(next, 0xff, total * sizeof(*next));
	for (size_t i = 0; i < n; i++) {
		v[i] = next;
		next += layers[i]->tree->n;
	}
	return v;
}

static int make_tree(const struct pile *p, struct layer *const *layers, size_t n,
		     struct tree *t)
{
	_cleanup_free_ uint32_t **places = places_new(layers, n);

	if (!places || tree_arena_new(&t->arena) < 0)
		return -ENOMEM;
	t->v = calloc(p->n + 1, sizeof(*t->v));
	if (!t->v)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++) {
		const struct item *from = &p->v[i];
		const struct tree_entry *all = layers[from->layer]->tree->v;
		uint32_t *place = &places[from->layer][from->t->hardlink == TREE_NONE
							       ? from->t - all
							       : from->t->hardlink];

		t->v[i] = *from->t;
		t->v[i].hardlink = *place;
		t->v[i].flags = 0;
		if (*place == TREE_NONE)
			*place = (uint32_t)i;
	}
	t->n = (uint32_t)p->n;
	return 0;
}

int layer_merge(struct layer *const *layers, size_t n, uint32_t max, struct tree **ret,
		struct volt_error *e)
{
	static const struct tree_entry root = { .path = "",
						.mode = S_IFDIR | 0755,
						.hardlink = TREE_NONE };
	_cleanup_(pile_done) struct pile p = { 0 };
	_cleanup_(tree_freep) struct tree *t = calloc(1, sizeof(*t));

	if (!t)
		return fail_oom(e);
	for (size_t k = 0; k < n; k++) {
		if (stack_layer(&p, layers[k], (uint32_t)k) < 0)
			return fail_oom(e);
		if (p.n > max)
			return fail(e, E2BIG, "more than %u files", max);
	}
	if (make_tree(&p, layers, n, t) < 0)
		return fail_oom(e);
	if (t->n == 0) { /* an image without layers is an empty directory */
		t->v[0] = root;
		t->n = 1;
	}
	*ret = TAKE_PTR(t);
	return 0;
}
