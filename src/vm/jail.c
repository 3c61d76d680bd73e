/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * QEMU's root holds what it opens by name, and nothing else of the host:
 *
 *	/bin /lib /firmware	of its profile, read-only; only there programs can be run
 *	/kernel /initramfs	read-only
 *	/v0 /v1 …		volumes that it serves itself, by 9p
 *	/proc/self/fd		only with those
 *	/root			the root file system's image, read-only, only with those
 *	/dev/kvm		where it uses that
 *	/etc/resolv.conf	where its own network stack asks the host's name servers
 *
 * All else it has as a descriptor, none of which is a directory: that would be a way out. The
 * host's network is there only for QEMU's own network stack.
 *
 * A 9p server changes modes and attributes through the names that /proc gives its
 * descriptors. By these a file can be opened anew, too, for more than it was handed over for:
 * what must not be written is then no descriptor but a file on a read-only mount.
 *
 * Its user owns nothing. Where root shares volumes by 9p, QEMU has to act for any user of the
 * guest: it keeps the capabilities for that and for nothing else, and uses them on what its
 * root holds. CAP_DAC_READ_SEARCH is not among them (files would be opened by handle, wherever
 * they are), nor CAP_MKNOD.
 */

#include "vm/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/macro.h"
#include "vm/internal.h"

/* QEMU's users, 2^28 of them up to 0x5fffffff, and from HELPER_FIRST as many for helpers that
 * have no jail. Far from people (below 2^16), from subordinate ids as distributions hand them
 * out (from 100000 up, in steps of 65536), and from systemd's, but for those of containers
 * with --private-users=pick: it takes 65536 somewhere between 0x80000 and 0x6fffffff. */
#define UID_FIRST    0x50000000u
#define HELPER_FIRST 0x60000000u
#define ID_DIGITS    7

/* For files that belong to anybody. */
#define FILE_CAPABILITIES                                                 \
	((UINT64_C(1) << CAP_CHOWN) | (UINT64_C(1) << CAP_DAC_OVERRIDE) | \
	 (UINT64_C(1) << CAP_FOWNER) | (UINT64_C(1) << CAP_FSETID))

static bool is_mapped(uid_t uid)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/uid_map", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		char *end;
		unsigned long long inside = strtoull(line, &end, 10), count;

		(void)strtoull(end, &end, 10);
		count = strtoull(end, NULL, 10);
		if (uid >= inside && uid - inside < count)
			return true;
	}
	return false;
}

/* Every directory on the way to @path can be passed by anybody. */
static bool is_passable(const char *path)
{
	char dir[PATH_MAX];
	struct stat st;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	for (char *slash = strrchr(dir, '/'); slash && slash != dir;
	     slash = strrchr(dir, '/')) {
		*slash = '\0';
		if (stat(dir, &st) < 0 || !(st.st_mode & 0001))
			return false;
	}
	return true;
}

/* May anybody start it? By its name and, where that is a link, by what it leads to. */
static bool is_reachable(const char *program)
{
	char path[PATH_MAX];
	struct stat st;

	return realpath(program, path) && stat(path, &st) == 0 &&
	       (st.st_mode & 0005) == 0005 && is_passable(path) && is_passable(program);
}

struct jail_user jail_user(const char *id, enum accel accel, const char *program)
{
	const struct jail_user root = { 0, 0 };
	char digits[ID_DIGITS + 1];
	struct jail_user u;
	struct stat st;

	if (geteuid() != 0)
		return root;
	(void)snprintf(digits, sizeof(digits), "%.*s", ID_DIGITS, id);
	u.uid = UID_FIRST + (uid_t)strtoul(digits, NULL, 16);
	u.gid = u.uid;
	if (!is_mapped(u.uid) || (program && !is_reachable(program)))
		return root;
	if (accel != ACCEL_KVM)
		return u;
	if (stat("/dev/kvm", &st) < 0)
		return root;
	if ((st.st_mode & 0006) == 0006)
		return u;
	if ((st.st_mode & 0060) != 0060 || !st.st_gid)
		return program ? root : u; /* a jail has a node of its own */
	u.gid = st.st_gid;
	return u;
}

