/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 *	rootfs/<tree digest>.erofs       an image, 0444
 *	rootfs/<tree digest>.tree/       a hard-link directory
 *	rootfs/scratch-<bytes>.ext4      an empty disk, 0444
 *	rootfs/<any of these>.tmp        one in the making, or what a crash left of it
 *	rootfs/lock                      one byte of it is locked for each in the making
 *
 * A name without .tmp is absent or complete: it appears by rename, after its content was
 * synced. Makers of one name take turns by an open-file-description lock on the byte of
 * "lock" that the name's key selects; the second finds the first one's work. Different
 * names are made at the same time. The lock dies with its holder, so a .tmp whose lock is
 * free is rubbish: the next maker of anything removes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "rootfs/rootfs-private.h"

#define TMP ".tmp"

int rootfs_open(int rootfd, struct volt_error *e)
{
	int fd = mkdir_beneath(rootfd, "rootfs", 0700);

	return fd < 0 ? fail_code(e, fd, "open directory 'rootfs'") : fd;
}

/* The same for a name and its temporary one. Two names that meet by chance only wait for
 * each other. */
static uint64_t key_of_name(const char *name)
{
	uint64_t key = 0xcbf29ce484222325;

	for (const char *p = name; *p && strcmp(p, TMP) != 0; p++)
		key = (key ^ (unsigned char)*p) * 0x100000001b3;
	return key;
}

static int lock_key(int dir, uint64_t key, bool wait)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = (off_t)(key & (INT64_MAX >> 1)),
			      .l_len = 1 };
	_cleanup_close_ int fd =
		openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	do {
		r = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EACCES ? -EAGAIN : -errno;
	return TAKE_FD(fd);
}

static bool is_tmp(const char *name)
{
	size_t n = strlen(name);

	return n > strlen(TMP) && strcmp(name + n - strlen(TMP), TMP) == 0;
}

/* Removes what makers that are gone have left. Failure is not the caller's trouble. */
static void sweep(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		(void)close(fd);
	for (const struct dirent *de; d && (de = readdir(d));) {
		_cleanup_close_ int lock = -1;

		if (!is_tmp(de->d_name))
			continue;
		lock = lock_key(dir, key_of_name(de->d_name), false);
		if (lock >= 0)
			(void)remove_tree_at(dir, de->d_name);
	}
}

int rootfs_making_begin(struct rootfs_making *k, int dir, const char *name,
			struct volt_error *e)
{
	int r;

	*k = (struct rootfs_making){ .dir = dir, .lock = -1 };
	sweep(dir);
	k->lock = lock_key(dir, key_of_name(name), true);
	if (k->lock < 0)
		return fail_code(e, k->lock, "lock '%s' while it is made", name);
	(void)snprintf(k->name, sizeof(k->name), "%s", name);
	(void)snprintf(k->tmp, sizeof(k->tmp), "%s" TMP, name);
	r = remove_tree_at(dir, k->tmp);
	return r < 0 ? fail_code(e, r, "remove what is left of '%s'", k->tmp) : 0;
}

int rootfs_making_commit(struct rootfs_making *k, struct volt_error *e)
{
	if (renameat2(k->dir, k->tmp, k->dir, k->name, RENAME_NOREPLACE) < 0)
		return fail_errno(e, "rename '%s' to '%s'", k->tmp, k->name);
	k->tmp[0] = '\0';
	if (fsync(k->dir) < 0)
		return fail_errno(e, "sync directory 'rootfs'");
	return 0;
}

void rootfs_making_done(struct rootfs_making *k)
{
	if (k->lock < 0)
		return;
	if (k->tmp[0] != '\0')
		(void)remove_tree_at(k->dir, k->tmp);
	(void)close(k->lock);
	k->lock = -1;
}
