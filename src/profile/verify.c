/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "base/strv.h"
#include "profile/assemble.h"
#include "profile/tree.h"
#include "profile/versions.h"
#include "store/gc.h"

/* Theory of operation
 *
 * A tree's files are the store's, so both are damaged together, and an object is repaired
 * first: store_replace() gives its name a new file. From then on each tree that has the old
 * file differs from the store, is found by that, and gets a link to the new one, made under a
 * temporary name in qemu/ and renamed over. So a tree is complete at every moment, and a QEMU
 * that runs from it keeps what it has open.
 *
 * What a repair is made from is hashed after it was copied: nothing is believed, neither a
 * source's path nor that a file of the host has not changed. */

struct verify {
	const struct profiles *ps;
	struct profile_list all;
	bool repair;
	const struct profile_listener *listener; /* or NULL */
	struct profile_check n;
	struct digest *mended; /* objects that have new files */
	size_t n_mended;
	struct volt_error *e;
};

/* -- naming ------------------------------------------------------------------------ */

static bool has_object(const struct profile_manifest *m, const struct digest *d)
{
	for (size_t i = 0; i < m->n; i++)
		if (digest_equal(&m->v[i].digest, d))
			return true;
	return false;
}

/* All versions that have the object, as a person reads it. */
static char *name_profiles(const struct verify *v, const struct digest *d)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0, n = 0; i < v->all.n; i++)
		if (has_object(v->all.v[i].m, d))
			(void)fprintf(f, "%s%s", n++ ? ", " : "", v->all.v[i].ref);
	return fclose(f) == 0 ? text : (free(text), NULL);
}

static int report(struct verify *v, const struct profile_entry *entry, bool object,
		  const char *why, bool repaired, const char *from)
{
	_cleanup_free_ char *profiles = name_profiles(v, &entry->digest);
	char hex[DIGEST_HEX_SIZE] = "";
	struct profile_damage d = { .object = hex,
				    .path = entry->path,
				    .profiles = profiles,
				    .why = why,
				    .repaired = repaired,
				    .from = from };

	if (!profiles)
		return fail_oom(v->e);
	if (object)
		digest_hex(&entry->digest, hex);
	v->n.bad++;
	v->n.repaired += repaired;
	if (v->listener)
		v->listener->found(v->listener->data, &d);
	return 0;
}

/* -- repairing an object ----------------------------------------------------------- */

#define FROM_SIZE 512

static int try_fd(const struct verify *v, const struct digest *d, enum object_kind kind,
		  int fd)
{
	return fd < 0 ? fd : store_replace(v->ps->store, d, kind, fd, NULL);
}

/* The other file of the object, or its own where only the mode is wrong. */
static bool mend_from_store(const struct verify *v, const struct digest *d,
			    enum object_kind kind, char from[static FROM_SIZE])
{
	_cleanup_close_ int plain = store_open_kind(v->ps->store, d, OBJECT_PLAIN),
			    exec = store_open_kind(v->ps->store, d, OBJECT_EXEC);

	(void)snprintf(from, FROM_SIZE, "a copy in the store");
	return try_fd(v, d, kind, plain) >= 0 || try_fd(v, d, kind, exec) >= 0;
}

static bool mend_from_file(const struct verify *v, const struct digest *d,
			   enum object_kind kind, const char *source,
			   char from[static FROM_SIZE])
{
	_cleanup_close_ int at = open(source, O_PATH | O_CLOEXEC);
	_cleanup_close_ int fd = at < 0 ? -1 : reopen_regular(at);
	int r;

	if (fd < 0) {
		(void)snprintf(from, FROM_SIZE, "its source '%s' is not there", source);
		return false;
	}
	r = try_fd(v, d, kind, fd);
	if (r >= 0)
		(void)snprintf(from, FROM_SIZE, "'%s'", source);
	else if (r == -EBADMSG)
		(void)snprintf(from, FROM_SIZE, "its source '%s' has changed since",
			       source);
	else
		(void)snprintf(from, FROM_SIZE, "'%s': %s", source, strerrordesc_np(-r));
	return r >= 0;
}

static bool mend_from_sources(const struct verify *v, const struct digest *d,
			      enum object_kind kind, char from[static FROM_SIZE])
{
	(void)snprintf(from, FROM_SIZE, "no source of it is known");
	for (size_t i = 0; i < v->all.n; i++) {
		const struct profile_manifest *m = v->all.v[i].m;

		for (size_t k = 0; k < m->n; k++) {
			const char *source = profile_manifest_source(m, m->v[k].path);

			if (source && digest_equal(&m->v[k].digest, d) &&
			    mend_from_file(v, d, kind, source, from))
				return true;
		}
	}
	return false;
}

/* -- objects ----------------------------------------------------------------------- */

/* Of the two files an object can have the one that @entry is linked from, and the other if it
 * is there. 1: damaged, with @why. */
