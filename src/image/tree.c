/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tree.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/tree-builder.h"

#define CHUNK_SIZE ((size_t)256 << 10)

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
