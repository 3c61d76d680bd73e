/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The root is put together in the initramfs under /r: lower (the image, read-only), upper
 * (memory or a disk) and root (the overlay of both, or the lower itself). It is then moved
 * over "/", as switch_root does, and not just entered by chroot(): the kernel refuses user
 * namespaces to whoever lives in a chroot. Volumes are mounted after that, so that
 * symbolic links in the image lead where they lead for the workload.
 *
 * A root without a writable layer is an overlay too: mount points and files such as
 * /etc/hosts are made in it before it becomes read-only.
 *
 * At the end nothing that lasts may be left dirty. An overlay in use as "/" cannot be
 * unmounted, so it is made read-only, and then the disk below it, which is reached through
 * a descriptor kept from before the move.
 */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "device.h"
#include "init.h"
#include "module.h"

#define LOWER     "/r/lower"
#define UPPER     "/r/upper"
#define ROOT      "/r/root"
#define DISK_WAIT 10000 /* ms */

static int upper_fd = -1; /* the disk of the writable layer */

static int mount_at(const char *source, const char *target, const char *type,
		    unsigned long flags, const char *data)
{
	return mount(source, target, type, flags, data) < 0 ? -errno : 0;
}

static int make_and_mount(const char *type, const char *target, unsigned long flags,
			  const char *data)
{
	if (mkdir(target, 0755) < 0 && errno != EEXIST)
		return -errno;
	return mount_at(type, target, type, flags, data);
}

int mount_early(struct why *w)
{
	int r;

	(void)umask(0022);
	r = make_and_mount("devtmpfs", "/dev", MS_NOSUID, "mode=755");
	if (r < 0 && r != -EBUSY)
		return because(w, r, "mount /dev");
	r = make_and_mount("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (r < 0)
		return because(w, r, "mount /proc");
	r = make_and_mount("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	if (r < 0)
		return because(w, r, "mount /sys");
	return 0;
}

static bool is_on_disk(const char *type)
{
	return strcmp(type, "erofs") == 0 || strcmp(type, "ext4") == 0 ||
	       strcmp(type, "squashfs") == 0 || strcmp(type, "xfs") == 0;
}

int mount_wish(const struct mount_wish *m, const char *target, unsigned long flags,
	       struct why *w)
{
	/* cache=mmap: without it shared writable mappings, which databases use, fail. */
	char source[PATH_MAX],
		data[PATH_MAX] = "trans=virtio,version=9p2000.L,msize=512000,cache=mmap,";
	size_t before = strcmp(m->type, "9p") == 0 ? strlen(data) : 0;
	const char *wanted = m->source ? m->source : m->type;
	int r = 0;

	if (is_on_disk(m->type))
		r = device_disk(wanted, DISK_WAIT, source, w);
	else
		(void)snprintf(source, sizeof(source), "%s", wanted);
	if (r < 0)
		return r;
	modules_for(m->type);
	r = mount_options(m->options, &flags, data + before, sizeof(data) - before);
	if (r < 0)
		return because(w, r, "mount options '%.100s'", m->options);
	r = mount_at(source, target, m->type, flags, data);
	if (r < 0)
		return because(w, r, "mount '%s' (%s) on '%s'", source, m->type, target);
	return 0;
}

/* The root directory of an overlay shows the attributes of the upper's, so a new upper
 * takes those of the image. */
static int make_upper(struct why *w)
{
	struct stat lower;

	if (mkdir(UPPER "/work", 0700) < 0 && errno != EEXIST)
		return because(w, -errno, "make the overlay's work directory");
	if (mkdir(UPPER "/upper", 0755) < 0)
		return errno == EEXIST ? 0
				       : because(w, -errno, "make the writable layer");
	if (stat(LOWER, &lower) < 0 ||
	    chown(UPPER "/upper", lower.st_uid, lower.st_gid) < 0 ||
	    chmod(UPPER "/upper", lower.st_mode & 07777) < 0)
		return because(w, -errno, "make the writable layer");
	return 0;
}

static int mount_upper(const struct mount_wish *m, struct why *w)
{
	static const char layers[] =
		"lowerdir=" LOWER ",upperdir=" UPPER "/upper,workdir=" UPPER "/work";
	/* Nothing in memory outlives the machine: no syncs. */
	static const char volatile_layers[] = "lowerdir=" LOWER ",upperdir=" UPPER
					      "/upper,workdir=" UPPER "/work,volatile";
	bool memory = strcmp(m->type, "tmpfs") == 0;
	int r;

	(void)mkdir(UPPER, 0755);
	r = mount_wish(m, UPPER, 0, w);
	if (r < 0)
		return r;
	r = make_upper(w);
	if (r < 0)
		return r;
	if (!memory)
		upper_fd = open(UPPER, O_PATH | O_DIRECTORY | O_CLOEXEC);
	modules_for("overlay");
	r = mount_at("overlay", ROOT, "overlay", 0, memory ? volatile_layers : layers);
	if (r < 0)
		return because(w, r, "mount the overlay");
	return 0;
}

static int move_into(const char *root)
{
	static const char *const along[] = { "/proc", "/sys", "/dev" };
	char to[PATH_MAX];

	for (size_t k = 0; k < ARRAY_SIZE(along); k++) {
		(void)snprintf(to, sizeof(to), "%s%s", root, along[k]);
		(void)mkdir(to, 0755);
		if (mount(along[k], to, NULL, MS_MOVE, NULL) < 0)
			return -errno;
	}
	if (chdir(root) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 ||
	    chroot(".") < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

int mount_root(const struct config *c, struct why *w)
{
	struct mount_wish memory = { .type = (char[]){ "tmpfs" } };
	int r;

	(void)mkdir("/r", 0755);
	(void)mkdir(LOWER, 0755);
	(void)mkdir(ROOT, 0755);
	r = mount_wish(&c->root, LOWER, MS_RDONLY, w);
	if (r < 0)
		return r;
	r = mount_upper(c->upper.type ? &c->upper : &memory, w);
	if (r < 0)
		return r;
	r = move_into(ROOT);
	return r < 0 ? because(w, r, "enter the root") : 0;
}

int root_seal(const struct config *c, struct why *w)
{
	int r;

	if (c->upper.type)
		return 0;
	r = mount_at(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	return r < 0 ? because(w, r, "make the root read-only") : 0;
}

void unmount_root(void)
{
	char path[64];

	sync();
	if (upper_fd < 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", upper_fd);
	if (mount_at(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0 ||
	    mount_at(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		say(4, "the writable layer stays in use: its journal will be replayed");
}