struct jail_user jail_helper(struct jail_user qemu)
{
	const uid_t uid = qemu.uid + (HELPER_FIRST - UID_FIRST);

	return qemu.uid && is_mapped(uid) ? (struct jail_user){ uid, uid } : qemu;
}

/* --- its root --- */

void jail_done(struct qemu_jail *j)
{
	while (j->n_fds > 0)
		(void)close(j->fds[--j->n_fds]);
}

static int show_path(struct qemu_jail *j, int dirfd, const char *path, const char *name,
		     unsigned int flags)
{
	int fd = openat(dirfd, path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	j->fds[j->n_fds++] = fd;
	return jail_add(&j->root, fd, name, flags);
}

static int show_profile(const struct profile *p, struct qemu_jail *j)
{
	int r = show_path(j, p->root, "bin", "bin", JAIL_EXEC);

	if (r == 0)
		r = show_path(j, p->root, "lib", "lib", JAIL_EXEC);
	if (r == -ENOENT && !p->loader)
		r = 0; /* linked statically */
	if (r == 0 && p->firmware)
		r = show_path(j, p->root, p->firmware, p->firmware, 0);
	return r;
}

static bool serves_volumes(const struct qemu_config *c)
{
	for (size_t i = 0; i < c->n_shares; i++)
		if (!c->shares[i].virtiofs)
			return true;
	return false;
}

bool jail_shows_disk(const struct qemu_config *c, const struct qemu_disk *d)
{
	return c->jailed && d->read_only && d->serial && serves_volumes(c);
}

static int show_disks(const struct qemu_config *c, struct qemu_jail *j)
{
	int r = 0;

	for (size_t i = 0; i < c->n_disks && r == 0; i++)
		for (const struct qemu_disk *d = &c->disks[i]; d && r == 0; d = d->base)
			if (jail_shows_disk(c, d))
				r = jail_add(&j->root, d->fd, d->serial, 0);
	return r;
}

static int show_shares(const struct qemu_config *c, struct qemu_jail *j)
{
	int r = 0;

	for (size_t i = 0; i < c->n_shares && r == 0; i++) {
		const struct qemu_share *s = &c->shares[i];

		if (s->virtiofs)
			continue;
		r = jail_add(&j->root, s->fd, s->tag, s->read_only ? 0 : JAIL_WRITABLE);
		j->root.own_fds = true;
		if (geteuid() == 0)
			j->root.capabilities = FILE_CAPABILITIES;
	}
	return r;
}

/* QEMU's own network stack passes what the guest asks on to the host's name servers. */
static int show_network(const struct qemu_config *c, struct qemu_jail *j)
{
	int r = 0;

	j->root.host_network = c->link && c->link->kind == NET_SLIRP;
	if (j->root.host_network)
		r = show_path(j, AT_FDCWD, "/etc/resolv.conf", "etc/resolv.conf", 0);
	return r == -ENOENT ? 0 : r;
}

int jail_make(const struct qemu_config *c, struct qemu_jail *ret, struct volt_error *e)
{
	struct qemu_jail j = { 0 };
	int r = show_profile(c->profile, &j);

	if (r == 0 && c->kernel >= 0)
		r = jail_add(&j.root, c->kernel, QEMU_JAIL_KERNEL, 0);
	if (r == 0 && c->initramfs >= 0)
		r = jail_add(&j.root, c->initramfs, QEMU_JAIL_INITRAMFS, 0);
	r = r ?: show_disks(c, &j);
	r = r ?: show_shares(c, &j);
	r = r ?: show_network(c, &j);
	if (r == 0 && c->accel == ACCEL_KVM)
		r = show_path(&j, AT_FDCWD, "/dev/kvm", "dev/kvm",
			      JAIL_DEVICE | JAIL_WRITABLE);
	if (r < 0) {
		jail_done(&j);
		return fail_code(e, r, "make a root for QEMU out of '%s'",
				 c->profile->path);
	}
	*ret = j;
	return 0;
}
