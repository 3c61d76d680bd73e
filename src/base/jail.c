/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The child gets a mount namespace of its own (with it IPC, host name and, unless it needs
 * the host's, network), and where it has no right to that a user namespace around it, in
 * which its user is itself and nobody else exists. A tmpfs is mounted over "/", which hides
 * it from nobody: a lookup starts at what was the root before. In it each thing is bound, by a
 * clone of its mount that is made read-only and so on while it is still detached. Then the
 * tmpfs becomes the root, what was there is detached, and the tmpfs made read-only.
 *
 * A descriptor that was opened before belongs to the namespace that was left, and its mount
 * cannot be cloned here. So each thing is looked up again, by the path the kernel has for
 * the descriptor, and must then be the same inode on the same file system.
 *
 * Nothing is allocated, formatted or locked in the child (spawn.c says why): what needs
 * that is in the plan.
 */

#include "base/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"

#define ID_MAP_SIZE 64
#define HOST_NAME   "volt"
#define OWN_FDS     "/proc/self/fd"

enum step {
	STEP_NAMESPACES,
	STEP_IDS,
	STEP_ROOT,
	STEP_FDS,
	STEP_PIVOT, /* up to here it does not depend on what is in it */
	STEP_DROP,
	STEP_BIND /* + its number */
};

static const char *const step_texts[] = {
	[STEP_NAMESPACES] = "make namespaces for",
	[STEP_IDS] = "map its user into",
	[STEP_ROOT] = "mount",
	[STEP_FDS] = "show its descriptors in",
	[STEP_PIVOT] = "enter",
	[STEP_DROP] = "give up all rights in",
};

struct source {
	char *path; /* where it was */
	struct stat st;
	const char *name;
	char *parent; /* of @name, if it has one */
	unsigned int flags;
};

struct jail_plan {
	struct source v[JAIL_BINDS_MAX];
	size_t n;
	bool user_namespace;
	bool host_network;
	bool own_fds;
	uint64_t capabilities;
	uid_t uid;
	gid_t gid;
	char uid_map[ID_MAP_SIZE], gid_map[ID_MAP_SIZE];
};

int jail_add(struct jail *j, int fd, const char *name, unsigned int flags)
{
	if (j->n == JAIL_BINDS_MAX)
		return -E2BIG;
	j->v[j->n++] = (struct jail_bind){ fd, name, flags };
	return 0;
}

/* --- the plan --- */

void jail_plan_free(struct jail_plan *p)
{
	for (size_t i = 0; p && i < p->n; i++) {
		free(p->v[i].path);
		free(p->v[i].parent);
	}
	free(p);
}

static int find_source(const struct jail_bind *b, struct source *s, struct volt_error *e)
{
	char link[64], target[PATH_MAX];
	const char *slash = strchr(b->name, '/');
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", b->fd);
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0 || fstat(b->fd, &s->st) < 0)
		return fail_errno(e, "find '/%s' of an empty root", b->name);
	target[n] = '\0';
	s->path = strdup(target);
	s->parent = slash ? strndup(b->name, slash - b->name) : NULL;
	if (!s->path || (slash && !s->parent))
		return fail_oom(e);
	s->name = b->name;
	s->flags = b->flags;
	return 0;
}