static int check_kind(const struct verify *v, const struct profile_entry *entry,
		      enum object_kind kind, struct volt_error *why)
{
	const struct store *s = v->ps->store;
	bool needed = profile_kind(entry->path) == kind &&
		      !store_has(s, &entry->digest, OBJECT_PLAIN) &&
		      !store_has(s, &entry->digest, OBJECT_EXEC);
	int r = store_verify_kind(s, &entry->digest, kind, why);

	if (r == -EBADMSG || (r == -ENOENT && needed))
		return 1;
	return r == -ENOENT ? 0 : r;
}

static int remember_mended(struct verify *v, const struct digest *d)
{
	struct digest *more =
		reallocarray(v->mended, v->n_mended + 1, sizeof(*v->mended));

	if (!more)
		return fail_oom(v->e);
	v->mended = more;
	v->mended[v->n_mended++] = *d;
	return 0;
}

static int check_object(struct verify *v, const struct profile_entry *entry)
{
	static const enum object_kind kinds[] = { OBJECT_PLAIN, OBJECT_EXEC };
	char from[FROM_SIZE] = "";
	struct volt_error why;
	int r = 0;

	v->n.objects++;
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r >= 0; i++) {
		bool mended;

		r = check_kind(v, entry, kinds[i], &why);
		if (r < 0)
			return fail_in(v->e, r, "verify '%s'", entry->path);
		if (r == 0)
			continue;
		mended = v->repair &&
			 (mend_from_store(v, &entry->digest, kinds[i], from) ||
			  mend_from_sources(v, &entry->digest, kinds[i], from));
		r = mended ? remember_mended(v, &entry->digest) : 0;
		r = r < 0 ? r : report(v, entry, true, why.msg, mended, from);
	}
	return r;
}

static int by_digest(const void *a, const void *b)
{
	return digest_compare(&((const struct profile_entry *)a)->digest,
			      &((const struct profile_entry *)b)->digest);
}

/* Each object once, however many paths and profiles have it. */
static int check_objects(struct verify *v, struct profile_entry *entries, size_t n)
{
	int r = 0;

	qsort(entries, n, sizeof(*entries), by_digest);
	for (size_t i = 0; i < n && r >= 0; i++)
		if (i == 0 || by_digest(&entries[i - 1], &entries[i]) != 0)
			r = check_object(v, &entries[i]);
	return r;
}

/* -- trees ------------------------------------------------------------------------- */

static bool was_mended(const struct verify *v, const struct digest *d)
{
	for (size_t i = 0; i < v->n_mended; i++)
		if (digest_equal(&v->mended[i], d))
			return true;
	return false;
}

static bool is_same_file(int a, int b)
{
	struct stat x, y;

	return a >= 0 && b >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Linked under a temporary name in qemu/, which the next sweep knows, then renamed over. */
static int relink(const struct verify *v, const struct profile_entry *entry, int trees,
		  int root, struct volt_error *e)
{
	_cleanup_close_ int lock = trees_lock(trees, true), dir = -1;
	char tmp[TMP_NAME_SIZE];
	int r;

	dir = lock < 0 ? lock : tree_parent(root, entry->path);
	r = dir < 0 ? dir : tmp_name(tmp);
	if (r < 0)
		return fail_code(e, r, "link '%s' again", entry->path);
	r = tree_link(v->ps->store, entry, trees, tmp, e);
	if (r < 0)
		return r;
	r = renameat(trees, tmp, dir, path_base(entry->path)) < 0 ? -errno
								  : sync_dir(dir);
	if (r < 0)
		(void)unlinkat(trees, tmp, 0);
	return r < 0 ? fail_code(e, r, "link '%s' again", entry->path) : 0;
}

/* The store's own file needs no second look; a copy, or what took its place, does. */
static int check_tree_file(struct verify *v, const struct profile_entry *entry, int trees,
			   int root)
{
	_cleanup_close_ int fd =
		open_beneath(root, entry->path, O_RDONLY | O_NONBLOCK, 0);
	_cleanup_close_ int object =
		store_open_kind(v->ps->store, &entry->digest, profile_kind(entry->path));
	struct volt_error why = { 0 };
	bool mended;

	if (is_same_file(fd, object) || (fd >= 0 && tree_check(entry, fd) >= 0))
		return 0;
	mended = v->repair && relink(v, entry, trees, root, &why) >= 0;
	if (mended && was_mended(v, &entry->digest))
		return 0; /* part of what has been told */
	return report(v, entry, false,
		      fd < 0 ? "missing in the assembled tree"
			     : "the assembled tree has another file",
		      mended, mended ? "the store" : why.msg);
}

static int check_strays(struct verify *v, const struct profile_manifest *m, int dirfd,
			const char *prefix);

static int check_stray(struct verify *v, const struct profile_manifest *m, int dirfd,
		       const struct dirent *de, const char *prefix)
{
	struct profile_entry entry = { 0 };
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	bool gone;

	(void)snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "/" : "",
		       de->d_name);
	if (profile_manifest_find(m, path))
		return 0;
	fd = open_beneath(dirfd, de->d_name, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0)
		return check_strays(v, m, fd, path);
	gone = v->repair && unlinkat(dirfd, de->d_name, 0) == 0;
	entry.path = path;
	return report(v, &entry, false, "in the assembled tree, but not in the profile",
		      gone, gone ? "its removal" : "");
}

