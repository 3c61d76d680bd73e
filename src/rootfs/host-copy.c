/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/host-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/path.h"
#include "base/strv.h"
#include "image/tree-builder.h"

struct copy {
	const char *source;
	int root; /* the directory, or the one file */
	bool file;
	struct tree_builder *b;
	struct tree *t;
	struct strv queue; /* directories still to be read */
	size_t next, n;
};

static void copy_done(struct copy *c)
{
	closep(&c->root);
	tree_builder_free(c->b);
	tree_free(c->t);
	strv_done(&c->queue);
}

/* --- what is there --- */

static int add_link(struct copy *c, int dirfd, const char *name, struct tree_entry *f,
		    struct volt_error *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (n < 0)
		return fail_errno(e, "read link '%s'", f->path);
	target[n] = '\0';
	f->target = target;
	f->size = (uint64_t)n;
	return tree_builder_add(c->b, f, e);
}

static int add_found(struct copy *c, int dirfd, const char *name, const char *path,
		     struct volt_error *e)
{
	struct tree_entry f = { .path = path };
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		/* gone since the directory was read */
		return errno == ENOENT ? 0 : fail_errno(e, "look at '%s'", path);
	f.mode = st.st_mode;
	f.mtime = st.st_mtim.tv_sec;
	f.mtime_nsec = (uint32_t)st.st_mtim.tv_nsec;
	if (++c->n > HOST_COPY_MAX)
		return fail(e, E2BIG, "there are more than %d files", HOST_COPY_MAX);
	if (S_ISLNK(st.st_mode))
		return add_link(c, dirfd, name, &f, e);
	if (S_ISDIR(st.st_mode) && strv_add(&c->queue, path) < 0)
		return fail_oom(e);
	if (S_ISREG(st.st_mode))
		f.size = (uint64_t)st.st_size;
	else if (!S_ISDIR(st.st_mode))
		return 0;
	return tree_builder_add(c->b, &f, e);
}

/* @above is "" for the root. */
static int add_name(struct copy *c, int dirfd, const char *above, const char *name,
		    struct volt_error *e)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%s%s", above, *above ? "/" : "", name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return fail(e, ENAMETOOLONG, "the path of '%s' below '%s' is too long",
			    name, above);
	return add_found(c, dirfd, name, path, e);
}

static int read_directory(struct copy *c, const char *path, struct volt_error *e)
{
	_cleanup_close_ int dirfd =
		open_beneath(c->root, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);
	_cleanup_closedir_ DIR *d = NULL;
	int r = dirfd < 0 ? dirfd : dir_stream(dirfd, &d);

	if (r < 0)
		return fail_code(e, r, "read directory '%s'", path);
	for (const struct dirent *de; (de = dir_next(d));) {
		r = add_name(c, dirfd, path, de->d_name, e);
		if (r < 0)
			return r;
	}
	return errno ? fail_errno(e, "read directory '%s'", path) : 0;
}

static int add_file(struct copy *c, struct volt_error *e)
{
	struct tree_entry f = { .path = HOST_COPY_FILE };
	struct stat st;

	if (fstat(c->root, &st) < 0)
		return fail_errno(e, "look at it");
	f.mode = st.st_mode;
	f.size = (uint64_t)st.st_size;
	f.mtime = st.st_mtim.tv_sec;
	f.mtime_nsec = (uint32_t)st.st_mtim.tv_nsec;
	return tree_builder_add(c->b, &f, e);
}

static int scan(struct copy *c, struct volt_error *e)
{
	const struct tree_entry root = { .path = "", .mode = S_IFDIR | 0755 };
	int r;

	if ((r = tree_builder_new(&c->b, e)) < 0 ||
	    (r = tree_builder_add(c->b, &root, e)) < 0)
		return r;
	r = c->file ? add_file(c, e) : read_directory(c, "", e);
	while (r == 0 && c->next < c->queue.n)
		r = read_directory(c, c->queue.v[c->next++], e);
	return r < 0 ? r : tree_builder_finish(c->b, NULL, &c->t, e);
}

/* --- its bytes --- */

/* Of tfs_write(), in any thread. */
static int open_content(void *data, uint32_t entry, struct volt_error *e)
{
	const struct copy *c = data;
	const struct tree_entry *f = &c->t->v[entry];
	_cleanup_close_ int fd = -1;
	int again;

	if (c->file) {
		fd = fcntl(c->root, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? fail_errno(e, "open it") : TAKE_FD(fd);
	}
	fd = open_beneath(c->root, f->path, O_PATH, 0);
	if (fd < 0)
		return fail_code(e, fd, "open '%s'", f->path);
	again = reopen_regular(fd);
	if (again == -ENOTSUP)
		return fail(e, EBADMSG, "'%s' changed while it was copied", f->path);
	return again < 0 ? fail_code(e, again, "open '%s'", f->path) : again;
}

static int open_source(struct copy *c, struct volt_error *e)
{
	_cleanup_close_ int fd = open(c->source, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return fail_errno(e, "open it");
	if (c->file) {
		c->root = reopen_regular(fd);
		if (c->root == -ENOTSUP)
			return fail(e, ENOTSUP, "it is not a regular file any more");
	} else {
		c->root = open_beneath(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	}
	return c->root < 0 ? fail_code(e, c->root, "open it") : 0;
}

int host_copy(const char *source, bool file, const char *label, int fd,
	      struct volt_error *e)
{
	_cleanup_(
		copy_done) struct copy c = { .source = source, .root = -1, .file = file };
	struct tfs_input in = { .open = open_content, .data = &c, .label = label };
	int r;

	if ((r = open_source(&c, e)) < 0 || (r = scan(&c, e)) < 0)
		return fail_in(e, r, "copy '%s'", source);
	in.tree = c.t;
	r = tfs_write(&in, fd, 0, NULL, e);
	return r < 0 ? fail_in(e, r, "copy '%s'", source) : 0;
}