static bool may_mount(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

int jail_plan_new(const struct jail *j, uid_t uid, gid_t gid, struct jail_plan **ret,
		  struct volt_error *e)
{
	_cleanup_(jail_plan_freep) struct jail_plan *p = calloc(1, sizeof(*p));

	if (!p)
		return fail_oom(e);
	for (; p->n < j->n; p->n++) {
		int r = find_source(&j->v[p->n], &p->v[p->n], e);

		if (r < 0) {
			p->n++; /* what it has is freed */
			return r;
		}
	}
	p->user_namespace = !may_mount();
	p->host_network = j->host_network;
	p->own_fds = j->own_fds;
	p->capabilities = j->capabilities;
	p->uid = uid;
	p->gid = gid;
	(void)snprintf(p->uid_map, ID_MAP_SIZE, "%u %u 1", geteuid(), geteuid());
	(void)snprintf(p->gid_map, ID_MAP_SIZE, "%u %u 1", getegid(), getegid());
	*ret = TAKE_PTR(p);
	return 0;
}

int jail_fail(const struct jail_plan *p, int step, int code, struct volt_error *e)
{
	if (step >= STEP_BIND && (size_t)step - STEP_BIND < p->n) {
		const struct source *s = &p->v[step - STEP_BIND];

		return fail_code(e, code, "show '%s' as '/%s' in an empty root", s->path,
				 s->name);
	}
	if (step < 0 || step >= STEP_DROP)
		return fail_code(e, code, "%s an empty root", step_texts[STEP_DROP]);
	return fail(e, ENOTSUP, "%s an empty root: %s", step_texts[step],
		    strerrordesc_np(-code));
}

/* --- in the child --- */

static int write_proc(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : write_all(fd, text, strlen(text));

	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int unshare_all(const struct jail_plan *p)
{
	int flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

	if (p->user_namespace)
		flags |= CLONE_NEWUSER;
	if (!p->host_network)
		flags |= CLONE_NEWNET;
	return unshare(flags) < 0 ? -errno : 0;
}

static int map_ids(const struct jail_plan *p)
{
	int r = write_proc("/proc/self/setgroups", "deny");

	if (r == 0)
		r = write_proc("/proc/self/uid_map", p->uid_map);
	return r ?: write_proc("/proc/self/gid_map", p->gid_map);
}

/* A tmpfs on top of "/": the descriptor of its root. */
static int mount_root(void)
{
	int fs = -1, fd = -1, r = 0;

	if (sethostname(HOST_NAME, strlen(HOST_NAME)) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", HOST_NAME, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "size", "64k", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		r = -errno;
	if (r == 0)
		fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (r == 0 &&
	    (fd < 0 || move_mount(fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0))
		r = -errno;
	(void)close(fs);
	if (r == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return r;
}

/* A detached clone of the mount that @s is on, rooted there. */
static int clone_source(const struct source *s)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID };
	struct stat st;
	int r = 0;
	int fd = open_tree(AT_FDCWD, s->path,
			   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
				   AT_SYMLINK_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (!(s->flags & JAIL_WRITABLE))
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (!(s->flags & JAIL_EXEC))
		attr.attr_set |= MOUNT_ATTR_NOEXEC;
	if (!(s->flags & JAIL_DEVICE))
		attr.attr_set |= MOUNT_ATTR_NODEV;
	if (fstat(fd, &st) < 0 ||
	    mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		r = -errno;
	else if (st.st_dev != s->st.st_dev || st.st_ino != s->st.st_ino)
		r = -ESTALE;
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

/* What it is mounted on. */
static int make_target(const struct source *s, int root)
{
	int fd;

	if (S_ISDIR(s->st.st_mode))
		return mkdirat(root, s->name, 0755) < 0 ? -errno : 0;
	fd = openat(root, s->name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

/* -EPERM or so where device nodes cannot be made: in user namespaces, in many containers. */
static int make_device(const struct jail_plan *p, const struct source *s, int root)
{
	if (!S_ISCHR(s->st.st_mode) ||
	    mknodat(root, s->name, S_IFCHR | 0600, s->st.st_rdev) < 0)
		return -EPERM;
	return fchownat(root, s->name, p->uid, p->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
										: 0;
}

static int bind_source(const struct jail_plan *p, const struct source *s, int root)
{
	int clone, r;

	if (s->parent && mkdirat(root, s->parent, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (s->flags & JAIL_DEVICE) {
		r = make_device(p, s, root);
		if (r != -EPERM)
			return r;
	}
	r = make_target(s, root);
	if (r < 0)
		return r;
	clone = clone_source(s);
	if (clone < 0)
		return clone;
	if (move_mount(clone, "", root, s->name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = -errno;
	(void)close(clone);
	return r;
}

/* The child's own, which is its program's after execve(). */
static int bind_own_fds(int root)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	int clone, r = 0;

	if (mkdirat(root, "proc", 0755) < 0 || mkdirat(root, "proc/self", 0755) < 0 ||
	    mkdirat(root, &OWN_FDS[1], 0755) < 0)
		return -errno;
	clone = open_tree(AT_FDCWD, OWN_FDS, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (clone < 0)
		return -errno;
	if (mount_setattr(clone, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(clone, "", root, &OWN_FDS[1], MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = -errno;
	(void)close(clone);
	return r;
}

static int pivot(int root)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ||
	    mount_setattr(AT_FDCWD, "/", 0, &ro, sizeof(ro)) < 0)
		return -errno;
	return 0;
}

static int fill(const struct jail_plan *p, int root, int *ret_step)
{
	mode_t mask = umask(022);
	int r = 0;

	for (size_t i = 0; i < p->n && r == 0; i++) {
		*ret_step = STEP_BIND + (int)i;
		r = bind_source(p, &p->v[i], root);
	}
	if (r == 0 && p->own_fds) {
		*ret_step = STEP_FDS;
		r = bind_own_fds(root);
	}
	(void)umask(mask);
	return r;
}

int jail_enter(const struct jail_plan *p, int *ret_step)
{
	int r, root;

	*ret_step = STEP_NAMESPACES;
	r = unshare_all(p);
	if (r < 0)
		return r;
	*ret_step = STEP_IDS;
	r = p->user_namespace ? map_ids(p) : 0;
	if (r < 0)
		return r;
	*ret_step = STEP_ROOT;
	root = mount_root();
	if (root < 0)
		return root;
	r = fill(p, root, ret_step);
	if (r == 0) {
		*ret_step = STEP_PIVOT;
		r = pivot(root);
	}
	(void)close(root);
	return r;
}

/* --- rights --- */

static bool is_kept(const struct jail_plan *p, int cap)
{
	return p->capabilities & (UINT64_C(1) << cap);
}

/* None that is not kept comes back, whatever is executed. */
static int bound_capabilities(const struct jail_plan *p)
{
	for (int cap = 0; cap < 64; cap++) {
		if (is_kept(p, cap) || prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno != EINVAL) /* beyond the kernel's last */
			return -errno;
	}
	return 0;
}

static int become(const struct jail_plan *p)
{
	if (p->user_namespace)
		return 0;
	/* In an ordinary user's namespace nobody may. */
	if (setgroups(0, NULL) < 0 && (errno != EPERM || p->uid))
		return -errno;
	if (p->uid && (setresgid(p->gid, p->gid, p->gid) < 0 ||
		       setresuid(p->uid, p->uid, p->uid) < 0))
		return -errno;
	return 0;
}

/* Ambient ones, which an ordinary user's program keeps. */
static int set_capabilities(const struct jail_plan *p)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted = (uint32_t)(p->capabilities >> (32 * i));
		data[i].effective = data[i].inheritable = data[i].permitted;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return -errno;
	for (int cap = 0; cap < 64; cap++)
		if (is_kept(p, cap) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	return 0;
}

int jail_drop(const struct jail_plan *p, int *ret_step)
{
	int r;

	*ret_step = STEP_DROP;
	r = bound_capabilities(p);
	if (r == 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		r = -errno;
	r = r ?: become(p);
	r = r ?: set_capabilities(p);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	return r;
}
