/* SPDX-License-Identifier: Apache-2.0 */
#include "store/gc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/path.h"
#include "store/internal.h"

/* Theory of operation
 *
 * gc holds the store's lock exclusively, so there are no leases and no writers: what no
 * ref reaches then is garbage, every staging directory is a dead writer's, and so is
 * every temporary file among the refs. All refs are read before anything is removed; one
 * that cannot be read might keep anything alive, so it stops gc. Killed half-way, gc
 * leaves fewer objects that nobody reaches, and the next one goes on.
 *
 * A dry run removes nothing, so a lease is enough and it waits for nobody. */

static uint64_t allocated(const struct stat *st)
{
	return (uint64_t)st->st_blocks * 512;
}

static int sweep_object(const struct store *s, const struct object_file *f, bool keep,
			bool dry_run, struct gc_result *res)
{
	char name[OBJECT_NAME_SIZE];
	struct stat st;

	if (fstatat(s->objects, object_name(&f->digest, f->kind, name), &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (keep) {
		res->kept++;
		res->kept_bytes += allocated(&st);
		return 0;
	}
	if (!dry_run && unlinkat(s->objects, name, 0) < 0)
		return -errno;
	res->removed++;
	if (st.st_nlink <= 1) /* else its blocks live on elsewhere */
		res->removed_bytes += allocated(&st);
	return 0;
}

static int sweep_objects(const struct store *s, const struct digest_set *reached,
			 bool dry_run, struct gc_result *res, struct volt_error *e)
{
	_cleanup_(object_scan_done) struct object_scan scan = { 0 };
	char name[OBJECT_NAME_SIZE];
	size_t i;
	int r;

	r = object_scan(s, &scan, NULL, NULL);
	if (r < 0)
		return fail_code(e, r, "list the store's objects");
	for (i = 0; i < scan.n; i++) {
		const struct object_file *f = &scan.v[i];

		r = sweep_object(s, f, digest_set_has(reached, &f->digest), dry_run, res);
		if (r < 0)
			return fail_code(e, r, "remove object '%s'",
					 object_name(&f->digest, f->kind, name));
	}
	return 0;
}

/* What write_file_atomic() leaves when it is killed. */
static int sweep_tmp(int parent, const char *name)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int fd = -1;
	struct dirent *de;
	int r;

	fd = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd == -ENOTDIR ? 0 : fd;
	r = dir_stream(fd, &dir);
	while (r >= 0) {
		de = dir_next(dir);
		if (!de)
			return -errno;
		if (strncmp(de->d_name, ".tmp-", 5) == 0 &&
		    unlinkat(fd, de->d_name, 0) < 0)
			r = -errno;
	}
	return r;
}

static int sweep_refs(const struct store *s)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int r;

	r = sweep_tmp(s->refs, ".");
	if (r >= 0)
		r = dir_stream(s->refs, &dir);
	while (r >= 0) {
		de = dir_next(dir);
		if (!de)
			return -errno;
		if (de->d_name[0] != '.')
			r = sweep_tmp(s->refs, de->d_name);
	}
	return r;
}

static int sweep_dead_writers(const struct store *s, struct volt_error *e)
{
	int r = staging_clear(s);

	if (r >= 0)
		r = sweep_refs(s);
	return r < 0 ? fail_code(e, r, "remove what dead writers left in the store") : 0;
}

int store_gc(struct store *s, bool dry_run, bool wait, struct gc_result *ret,
	     struct volt_error *e)
{
	_cleanup_(reach_done) struct reach reach = { 0 };
	_cleanup_close_ int lock = -1;
	struct gc_result res = { 0 };
	int r;

	lock = store_lock(s, dry_run ? LOCK_SHARED : LOCK_EXCLUSIVE, wait, e);
	if (lock < 0)
		return lock;
	r = reach_collect(s, &reach, e);
	if (r < 0)
		return r;
	if (!dry_run)
		r = sweep_dead_writers(s, e);
	if (r >= 0)
		r = sweep_objects(s, &reach.set, dry_run, &res, e);
	if (r >= 0 && ret)
		*ret = res;
	return r < 0 ? r : 0;
}
