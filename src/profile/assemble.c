/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/assemble.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "base/thread.h"
#include "profile/tree.h"

/* Theory of operation
 *
 *	qemu/<name>-<hash12>/        a tree; complete from the moment it has its name
 *	qemu/<name>                  link to the current one, replaced by rename
 *	qemu/.tmp-<name>-<hash12>/   one in the making, or rubbish if .make-… is free
 *	qemu/.make-<name>-<hash12>   lock: exclusive for who makes the tree
 *	qemu/.lock-<name>-<hash12>   lock: shared by who uses it, exclusive to remove it
 *	qemu/.lock                   lock: exclusive for temporary names that are files
 *
 * A tree is made under its temporary name: an object is linked, then what was linked is
 * opened and hashed, so there is no moment in which one file is looked at and another one
 * taken. Its directories are synced, then it is renamed. Nothing opens a file of a tree for
 * writing or changes its mode: it is the store's. What the store cannot link is copied.
 *
 * Hashing takes nearly all of the time, so all processors share in it; and what this very
 * process hashed when it stored it (profile_entry.fresh) is not hashed again.
 *
 * Two who want one tree: the second waits for the lock, and finds the tree. Who resolves a
 * tree that is there waits for nobody. */

#define THREADS_MAX 8

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

/* -- making ------------------------------------------------------------------------ */

/* Children first. */
static int sync_tree(int root)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int r;

	r = dir_stream(root, &dir);
	while (r >= 0) {
		_cleanup_close_ int fd = -1;

		de = dir_next(dir);
		if (!de)
			return errno ? -errno : sync_dir(root);
		if (de->d_type != DT_DIR && de->d_type != DT_UNKNOWN)
			continue;
		fd = open_beneath(root, de->d_name, O_RDONLY | O_DIRECTORY, 0);
		r = fd >= 0 ? sync_tree(fd) : fd == -ENOTDIR ? 0 : fd;
	}
	return r;
}

