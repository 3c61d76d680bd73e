/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs/nanos-base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "rootfs/rootfs-private.h"

void nanos_base_name(const struct digest *tree, const struct digest *key,
		     char name[static NANOS_BASE_SIZE])
{
	char a[DIGEST_HEX_SIZE], b[DIGEST_HEX_SIZE];

	(void)snprintf(name, NANOS_BASE_SIZE, "%s-%.*s" NANOS_BASE_SUFFIX,
		       digest_hex(tree, a), NANOS_KEY_DIGITS, digest_hex(key, b));
}

static int open_base(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

static int check_name(const char *name, struct volt_error *e)
{
	struct digest tree;

	return rootfs_is_nanos(name, &tree)
		       ? 0
		       : fail(e, EBADMSG, "'%.100s' is no name of a Nanos disk", name);
}

int nanos_base_open(int rootfd, const char *name, struct volt_error *e)
{
	_cleanup_close_ int dir = -1;
	int fd = check_name(name, e);

	if (fd < 0)
		return fd;
	dir = rootfs_open(rootfd, e);
	if (dir < 0)
		return dir;
	fd = open_base(dir, name);
	return fd < 0 && fd != -ENOENT ? fail_code(e, fd, "open '%s'", name) : fd;
}

/* With the lock held, under the temporary name. */
static int write_base(const struct rootfs_making *k, struct store *s,
		      const struct nanos_disk_input *in, struct volt_error *e)
{
	_cleanup_close_ int lease = lease_take(s, e), fd = -1;
	int r;

	if (lease < 0)
		return lease;
	fd = openat(k->dir, k->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(e, "make '%s'", k->tmp);
	r = nanos_disk_write(in, fd, NULL, e);
	if (r < 0)
		return r;
	if (fchmod(fd, 0444) < 0 || fsync(fd) < 0)
		return fail_errno(e, "sync '%s'", k->tmp);
	return 0;
}

static int make(int dir, const char *name, struct store *s,
		const struct nanos_disk_input *in, struct volt_error *e)
{
	_cleanup_(rootfs_making_done) struct rootfs_making k = { .lock = -1 };
	int r = rootfs_making_begin(&k, dir, name, e);

	if (r < 0)
		return r;
	/* Another maker may have been faster. */
	r = open_base(dir, name);
	if (r != -ENOENT)
		return r < 0 ? fail_code(e, r, "open '%s'", name) : r;
	r = write_base(&k, s, in, e);
	if (r >= 0)
		r = rootfs_making_commit(&k, e);
	if (r < 0)
		return r;
	r = open_base(dir, name);
	return r < 0 ? fail_code(e, r, "open '%s'", name) : r;
}

int nanos_base_make(int rootfd, struct store *s, const char *name,
		    const struct nanos_disk_input *in, struct volt_error *e)
{
	_cleanup_close_ int dir = -1;
	int fd = nanos_base_open(rootfd, name, e);

	if (fd != -ENOENT)
		return fd;
	dir = rootfs_open(rootfd, e);
	if (dir < 0)
		return dir;
	fd = make(dir, name, s, in, e);
	return fd < 0 ? fail_in(e, fd, "make the Nanos disk") : fd;
}