static int check_strays(struct verify *v, const struct profile_manifest *m, int dirfd,
			const char *prefix)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	int r;

	r = dir_stream(dirfd, &dir);
	if (r < 0)
		return fail_code(v->e, r, "list '%s' of a profile", prefix);
	while (r >= 0 && (de = dir_next(dir)))
		r = check_stray(v, m, dirfd, de, prefix);
	return r;
}

static int check_tree(struct verify *v, const struct profile_manifest *m)
{
	_cleanup_close_ int trees = trees_open(v->ps, v->e), root = -1, lock = -1;
	struct assembled a = ASSEMBLED_INIT;
	int r;

	if (trees < 0)
		return trees;
	r = profile_open_tree(v->ps, m, &a, v->e);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	root = a.root;
	lock = a.lock;
	for (size_t i = 0; i < m->n && r >= 0; i++)
		r = check_tree_file(v, &m->v[i], trees, root);
	return r < 0 ? r : check_strays(v, m, root, "");
}

/* -- all of it --------------------------------------------------------------------- */

static bool in_scope(const struct verify *v, size_t i, const char *ref)
{
	return !ref || strcmp(v->all.v[i].ref, ref) == 0;
}

static int gather(const struct verify *v, const char *ref, struct profile_entry **ret,
		  size_t *ret_n)
{
	struct profile_entry *entries;
	size_t n = 0;

	for (size_t i = 0; i < v->all.n; i++)
		n += in_scope(v, i, ref) ? v->all.v[i].m->n : 0;
	entries = calloc(n + 1, sizeof(*entries));
	if (!entries)
		return fail_oom(v->e);
	*ret_n = 0;
	for (size_t i = 0; i < v->all.n; i++)
		for (size_t k = 0; k < v->all.v[i].m->n && in_scope(v, i, ref); k++)
			entries[(*ret_n)++] = v->all.v[i].m->v[k];
	*ret = entries;
	return 0;
}

static int verify(struct verify *v, const char *ref)
{
	_cleanup_close_ int trees = trees_open(v->ps, v->e);
	_cleanup_free_ struct profile_entry *entries = NULL;
	size_t n = 0;
	int r;

	if (trees < 0)
		return trees;
	if (v->repair)
		trees_sweep(trees);
	r = gather(v, ref, &entries, &n);
	if (r >= 0 && ref && n == 0)
		return fail(v->e, ENOENT, "no profile '%s' that can be read", ref);
	if (r >= 0)
		r = check_objects(v, entries, n);
	for (size_t i = 0; i < v->all.n && r >= 0; i++)
		if (in_scope(v, i, ref) || v->n_mended > 0)
			r = check_tree(v, v->all.v[i].m);
	return r;
}

int profile_verify(const struct profiles *ps, const char *ref, bool repair,
		   const struct profile_listener *listener, struct profile_check *ret,
		   struct volt_error *e)
{
	struct verify v = { .ps = ps, .repair = repair, .listener = listener, .e = e };
	_cleanup_close_ int lease = lease_take(ps->store, e);
	int r;

	if (lease < 0)
		return lease;
	r = profile_list(ps, &v.all, e);
	if (r >= 0)
		r = verify(&v, ref);
	if (r >= 0 && ret)
		*ret = v.n;
	profile_list_done(&v.all);
	free(v.mended);
	return r < 0 ? r : 0;
}

/* The first thing that could not be repaired. */
struct unrepaired {
	const struct log *log;
	char text[sizeof(((struct volt_error *)0)->msg)];
};

static void note(void *data, const struct profile_damage *d)
{
	struct unrepaired *u = data;

	if (d->repaired)
		log_line(u->log, 5, "object '%s' ('%s') is repaired from %s", d->object,
			 d->path, d->from);
	else if (!u->text[0])
		(void)snprintf(u->text, sizeof(u->text), "'%s': %s; %s", d->path, d->why,
			       d->from);
}

int profile_repair(const struct profiles *ps, const struct profile_manifest *m,
		   struct volt_error *e)
{
	struct unrepaired u = { .log = ps->log };
	const struct profile_listener listener = { note, &u };
	struct profile_list all = { 0 };
	int r;

	r = profile_list(ps, &all, e);
	for (size_t i = 0; i < all.n && r >= 0; i++)
		if (strcmp(all.v[i].m->name, m->name) == 0 &&
		    digest_equal(&all.v[i].m->digest, &m->digest))
			r = profile_verify(ps, all.v[i].ref, true, &listener, NULL, e);
	profile_list_done(&all);
	if (r >= 0 && u.text[0])
		r = fail(e, EBADMSG, "repair profile '%s': %s", m->name, u.text);
	return r < 0 ? r : 0;
}
