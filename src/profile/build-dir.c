/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/path.h"
#include "base/strv.h"
#include "profile/build.h"

/* A directory somebody made, as a profile. It is walked without following a link; the files
 * are then opened from its top again (open_within()), so that neither a link nor a rename
 * meanwhile leads anywhere else. */

#define DEPTH_MAX 16
#define FILES_MAX 65536

struct walk {
	int root;
	struct strv paths;
	struct volt_error *e;
};

/* Only what leads to a file of the same directory will do. */
static int check_link(const struct walk *w, const char *path)
{
	_cleanup_close_ int fd = open_within(w->root, path, O_PATH);
	struct stat st;

	if (fd == -EXDEV)
		return fail(w->e, EXDEV,
			    "'%s' is a link that leads out of the directory: put the "
			    "file there instead",
			    path);
	if (fd < 0)
		return fail_code(w->e, fd, "follow the link '%s'", path);
	if (fstat(fd, &st) < 0)
		return fail_errno(w->e, "look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return fail(w->e, EINVAL, "'%s' is a link, but not to a regular file",
			    path);
	return 0;
}

static int add_path(struct walk *w, const char *path)
{
	if (w->paths.n == FILES_MAX)
		return fail(w->e, E2BIG, "more than %d files", FILES_MAX);
	if (!profile_path_is_valid(path))
		return fail(w->e, EINVAL, "'%s' is not below bin/, lib/ or firmware/",
			    path);
	return strv_add(&w->paths, path) < 0 ? fail_oom(w->e) : 0;
}

static int walk_dir(struct walk *w, int dirfd, const char *prefix, int depth);

static int walk_below(struct walk *w, int dirfd, const char *name, const char *path,
		      int depth)
{
	_cleanup_close_ int fd = -1;

	if (depth == DEPTH_MAX)
		return fail(w->e, ELOOP, "'%s' is more than %d directories deep", path,
			    DEPTH_MAX);
	fd = open_beneath(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	return fd < 0 ? fail_code(w->e, fd, "open '%s'", path)
		      : walk_dir(w, fd, path, depth + 1);
}

static int walk_entry(struct walk *w, int dirfd, const char *name, const char *prefix,
		      int depth)
{
	char path[PATH_MAX];
	struct stat st;
	int r;

	if (snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "/" : "", name) >=
	    (int)sizeof(path))
		return fail(w->e, ENAMETOOLONG, "a path below '%s' is too long", prefix);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(w->e, "look at '%s'", path);
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return walk_below(w, dirfd, name, path, depth);
	case S_IFLNK:
		r = check_link(w, path);
		return r < 0 ? r : add_path(w, path);
	case S_IFREG:
		return add_path(w, path);
	default:
		return fail(w->e, EINVAL,
			    "'%s' is neither a file, a directory nor a link", path);
	}
}

static int walk_dir(struct walk *w, int dirfd, const char *prefix, int depth)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int r;

	r = dir_stream(dirfd, &dir);
	if (r < 0)
		return fail_code(w->e, r, "list '%s'", *prefix ? prefix : ".");
	while (r >= 0) {
		de = dir_next(dir);
		if (!de)
			return errno ? fail_errno(w->e, "list '%s'", prefix) : 0;
		r = walk_entry(w, dirfd, de->d_name, prefix, depth);
	}
	return r;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int store_paths(const struct profiles *ps, const struct profile_about *about,
		       const struct walk *w, const char *top,
		       struct profile_manifest **ret, struct volt_error *e)
{
	_cleanup_free_ struct profile_file *files =
		calloc(w->paths.n + 1, sizeof(*files));
	_cleanup_strv_ struct strv sources = { 0 };
	int r = files ? 0 : -ENOMEM;

	for (size_t i = 0; i < w->paths.n && r >= 0; i++) {
		if (top)
			r = strv_addf(&sources, "%s/%s", top, w->paths.v[i]);
		if (r < 0)
			break;
		files[i] = (struct profile_file){ .path = w->paths.v[i],
						  .source = top ? sources.v[i] : NULL,
						  .dirfd = w->root,
						  .at = w->paths.v[i] };
	}
	return r < 0 ? fail_oom(e) : profile_store(ps, about, files, w->paths.n, ret, e);
}

int profile_store_directory(const struct profiles *ps, const struct profile_about *about,
			    int dirfd, const char *path, struct profile_manifest **ret,
			    struct volt_error *e)
{
	struct walk w = { .root = dirfd, .e = e };
	int r;

	r = walk_dir(&w, dirfd, "", 0);
	if (r >= 0 && w.paths.n == 0)
		r = fail(e, ENOENT, "there is no file in its bin/, lib/ or firmware/");
	if (r < 0) {
		r = fail_in(e, r, "build profile '%s'", about->name);
	} else {
		qsort(w.paths.v, w.paths.n, sizeof(*w.paths.v), by_text);
		r = store_paths(ps, about, &w, path, ret, e);
	}
	strv_done(&w.paths);
	return r;
}
