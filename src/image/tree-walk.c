/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tree-walk.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "image/layer-path.h"
#include "image/tree-builder.h"

#define LINKS_MAX 40u

uint32_t tree_find_path(const struct tree *t, const char *path)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int c = tree_path_compare(path, t->v[mid].path);

		if (c == 0)
			return mid;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return TREE_NONE;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return n == 0 || (strncmp(path, dir, n) == 0 && path[n] == '/');
}

uint32_t tree_subtree_end(const struct tree *t, uint32_t i)
{
	uint32_t low = i + 1, high = t->n;

	if (!S_ISDIR(t->v[i].mode))
		return low;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (is_below(t->v[mid].path, t->v[i].path))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Where a walk stands, and what it has left to do. */
struct place {
	const struct tree *t;
	char path[PATH_MAX]; /* clean, of entry @at */
	char rest[PATH_MAX];
	uint32_t at;
	unsigned int links;
};

/* Goes on from beside the link, or from the root, along its target and then what was left. */
static int follow(struct place *p, const char *target, const char *rest)
{
	char next[PATH_MAX];
	int n;

	if (++p->links > LINKS_MAX)
		return -ELOOP;
	n = snprintf(next, sizeof(next), "%s/%s", target, rest);
	if (n < 0 || (size_t)n >= sizeof(next))
		return -ENAMETOOLONG;
	memcpy(p->rest, next, (size_t)n + 1);
	if (target[0] == '/')
		p->path[0] = '\0';
	else
		(void)layer_path_walk(p->path, "..");
	p->at = tree_find_path(p->t, p->path);
	return p->at == TREE_NONE ? -ENOENT : 0;
}

/* One name further. */
static int step(struct place *p, char *name, const char *rest, const struct tree_walk *w)
{
	const struct tree_entry *found;
	int r;

	if (!S_ISDIR(p->t->v[p->at].mode))
		return -ENOTDIR;
	r = layer_path_walk(p->path, name);
	if (r < 0)
		return r;
	p->at = tree_find_path(p->t, p->path);
	if (p->at == TREE_NONE)
		return -ENOENT;
	found = &p->t->v[p->at];
	if (S_ISLNK(found->mode)) {
		if (w && w->link)
			w->link(w->data, p->at);
		return follow(p, found->target, rest);
	}
	memmove(p->rest, rest, strlen(rest) + 1);
	return 0;
}

int tree_resolve(const struct tree *t, const char *path, const struct tree_walk *w,
		 uint32_t *ret)
{
	struct place p = { .t = t };

	if (strlen(path) >= sizeof(p.rest))
		return -ENAMETOOLONG;
	memcpy(p.rest, path, strlen(path) + 1);
	while (p.rest[0]) {
		char name[NAME_MAX + 1];
		size_t n = strcspn(p.rest, "/");
		int r;

		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, p.rest, n);
		name[n] = '\0';
		r = step(&p, name, p.rest + n + (p.rest[n] == '/'), w);
		if (r < 0)
			return r;
	}
	*ret = p.at;
	return 0;
}
