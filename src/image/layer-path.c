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

/* Puts @target in place of the link that @path is up to @end. What stands after that is
 * clean, so walking it only appends. */
static int replace(char path[static PATH_MAX], size_t end, const char *target)
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
		memcpy(path, out, strlen(out) + 1);
	return r;
}

int layer_path_resolve(const struct tree_builder *b, char path[static PATH_MAX],
		       struct volt_error *e)
{
	for (int links = 0; links <= SYMLINKS_MAX; links++) {
		size_t end;
		const struct tree_entry *t = tree_builder_obstacle(b, path, &end);

		if (!t)
			return 0;
		if (!S_ISLNK(t->mode))
			return fail(e, ENOTDIR,
				    "'%s' is below a file that is no directory", path);
		if (replace(path, end, t->target) < 0)
			return fail(e, ENAMETOOLONG, "a path through '%s' is too long",
				    t->path);
	}
	return fail(e, ELOOP, "'%s' leads through too many symbolic links", path);
}
