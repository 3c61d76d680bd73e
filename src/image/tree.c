/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tree.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/tree-builder.h"

#define CHUNK_SIZE   ((size_t)256 << 10)
#define SYMLINKS_MAX 40

struct chunk {
	struct chunk *next;
	size_t used, size;
	max_align_t data[];
};

struct adopted {
	struct adopted *next;
	void *p;
};

struct tree_arena {
	struct chunk *head;
	struct adopted *adopted;
	size_t size;
};

int tree_arena_new(struct tree_arena **ret)
{
	struct tree_arena *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*ret = a;
	return 0;
}

void tree_arena_free(struct tree_arena *a)
{
	if (!a)
		return;
	for (struct chunk *c = a->head, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	for (struct adopted *d = a->adopted, *next; d; d = next) {
		next = d->next;
		free(d->p);
		free(d);
	}
	free(a);
}

int tree_arena_adopt(struct tree_arena *a, void *p, size_t size)
{
	struct adopted *d = malloc(sizeof(*d));

	if (!d)
		return -ENOMEM;
	*d = (struct adopted){ .next = a->adopted, .p = p };
	a->adopted = d;
	a->size += size;
	return 0;
}

size_t tree_arena_size(const struct tree_arena *a)
{
	return a->size;
}

/* A piece that would waste much of a chunk gets one of its own, behind the head, so that
 * the rest of the head stays in use. */
static struct chunk *chunk_add(struct tree_arena *a, size_t size)
{
	bool big = size > CHUNK_SIZE / 4;
	size_t room = big ? size : CHUNK_SIZE;
	struct chunk *c;

	if (room > SIZE_MAX - sizeof(*c))
		return NULL;
	c = malloc(sizeof(*c) + room);
	if (!c)
		return NULL;
	c->used = 0;
	c->size = room;
	a->size += room;
	if (big && a->head) {
		c->next = a->head->next;
		a->head->next = c;
	} else {
		c->next = a->head;
		a->head = c;
	}
	return c;
}

void *tree_arena_alloc(struct tree_arena *a, size_t size)
{
	const size_t align = _Alignof(max_align_t);
	struct chunk *c = a->head;
	void *p;

	if (size > SIZE_MAX - align)
		return NULL;
	size = (size + align - 1) / align * align;
	if (!c || c->size - c->used < size)
		c = chunk_add(a, size);
	if (!c)
		return NULL;
	p = (char *)c->data + c->used;
	c->used += size;
	return p;
}

void *tree_arena_copy(struct tree_arena *a, const void *data, size_t size)
{
	void *p = tree_arena_alloc(a, size);

	if (p && size > 0)
		memcpy(p, data, size);
	return p;
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	tree_arena_free(t->arena);
	free(t->v);
	free(t);
}

static int rank(char c)
{
	if (c == '\0')
		return 0;
	return c == '/' ? 1 : (unsigned char)c + 1;
}

int tree_path_compare(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return rank(*a) - rank(*b);
}

const struct tree_entry *tree_find(const struct tree *t, const char *path)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int c = tree_path_compare(path, t->v[mid].path);

		if (c == 0)
			return &t->v[mid];
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* Where a walk stands: the directory reached, and the text still to be walked. */
struct walk {
	const struct tree *tree;
	char at[PATH_MAX];
	char todo[2 * PATH_MAX];
	unsigned links;
};

static void walk_up(struct walk *w)
{
	char *slash = strrchr(w->at, '/');

	*(slash ? slash : w->at) = '\0';
}

static int walk_down(struct walk *w, const char *name, size_t n)
{
	size_t have = strlen(w->at);

	if (have + 1 + n >= sizeof(w->at))
		return -ENAMETOOLONG;
	if (have > 0)
		w->at[have++] = '/';
	memcpy(w->at + have, name, n);
	w->at[have + n] = '\0';
	return 0;
}

/* The link that @w->at names is replaced by its target, in front of @rest: a part of
 * @w->todo that is empty or begins with a slash. */
static int walk_link(struct walk *w, const char *target, const char *rest)
{
	size_t n = strlen(target), left = strlen(rest);

	if (++w->links > SYMLINKS_MAX)
		return -ELOOP;
	if (n == 0)
		return -ENOENT;
	if (n + left >= sizeof(w->todo))
		return -ENAMETOOLONG;
	memmove(w->todo + n, rest, left + 1);
	memcpy(w->todo, target, n);
	if (target[0] == '/')
		w->at[0] = '\0';
	else
		walk_up(w);
	return 0;
}

/* Walks the first component of @w->todo. */
static int walk_step(struct walk *w, const struct tree_entry **at)
{
	const char *name = w->todo, *rest;
	size_t n = strcspn(name, "/");
	int r;

	if (!S_ISDIR((*at)->mode))
		return -ENOTDIR;
	rest = name + n + strspn(name + n, "/");
	if (n == 2 && memcmp(name, "..", 2) == 0) {
		walk_up(w);
	} else if (n > 0 && !(n == 1 && name[0] == '.')) {
		r = walk_down(w, name, n);
		if (r < 0)
			return r;
	}
	*at = tree_find(w->tree, w->at);
	if (!*at)
		return -ENOENT;
	if (!S_ISLNK((*at)->mode)) {
		memmove(w->todo, rest, strlen(rest) + 1);
		/* "file/" asks for a directory as "file/." would. */
		return rest > name + n && !S_ISDIR((*at)->mode) ? -ENOTDIR : 0;
	}
	/* A slash after the link stays, so that its target must be a directory. */
	r = walk_link(w, (*at)->target, rest > name + n ? rest - 1 : rest);
	if (r < 0)
		return r;
	*at = tree_find(w->tree, w->at);
	return *at ? 0 : -ENOENT;
}

int tree_resolve(const struct tree *t, const char *path, const struct tree_entry **ret)
{
	const struct tree_entry *at = tree_find(t, "");
	struct walk w = { .tree = t };
	size_t size = strlen(path) + 1;
	int r;

	if (size > PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(w.todo, path, size);
	while (w.todo[0] != '\0') {
		if (!at)
			return -ENOENT;
		r = walk_step(&w, &at);
		if (r < 0)
			return r;
	}
	if (!at)
		return -ENOENT;
	*ret = at;
	return 0;
}
