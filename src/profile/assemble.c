/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/assemble.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
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
 * Two who want one tree: the second waits for the lock, and finds the tree. Who resolves a
 * tree that is there waits for nobody. */

/* -- making ------------------------------------------------------------------------ */

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
	r = tree_fill(ps, m, root, a, e);
	if (r >= 0 && renameat(trees, tmp, trees, tree) < 0)
		r = fail_errno(e, "name the directory '%s'", tree);
	/* The name need not outlive a loss of power: without it the tree is made again. */
	if (r < 0)
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
			bool force, struct disassembled *ret, struct volt_error *e)
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
	ret->lock = TAKE_FD(lock);
	ret->trees = TAKE_FD(trees);
	return 0;
}

void profile_disassembled(struct disassembled *d, const struct profile_manifest *m)
{
	char tree[PROFILE_TREE_SIZE];

	/* Or who assembles it again would share a lock with those who have the old one. */
	if (d->trees >= 0)
		tree_lock_remove(d->trees, TREE_LOCK_USE, profile_tree_name(m, tree));
	closep(&d->trees);
	closep(&d->lock);
	*d = (struct disassembled)DISASSEMBLED_INIT;
}