static size_t parent_size(const char *path)
{
	return (size_t)(tree_base_name(path) - path);
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
		r = tree_link(ps->store, &m->v[i], dir, tree_base_name(path), e);
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

static int fill(const struct profiles *ps, const struct profile_manifest *m, int root,
		struct assembled *a, struct volt_error *e)
{
	int r;

	r = make_parts(root);
	if (r < 0)
		return fail_code(e, r, "make the directories of a profile");
	r = link_all(ps, m, root, a, e);
	if (r >= 0)
		r = verify(m, root, e);
	if (r < 0)
		return r;
	if (fchmod(root, 0755) < 0)
		return fail_errno(e, "give the directory of a profile its mode");
	r = sync_tree(root);
	return r < 0 ? fail_code(e, r, "write the directories of a profile") : 0;
}

static int make_tree(const struct profiles *ps, const struct profile_manifest *m,
		     int trees, const char *tree, struct assembled *a,
		     struct volt_error *e)
{
	char tmp[PROFILE_TREE_SIZE + 8];
	_cleanup_close_ int root = -1;
	int r;

	(void)snprintf(tmp, sizeof(tmp), ".tmp-%s", tree);
	r = remove_tree_at(trees, tmp);
	if (r >= 0)
		root = r = mkdir_beneath(trees, tmp, 0700);
	if (r < 0)
		return fail_code(e, r, "make the directory '%s'", tmp);
	r = fill(ps, m, root, a, e);
	if (r >= 0 && renameat(trees, tmp, trees, tree) < 0)
		r = fail_errno(e, "name the directory '%s'", tree);
	if (r >= 0)
		r = sync_dir(trees) < 0 ? fail_errno(e, "write the directory 'qemu'") : 0;
	else
		(void)remove_tree_at(trees, tmp);
	return r < 0 ? fail_in(e, r, "assemble profile '%s'", tree) : 0;
}

/* -- opening ----------------------------------------------------------------------- */

static int open_tree(int trees, const char *tree, struct assembled *ret,
		     struct volt_error *e)
{
	_cleanup_close_ int lock = -1, root = -1;

	lock = tree_lock(trees, TREE_LOCK_USE, tree, LOCK_SHARED, true);
	if (lock < 0)
		return fail_code(e, lock, "lock profile '%s'", tree);
	root = open_beneath(trees, tree, O_PATH | O_DIRECTORY, 0);
	if (root == -ENOENT)
		return -ENOENT;
	if (root < 0)
		return fail_code(e, root, "open profile '%s'", tree);
	ret->root = TAKE_FD(root);
	ret->lock = TAKE_FD(lock);
	return 0;
}

int profile_open_tree(const struct profiles *ps, const struct profile_manifest *m,
		      struct assembled *ret, struct volt_error *e)
{
	_cleanup_close_ int trees = trees_open(ps, e);
	struct assembled a = ASSEMBLED_INIT;
	char tree[PROFILE_TREE_SIZE];
	int r;

	if (trees < 0)
		return trees;
	r = open_tree(trees, profile_tree_name(m, tree), &a, e);
	if (r >= 0)
		*ret = a;
	return r;
}

static int assemble(const struct profiles *ps, const struct profile_manifest *m,
		    int trees, const char *tree, struct assembled *a,
		    struct volt_error *e)
{
	_cleanup_close_ int lock =
		tree_lock(trees, TREE_LOCK_MAKE, tree, LOCK_EXCLUSIVE, true);
	int r;

	if (lock < 0)
		return fail_code(e, lock, "lock profile '%s'", tree);
	trees_sweep(trees);
	if (faccessat(trees, tree, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		r = 0; /* somebody was faster */
	else
		r = make_tree(ps, m, trees, tree, a, e);
	tree_lock_remove(trees, TREE_LOCK_MAKE, tree);
	return r;
}

int profile_assemble(const struct profiles *ps, const struct profile_manifest *m,
		     struct assembled *ret, struct volt_error *e)
{
	_cleanup_close_ int trees = trees_open(ps, e);
	struct assembled a = ASSEMBLED_INIT;
	char tree[PROFILE_TREE_SIZE];
	int r;

	if (trees < 0)
		return trees;
	(void)profile_tree_name(m, tree);
	/* Again if it is removed as soon as it is made. */
	for (r = open_tree(trees, tree, &a, e); r == -ENOENT;) {
		r = assemble(ps, m, trees, tree, &a, e);
		if (r < 0)
			return r;
		r = open_tree(trees, tree, &a, e);
	}
	if (r >= 0)
		*ret = a;
	return r;
}

bool profile_is_assembled(const struct profiles *ps, const struct profile_manifest *m)
{
	_cleanup_close_ int trees = trees_open(ps, NULL);
	char tree[PROFILE_TREE_SIZE];

	return trees >= 0 && faccessat(trees, profile_tree_name(m, tree), F_OK,
				       AT_SYMLINK_NOFOLLOW) == 0;
}

/* -- the current one --------------------------------------------------------------- */

static bool links_to(int trees, const char *name, const char *tree)
{
	char target[PROFILE_TREE_SIZE];
	ssize_t n = readlinkat(trees, name, target, sizeof(target));

	return n > 0 && (size_t)n == strlen(tree) && memcmp(target, tree, (size_t)n) == 0;
}

static int swap_link(int trees, const char *name, const char *tree)
{
	_cleanup_close_ int lock = trees_lock(trees, true);
	char tmp[TMP_NAME_SIZE];
	int r;

	if (lock < 0)
		return lock;
	r = tmp_name(tmp);
	if (r < 0)
		return r;
	if (symlinkat(tree, trees, tmp) < 0)
		return -errno;
	if (renameat(trees, tmp, trees, name) == 0)
		return sync_dir(trees);
	r = -errno;
	(void)unlinkat(trees, tmp, 0);
	return r;
}

int profile_link_current(const struct profiles *ps, const struct profile_manifest *m,
			 struct volt_error *e)
{
	_cleanup_close_ int trees = trees_open(ps, e);
	char tree[PROFILE_TREE_SIZE];
	int r;

	if (trees < 0)
		return trees;
	if (links_to(trees, m->name, profile_tree_name(m, tree)))
		return 0;
	trees_sweep(trees);
	r = swap_link(trees, m->name, tree);
	return r < 0 ? fail_code(e, r, "make the link 'qemu/%s'", m->name) : 0;
}

/* -- removing ---------------------------------------------------------------------- */

/* By one rename: whoever comes next finds all of it or nothing. */
static int take_away(int trees, const char *name, const char *tree)
{
	_cleanup_close_ int lock = trees_lock(trees, true); /* nobody sweeps */
	char tmp[TMP_NAME_SIZE];
	int r;

	if (lock < 0)
		return lock;
	if (links_to(trees, name, tree) && unlinkat(trees, name, 0) < 0)
		return -errno;
	r = tmp_name(tmp);
	if (r < 0)
		return r;
	if (renameat(trees, tree, trees, tmp) < 0)
		return errno == ENOENT ? 0 : -errno;
	r = sync_dir(trees);
	return r < 0 ? r : remove_tree_at(trees, tmp);
}

int profile_disassemble(const struct profiles *ps, const struct profile_manifest *m,
			bool force, struct volt_error *e)
{
	_cleanup_close_ int trees = trees_open(ps, e), lock = -1;
	char tree[PROFILE_TREE_SIZE];
	int r;

	if (trees < 0)
		return trees;
	lock = tree_lock(trees, TREE_LOCK_USE, profile_tree_name(m, tree), LOCK_EXCLUSIVE,
			 false);
	if (lock == -EAGAIN && !force)
		return fail(e, EBUSY, "profile '%s' is in use: stop its machines first",
			    tree);
	if (lock < 0 && lock != -EAGAIN)
		return fail_code(e, lock, "lock profile '%s'", tree);
	trees_sweep(trees);
	r = take_away(trees, m->name, tree);
	if (r < 0)
		return fail_code(e, r, "remove the directory 'qemu/%s'", tree);
	/* Or who assembles it again would share a lock with those who have the old one. */
	tree_lock_remove(trees, TREE_LOCK_USE, tree);
	return 0;
}
