/* SPDX-License-Identifier: Apache-2.0 */
#include "image/layer-path.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

#define SYMLINKS_MAX 40

static void go_up(char *path)
{
	char *slash = strrchr(path, '/');

	*(slash ? slash : path) = '\0';
}

static int append(char *path, const char *name, size_t n)
{
	size_t have = strlen(path);

	if (n > NAME_MAX || have + 1 + n >= PATH_MAX)
		return -ENAMETOOLONG;
	if (have > 0)
		path[have++] = '/';
	memcpy(path + have, name, n);
	path[have + n] = '\0';
	return 0;
}

/* Walks the components of @name from @path on. Above the root: -EPERM if @strict. */
static int walk(char *path, const char *name, bool strict)
{
	while (*name) {
		size_t n = strcspn(name, "/");
		int r = 0;

		if (n == 2 && name[0] == '.' && name[1] == '.') {
			if (*path == '\0' && strict)
				return -EPERM;
			go_up(path);
		} else if (n > 0 && !(n == 1 && name[0] == '.')) {
			r = append(path, name, n);
		}
		if (r < 0)
			return r;
		name += n + (name[n] == '/');
	}
	return 0;
}

int layer_path_walk(char path[static PATH_MAX], const char *name)
{
	return walk(path, name, false);
}

int layer_path_clean(const char *name, char ret[static PATH_MAX], struct volt_error *e)
{
	int r;

	ret[0] = '\0';
	r = walk(ret, name, true);
	if (r == -EPERM)
		return fail(e, EPERM, "'%s' leads out of the image", name);
	if (r < 0)
		return fail(e, -r, "the name '%.100s…' is too long", name);
	return 0;
}

/* Puts @target in place of the link that @path is up to @end. */
static int replace(char *path, size_t end, const char *target, const char *name)
{
	char out[PATH_MAX];
	int r;

	memcpy(out, path, end);
	out[end] = '\0';
	go_up(out);
	if (target[0] == '/')
		out[0] = '\0';
	r = walk(out, target, false);
	if (r == 0)
		r = walk(out, path + end, false);
	if (r == 0)
		r = append(out, name, strlen(name));
	if (r == 0)
		strcpy(path, out);
	return r;
}

/* The first link or file that stands where a directory must be: its type, and where its
 * name ends. */
static const struct tree_entry *find_obstacle(const struct tree_builder *b, char *path,
					      size_t *ret_end)
{
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		const struct tree_entry *t;

		*slash = '\0';
		t = tree_builder_find(b, path);
		*slash = '/';
		if (t && !S_ISDIR(t->mode)) {
			*ret_end = (size_t)(slash - path);
			return t;
		}
	}
	return NULL;
}

int layer_path_resolve(const struct tree_builder *b, char path[static PATH_MAX],
		       struct volt_error *e)
{
	for (int links = 0; links <= SYMLINKS_MAX; links++) {
		size_t end;
		const struct tree_entry *t = find_obstacle(b, path, &end);
		char name[NAME_MAX + 1];
		char *last;

		if (!t)
			return 0;
		if (!S_ISLNK(t->mode))
			return fail(e, ENOTDIR,
				    "'%s' is below a file that is no directory", path);
		last = strrchr(path, '/');
		strcpy(name, last + 1);
		*last = '\0';
		if (replace(path, end, t->target, name) < 0)
			return fail(e, ENAMETOOLONG, "a path through '%s' is too long",
				    t->path);
	}
	return fail(e, ELOOP, "'%s' leads through too many symbolic links", path);
}
