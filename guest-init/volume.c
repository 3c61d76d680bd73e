/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "copyup.h"
#include "init.h"
#include "mount.h"

/* Where a share is mounted while one file or directory of it is taken out. */
#define SHARE "/dev/.volt-share"

static struct list mounted; /* in order */

static const struct fixed {
	const char *type, *target, *data;
	unsigned long flags;
	bool needed;
} fixed[] = {
	{ "devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC,
	  true },
	{ "tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV, true },
	{ "mqueue", "/dev/mqueue", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, false },
	{ "cgroup2", "/sys/fs/cgroup", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, false },
};

static const char *const links[][2] = {
	{ "/proc/self/fd", "/dev/fd" },
	{ "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" },
	{ "/proc/self/fd/2", "/dev/stderr" },
};

static int mount_fixed(struct why *w)
{
	for (size_t k = 0; k < ARRAY_SIZE(fixed); k++) {
		const struct fixed *f = &fixed[k];

		(void)mkdir(f->target, 0755);
		if (mount(f->type, f->target, f->type, f->flags, f->data) < 0 &&
		    f->needed)
			return because(w, -errno, "mount '%s'", f->target);
	}
	for (size_t k = 0; k < ARRAY_SIZE(links); k++)
		if (symlink(links[k][0], links[k][1]) < 0 && errno != EEXIST)
			return because(w, -errno, "make '%s'", links[k][1]);
	return 0;
}

static int make_file(const char *path)
{
	char parent[PATH_MAX];
	_cleanup_close_ int fd = -1;
	char *slash;
	int r = 0;

	(void)snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash && slash > parent) {
		*slash = 0;
		r = make_directories(parent);
	}
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
	return r == 0 && fd < 0 ? -errno : r;
}

/* A mount point like @source. */
static int make_target(const char *source, const char *target)
{
	struct stat is, st;

	if (stat(source, &is) < 0)
		return -errno;
	if (stat(target, &st) == 0)
		return S_ISDIR(is.st_mode) == S_ISDIR(st.st_mode) ? 0
		       : S_ISDIR(st.st_mode)                      ? -EISDIR
								  : -ENOTDIR;
	return S_ISDIR(is.st_mode) ? make_directories(target) : make_file(target);
}

static int bind(const char *source, const char *target, bool read_only)
{
	unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY;
	int r = make_target(source, target);

	if (r < 0)
		return r;
	if (mount(source, target, NULL, MS_BIND, NULL) < 0)
		return -errno;
	if (read_only && mount(NULL, target, NULL, flags, NULL) < 0)
		return -errno;
	return 0;
}

static int mount_part(const struct mount_wish *m, struct why *w)
{
	char source[PATH_MAX];
	int r;

	(void)mkdir(SHARE, 0700);
	r = mount_wish(m, SHARE, m->read_only ? MS_RDONLY : 0, w);
	if (r < 0)
		return r;
	(void)snprintf(source, sizeof(source), SHARE "/%s", m->subpath);
	r = bind(source, m->target, m->read_only);
	(void)umount2(SHARE, MNT_DETACH);
	(void)rmdir(SHARE);
	if (r < 0)
		return because(w, r, "mount '%s' of '%s' on '%s'", m->subpath,
			       m->source ? m->source : m->type, m->target);
	return 0;
}

static int mount_whole(const struct mount_wish *m, struct why *w)
{
	_cleanup_close_ int covered = -1;
	struct mount_wish plain = *m;
	_cleanup_free_ char *options = NULL;
	int r = make_directories(m->target);

	if (r < 0)
		return because(w, r, "make the mount point '%s'", m->target);
	r = copyup_wanted(m, &options);
	if (r < 0)
		return because(w, r, "mount '%s'", m->target);
	if (r > 0) {
		plain.options = options;
		covered = open(m->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	r = mount_wish(&plain, m->target, m->read_only ? MS_RDONLY : 0, w);
	if (r < 0 || covered < 0)
		return r;
	r = copyup(covered, m->target);
	return r < 0 ? because(w, r, "copy what the image has in '%s'", m->target) : 0;
}

int mount_all(const struct config *c, struct why *w)
{
	int r = mount_fixed(w);

	for (size_t k = 0; r == 0 && k < c->n_mounts; k++) {
		const struct mount_wish *m = &c->mounts[k];

		r = m->subpath ? mount_part(m, w) : mount_whole(m, w);
		if (r == 0 && strcmp(m->type, "tmpfs") != 0)
			r = list_add(&mounted, m->target, strlen(m->target));
	}
	return r;
}

void unmount_volumes(void)
{
	sync();
	while (mounted.n > 0) {
		const char *target = mounted.v[--mounted.n];

		if (umount2(target, 0) == 0)
			continue;
		(void)mount(NULL, target, NULL, MS_REMOUNT | MS_RDONLY, NULL);
		(void)umount2(target, MNT_DETACH);
	}
}
