/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/io.h"
#include "base/path.h"
#include "store/internal.h"
#include "store/sha256.h"

/* Theory of operation
 *
 *	cas/objects/<sha256>[.x]   complete, synced, never written again
 *	cas/staging/<random>/      one writer's files before they have their names
 *	cas/refs/…                 what keeps objects alive (ref.c)
 *	cas/lock                   shared: a lease; exclusive: gc
 *
 * A name in objects/ appears by one rename, after the bytes were synced, so whatever
 * crashes, a name is absent or complete. Nothing opens an object for writing, and nothing
 * changes its mode: an object that must be executable is a second file. Whoever links an
 * object elsewhere shares its inode, so a program that writes through such a link would
 * damage the store; store_verify() finds that, and modes 0444 and 0555 make it hard.
 *
 * Objects are removed only under the exclusive lock, so to a holder of a lease "it is
 * there" stays true. Only digests and names that name_is_valid() accepts become paths. */

#define DIR_MODE 0700

const char *object_name(const struct digest *d, enum object_kind kind,
			char name[static OBJECT_NAME_SIZE])
{
	(void)digest_hex(d, name);
	if (kind == OBJECT_EXEC)
		memcpy(name + DIGEST_HEX_SIZE - 1, ".x", 3);
	return name;
}

const char *staged_name(const struct digest *d, enum object_kind kind,
			char name[static STAGED_NAME_SIZE])
{
	(void)object_name(d, kind, name + 2);
	name[0] = name[2];
	name[1] = '/';
	return name;
}

int object_name_parse(const char *name, struct digest *ret, enum object_kind *ret_kind)
{
	size_t n = strlen(name);
	bool exec = n == OBJECT_NAME_SIZE - 1 && strcmp(name + n - 2, ".x") == 0;
	char hex[DIGEST_HEX_SIZE];
	int r;

	if (n != DIGEST_HEX_SIZE - 1 && !exec)
		return -EINVAL;
	memcpy(hex, name, DIGEST_HEX_SIZE - 1);
	hex[DIGEST_HEX_SIZE - 1] = '\0';
	r = digest_parse(hex, ret);
	if (r < 0)
		return r;
	*ret_kind = exec ? OBJECT_EXEC : OBJECT_PLAIN;
	return 0;
}

static int open_dir(int parent, const char *name, int *ret, struct volt_error *e)
{
	int fd = mkdir_beneath(parent, name, DIR_MODE);

	if (fd < 0)
		return fail_code(e, fd, "open the store's directory '%s'", name);
	*ret = fd;
	return 0;
}

int store_open(int rootfd, struct store **ret, struct volt_error *e)
{
	_cleanup_(store_closep) struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return fail_oom(e);
	s->cas = s->objects = s->refs = s->staging = s->staged = -1;
	r = open_dir(rootfd, "cas", &s->cas, e);
	if (r >= 0)
		r = open_dir(s->cas, "objects", &s->objects, e);
	if (r >= 0)
		r = open_dir(s->cas, "refs", &s->refs, e);
	if (r >= 0)
		r = open_dir(s->cas, "staging", &s->staging, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	closep(&s->staging);
	closep(&s->refs);
	closep(&s->objects);
	closep(&s->cas);
	free(s);
}

int object_stat(const struct store *s, const struct digest *d, enum object_kind kind,
		struct stat *st)
{
	char name[STAGED_NAME_SIZE];
	int r;

	(void)staged_name(d, kind, name);
	r = fstatat(s->objects, name + 2, st, AT_SYMLINK_NOFOLLOW);
	if (r < 0 && errno == ENOENT && s->staged >= 0) {
		r = fstatat(s->staged, name, st, AT_SYMLINK_NOFOLLOW);
		if (r < 0) /* renamed meanwhile */
			r = fstatat(s->objects, name + 2, st, AT_SYMLINK_NOFOLLOW);
	}
	if (r < 0)
		return -errno;
	return S_ISREG(st->st_mode) ? 0 : -EBADMSG;
}

bool store_has(const struct store *s, const struct digest *d, enum object_kind kind)
{
	struct stat st;

	return object_stat(s, d, kind, &st) == 0;
}

int store_open_kind(const struct store *s, const struct digest *d, enum object_kind kind)
{
	/* O_NONBLOCK: were the name a FIFO, opening it must not hang. */
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	_cleanup_close_ int fd = -1;
	char name[STAGED_NAME_SIZE];
	struct stat st;

	(void)staged_name(d, kind, name);
	fd = openat(s->objects, name + 2, flags);
	if (fd < 0 && errno == ENOENT && s->staged >= 0) {
		fd = openat(s->staged, name, flags);
		if (fd < 0) /* renamed meanwhile */
			fd = openat(s->objects, name + 2, flags);
	}
	if (fd < 0)
		return errno == ELOOP ? -EBADMSG : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EBADMSG;
}

int store_open_object(const struct store *s, const struct digest *d, struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];
	int fd;

	fd = store_open_kind(s, d, OBJECT_PLAIN);
	if (fd == -ENOENT)
		fd = store_open_kind(s, d, OBJECT_EXEC);
	if (fd == -ENOENT)
		return fail(e, ENOENT, "the store has no object '%s'",
			    digest_hex(d, hex));
	if (fd == -EBADMSG)
		return fail(e, EBADMSG, "object '%s' is not a regular file",
			    digest_hex(d, hex));
	if (fd < 0)
		return fail_code(e, fd, "open object '%s'", digest_hex(d, hex));
	return fd;
}

