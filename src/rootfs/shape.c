/* SPDX-License-Identifier: Apache-2.0 */
/* A tree comes from a file: a wrong one must not become a loop or a bad pointer. */
#include "rootfs/shape.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

/* Children of one directory as they are met. */
struct level {
	uint32_t dir, last;
};

struct walk {
	const struct tree *t;
	struct level stack[PATH_MAX / 2 + 2];
	size_t depth;
};

static bool is_child(const char *dir, const char *path, size_t *ret_name)
{
	size_t n = strlen(dir);

	if (strncmp(dir, path, n) != 0 || (n > 0 && path[n] != '/'))
		return false;
	*ret_name = n > 0 ? n + 1 : 0;
	return true;
}

static bool name_is_sound(const char *name)
{
	size_t n = strcspn(name, "/");

	return n > 0 && n <= 255 && name[n] == '\0' && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static int check_hardlink(const struct tree *t, uint32_t i, struct volt_error *e)
{
	const struct tree_entry *f = &t->v[i];
	const struct tree_entry *to;

	if (f->hardlink == TREE_NONE)
		return 0;
	to = f->hardlink < i ? &t->v[f->hardlink] : NULL;
	if (!to || to->hardlink != TREE_NONE || S_ISDIR(to->mode))
		return fail(e, EBADMSG, "broken tree: hard link '%s' leads nowhere",
			    f->path);
	return 0;
}

/* Whether entry @i may stand where it does, in the directory at the top of the stack. */
static bool fits(const struct walk *w, uint32_t i, size_t name)
{
	const struct level *up = &w->stack[w->depth - 1];
	const struct tree_entry *v = w->t->v;

	return S_ISDIR(v[up->dir].mode) && name_is_sound(v[i].path + name) &&
	       (up->last == TREE_NONE ||
		strcmp(v[up->last].path + name, v[i].path + name) < 0);
}

/* Leaves the directories that entry @i is not in. */
static int find_place(struct walk *w, uint32_t i, struct shape_place *ret,
		      struct volt_error *e)
{
	const char *path = w->t->v[i].path;
	size_t name = 0;

	while (w->depth > 0 &&
	       !is_child(w->t->v[w->stack[w->depth - 1].dir].path, path, &name))
		w->depth--;
	if (w->depth == 0 || w->depth == ARRAY_SIZE(w->stack) || name >= PATH_MAX ||
	    !fits(w, i, name))
		return fail(e, EBADMSG, "broken tree: '%s' is out of order", path);
	*ret = (struct shape_place){ .dir = w->stack[w->depth - 1].dir,
				     .before = w->stack[w->depth - 1].last,
				     .name = (uint16_t)name };
	return 0;
}

int shape_walk(const struct tree *t,
	       void (*visit)(void *data, uint32_t i, const struct shape_place *at),
	       void *data, struct volt_error *e)
{
	struct walk w = { .t = t };
	struct shape_place at;
	int r = 0;

	if (t->n == 0 || t->v[0].path[0] != '\0' || !S_ISDIR(t->v[0].mode) ||
	    t->v[0].hardlink != TREE_NONE)
		return fail(e, EBADMSG, "broken tree: it has no root");
	w.stack[w.depth++] = (struct level){ 0, TREE_NONE };
	for (uint32_t i = 1; i < t->n; i++) {
		r = check_hardlink(t, i, e);
		if (r >= 0)
			r = find_place(&w, i, &at, e);
		if (r < 0)
			return r;
		w.stack[w.depth - 1].last = i;
		w.stack[w.depth++] = (struct level){ i, TREE_NONE };
		visit(data, i, &at);
	}
	return 0;
}
