/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "store/gc.h"
#include "store/internal.h"
#include "store/sha256.h"

struct verify {
	const struct store *store;
	void (*bad)(void *data, const char *object, const char *why);
	void *data;
	int n;
};

static void found(void *data, const char *object, const char *why)
{
	struct verify *v = data;

	v->n++;
	if (v->bad)
		v->bad(v->data, object, why);
}

static void found_odd(void *data, const char *name)
{
	found(data, name, "not the name of an object");
}

/* Whoever owns an object's inode can make it writable again. */
static int check_inode(const struct store *s, const struct stat *st, const char *name,
		       enum object_kind kind, struct volt_error *e)
{
	struct stat dir;

	if (fstat(s->objects, &dir) < 0)
		return fail_errno(e, "look at the store's directory 'objects'");
	if ((st->st_mode & 07777) != object_mode(kind))
		return fail(e, EBADMSG, "object '%s' has mode %04o, not %04o", name,
			    st->st_mode & 07777, object_mode(kind));
	if (st->st_uid != dir.st_uid)
		return fail(e, EBADMSG, "object '%s' belongs to user %u, the store to %u",
			    name, st->st_uid, dir.st_uid);
	return 0;
}

static int check_content(int fd, const struct digest *d, const char *name, off_t size,
			 struct volt_error *e)
{
	struct digest is;
	int r;

	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	r = sha256_fd(fd, &is);
	if (r < 0)
		return fail_code(e, r, "read object '%s'", name);
	if (!digest_equal(d, &is))
		return fail(e, EBADMSG,
			    "object '%s' is damaged: its %lld bytes have another digest",
			    name, (long long)size);
	return 0;
}

int store_verify_kind(const struct store *s, const struct digest *d,
		      enum object_kind kind, struct volt_error *e)
{
	char name[OBJECT_NAME_SIZE];
	_cleanup_close_ int fd = store_open_kind(s, d, kind);
	struct stat st;
	int r;

	object_name(d, kind, name);
	if (fd == -ENOENT)
		return fail(e, ENOENT, "the store has no object '%s'", name);
	if (fd == -EBADMSG)
		return fail(e, EBADMSG, "object '%s' is not a regular file", name);
	if (fd < 0)
		return fail_code(e, fd, "open object '%s'", name);
	if (fstat(fd, &st) < 0)
		return fail_errno(e, "look at object '%s'", name);
	r = check_inode(s, &st, name, kind, e);
	return r < 0 ? r : check_content(fd, d, name, st.st_size, e);
}

static int check_all(struct verify *v, const struct object_scan *scan)
{
	char name[OBJECT_NAME_SIZE];
	struct volt_error why;
	size_t i;
	int r;

	for (i = 0; i < scan->n; i++) {
		const struct object_file *f = &scan->v[i];

		r = store_verify_kind(v->store, &f->digest, f->kind, &why);
		if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
			return r;
		if (r < 0)
			found(v, object_name(&f->digest, f->kind, name), why.msg);
	}
	return 0;
}

int store_verify(struct store *s,
		 void (*bad)(void *data, const char *object, const char *why), void *data,
		 struct volt_error *e)
{
	_cleanup_(object_scan_done) struct object_scan scan = { 0 };
	struct verify v = { .store = s, .bad = bad, .data = data };
	_cleanup_(reach_done) struct reach reach = { .bad = found, .data = &v };
	_cleanup_close_ int lease = lease_take(s, e);
	int r;

	if (lease < 0)
		return lease;
	r = reach_collect(s, &reach, e);
	if (r < 0)
		return r;
	r = object_scan(s, &scan, found_odd, &v);
	if (r >= 0)
		r = check_all(&v, &scan);
	return r < 0 ? fail_code(e, r, "verify the store") : v.n;
}