int store_read(const struct store *s, const struct digest *d, size_t max, char **ret,
	       size_t *ret_size, struct volt_error *e)
{
	_cleanup_free_ char *data = NULL;
	_cleanup_close_ int fd = -1;
	char hex[DIGEST_HEX_SIZE];
	struct digest is;
	size_t size;
	int r;

	fd = store_open_object(s, d, e);
	if (fd < 0)
		return fd;
	r = read_all(fd, max, &data, &size);
	if (r < 0)
		return fail_code(e, r, "read object '%s'", digest_hex(d, hex));
	r = sha256_bytes(data, size, &is);
	if (r < 0)
		return fail_code(e, r, "hash object '%s'", digest_hex(d, hex));
	if (!digest_equal(d, &is))
		return fail(e, EBADMSG,
			    "object '%s' is damaged: its content has another digest",
			    digest_hex(d, hex));
	*ret = TAKE_PTR(data);
	if (ret_size)
		*ret_size = size;
	return 0;
}

int rename_noreplace(int fromfd, const char *from, int tofd, const char *to)
{
	if (renameat2(fromfd, from, tofd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(fromfd, from, tofd, to, 0) < 0)
		return -errno;
	(void)unlinkat(fromfd, from, 0);
	return 0;
}

/* Fills @out with all of @in; true in *@ret_shared when they share their blocks. */
static int clone_or_copy(int in, int out, bool *ret_shared)
{
	struct stat st;

	*ret_shared = ioctl(out, FICLONE, in) == 0;
	if (*ret_shared)
		return 0;
	if (fstat(in, &st) < 0)
		return -errno;
	return copy_bytes(in, 0, out, 0, (uint64_t)st.st_size);
}

static int copy_at(int in, mode_t mode, int dirfd, const char *tmp, bool *ret_shared)
{
	_cleanup_close_ int out = -1;
	int r;

	out = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     0600);
	if (out < 0)
		return -errno;
	r = clone_or_copy(in, out, ret_shared);
	if (r < 0)
		return r;
	if (fchmod(out, mode) < 0 || fdatasync(out) < 0)
		return -errno;
	return 0;
}

int copy_out(int in, mode_t mode, int dirfd, const char *name, bool *ret_shared)
{
	char tmp[TMP_NAME_SIZE];
	int r;

	r = tmp_name(tmp);
	if (r < 0)
		return r;
	r = copy_at(in, mode, dirfd, tmp, ret_shared);
	if (r >= 0)
		r = rename_noreplace(dirfd, tmp, dirfd, name);
	if (r < 0)
		(void)unlinkat(dirfd, tmp, 0);
	return r;
}

static bool must_copy(int code)
{
	return code == EXDEV || code == EMLINK || code == EPERM || code == ENOENT;
}

int store_copy(const struct store *s, const struct digest *d, enum object_kind kind,
	       int dirfd, const char *name, struct volt_error *e)
{
	_cleanup_close_ int in = -1;
	char object[OBJECT_NAME_SIZE];
	bool shared = false;
	int r;

	if (!path_is_name(name))
		return fail(e, EINVAL, "copy an object as '%s': not a file name", name);
	in = store_open_object(s, d, e);
	if (in < 0)
		return in;
	r = copy_out(in, object_mode(kind), dirfd, name, &shared);
	return r < 0 ? fail_code(e, r, "copy object '%s' as '%s'",
				 object_name(d, kind, object), name)
		     : !shared;
}

int store_link(const struct store *s, const struct digest *d, enum object_kind kind,
	       int dirfd, const char *name, struct volt_error *e)
{
	char object[OBJECT_NAME_SIZE];

	if (!path_is_name(name))
		return fail(e, EINVAL, "link an object as '%s': not a file name", name);
	if (linkat(s->objects, object_name(d, kind, object), dirfd, name, 0) == 0)
		return 0;
	if (!must_copy(errno))
		return fail_errno(e, "link object '%s' as '%s'", object, name);
	return store_copy(s, d, kind, dirfd, name, e);
}
