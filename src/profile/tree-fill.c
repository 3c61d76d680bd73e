/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/path.h"
#include "base/thread.h"
#include "profile/assemble.h"
#include "profile/tree.h"

/* What goes into a tree: links, then proof that they are what the manifest says, and that
 * they are on the disk.
 *
 * Hashing takes nearly all of the time, so all processors share in it; and what this very
 * process hashed when it stored it (profile_entry.fresh) is not hashed again. */

#define THREADS_MAX 8
#define SYNCS_MAX   8

/* -- verifying --------------------------------------------------------------------- */

struct check {
	const struct profile_manifest *m;
	int root;
	atomic_size_t next, bad; /* bad: index of an entry, n: none */
	atomic_int error;
};

static int check_entry(const struct check *c, const struct profile_entry *entry)
{
	_cleanup_close_ int fd = open_beneath(c->root, entry->path, O_RDONLY, 0);

	return fd < 0 ? fd : tree_check(entry, fd);
}

static void *check_some(void *data)
{
	struct check *c = data;
	size_t i;
	int r;

	while ((i = atomic_fetch_add(&c->next, 1)) < c->m->n) {
		if (c->m->v[i].fresh)
			continue;
		r = check_entry(c, &c->m->v[i]);
		if (r >= 0)
			continue;
		atomic_store(&c->error, r);
		atomic_store(&c->bad, i);
		atomic_store(&c->next, c->m->n);
	}
	return NULL;
}

static bool all_fresh(const struct profile_manifest *m)
{
	size_t i;

	for (i = 0; i < m->n && m->v[i].fresh; i++)
		;
	return i == m->n;
}

static int verify(const struct profile_manifest *m, int root, struct volt_error *e)
{
	struct check c = { .m = m, .root = root, .bad = m->n };
	pthread_t threads[THREADS_MAX];
	unsigned int n = all_fresh(m) ? 0 : thread_processors() - 1, started = 0;
	char hex[DIGEST_HEX_SIZE];
	size_t bad;

	while (started < n && started < THREADS_MAX &&
	       thread_start(&threads[started], check_some, &c) == 0)
		started++;
	(void)check_some(&c);
	while (started > 0)
		(void)pthread_join(threads[--started], NULL);
	bad = atomic_load(&c.bad);
	if (bad == m->n)
		return 0;
	digest_hex(&m->v[bad].digest, hex);
	if (atomic_load(&c.error) != -EBADMSG)
		return fail_code(e, atomic_load(&c.error), "read object '%s' as '%s'",
				 hex, m->v[bad].path);
	return fail(e, EBADMSG, "object '%s' ('%s' of profile '%s') is damaged", hex,
		    m->v[bad].path, m->name);
}

/* -- writing it out ---------------------------------------------------------------- */

/* A journal writes out what all who wait for it have changed, so that directories which are
 * synced at once cost what one costs. */
struct sync {
	int *dirs; /* owned */
	size_t n, room;
	atomic_size_t next;
	atomic_int error;
	pthread_t threads[SYNCS_MAX];
	size_t started;
};

static int sync_add(struct sync *s, int fd)
{
	size_t room = s->room ? s->room * 2 : 8;
	int *dirs =
		s->n == s->room ? reallocarray(s->dirs, room, sizeof(*dirs)) : s->dirs;

	if (!dirs)
		return -ENOMEM;
	if (s->n == s->room)
		s->room = room;
	s->dirs = dirs;
	s->dirs[s->n++] = fd;
	return 0;
}

/* The directories in @root, whose descriptors it opens. */
static int sync_gather(struct sync *s, int root)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int r;

	r = dir_stream(root, &dir);
	while (r >= 0) {
		int fd;

		de = dir_next(dir);
		if (!de)
			return -errno;
		if (de->d_type != DT_DIR && de->d_type != DT_UNKNOWN)
			continue;
		fd = open_beneath(root, de->d_name, O_RDONLY | O_DIRECTORY, 0);
		if (fd == -ENOTDIR)
			continue;
		r = fd < 0 ? fd : sync_add(s, fd);
		if (r >= 0)
			r = sync_gather(s, fd);
	}
	return r;
}

static void *sync_some(void *data)
{
	struct sync *s = data;
	size_t i;

	while ((i = atomic_fetch_add(&s->next, 1)) < s->n)
		if (fsync(s->dirs[i]) < 0)
			atomic_store(&s->error, -errno);
	return NULL;
}

static void sync_start(struct sync *s)
{
	while (s->started < SYNCS_MAX && s->started < s->n &&
	       thread_start(&s->threads[s->started], sync_some, s) == 0)
		s->started++;
}

static int sync_finish(struct sync *s)
{
	(void)sync_some(s);
	while (s->started > 0)
		(void)pthread_join(s->threads[--s->started], NULL);
	return atomic_load(&s->error);
}

static void sync_done(struct sync *s)
{
	for (size_t i = 0; i < s->n; i++)
		(void)close(s->dirs[i]);
	free(s->dirs);
}

/* The directories (objects are on the disk since they were stored, copies since they were
 * made) are waited for while the processors hash. */
static int verify_and_sync(const struct profile_manifest *m, int root,
			   struct volt_error *e)
{
	_cleanup_(sync_done) struct sync s = { 0 };
	int r, own = fcntl(root, F_DUPFD_CLOEXEC, 3);

	r = own < 0 ? -errno : sync_add(&s, own);
	if (r >= 0)
		r = sync_gather(&s, root);
	if (r < 0)
		return fail_code(e, r, "list a profile's directories");
	sync_start(&s);
	r = verify(m, root, e);
	own = sync_finish(&s);
	if (r < 0)
		return r;
	return own < 0 ? fail_code(e, own, "write a profile's directories") : 0;
}

/* -- linking ----------------------------------------------------------------------- */

static size_t parent_size(const char *path)
{
	return (size_t)(path_base(path) - path);
}

/* Entries are sorted, so most are in the directory of the one before. */
static int link_all(const struct profiles *ps, const struct profile_manifest *m, int root,
		    struct assembled *a, struct volt_error *e)
{
	_cleanup_close_ int dir = -1;
	const char *last = "";
	int r;

	for (size_t i = 0; i < m->n; i++) {
		const char *path = m->v[i].path;
		size_t n = parent_size(path);

		if (parent_size(last) != n || strncmp(last, path, n) != 0) {
			closep(&dir);
			dir = tree_parent(root, path);
			if (dir < 0)
				return fail_code(e, dir, "make the directory of '%s'",
						 path);
			last = path;
		}
		r = tree_link(ps->store, &m->v[i], dir, path_base(path), e);
		if (r < 0)
			return fail_in(e, r, "link '%s'", path);
		a->linked += r == 0;
		a->copied += r > 0;
	}
	return 0;
}

/* The three directories are always there, whatever is in them. */
static int make_parts(int root)
{
	static const char *const parts[] = { "bin/", "lib/", "firmware/" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts) && r >= 0; i++) {
		_cleanup_close_ int fd = tree_parent(root, parts[i]);

		r = fd;
	}
	return r;
}

int tree_fill(const struct profiles *ps, const struct profile_manifest *m, int root,
	      struct assembled *a, struct volt_error *e)
{
	int r;

	r = make_parts(root);
	if (r < 0)
		return fail_code(e, r, "make the directories of a profile");
	r = link_all(ps, m, root, a, e);
	if (r >= 0 && fchmod(root, 0755) < 0)
		r = fail_errno(e, "give the directory of a profile its mode");
	return r < 0 ? r : verify_and_sync(m, root, e);
}
