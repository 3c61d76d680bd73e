/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A volume's source is opened, and by its descriptor everything else is done. What the
 * guest's side gets to see is never more than that tree:
 *
 *	directory, writable	the directory itself
 *	directory, read-only	a clone of its mount, made read-only, all mounts below too
 *	a file			an empty directory with that one file bound into it,
 *				read-only like the above where the volume is
 *
 * The last two need a mount namespace (and an ordinary user a user namespace, in which the
 * user is itself). It is the supervisor's own, private, and goes with it. They are mounted
 * on a small tmpfs below the runtime directory: shares/0, shares/1, …
 *
 * Then either a virtiofsd serves the tree, or QEMU itself does, by 9p, from a descriptor.
 * Debian 12's virtiofsd wants to be root; an ordinary user's is, in a user namespace in which
 * root is that user and nobody else exists.
 */

#include "vm/shares.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/strv.h"
#include "guest/kernel.h"
#include "vm/internal.h"

#define MOUNTS_NAME "shares"

void shares_unwatch(struct shares *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->v[i].server = sd_event_source_disable_unref(s->v[i].server);
}

void shares_done(struct shares *s)
{
	shares_unwatch(s);
	for (size_t i = 0; i < s->n; i++)
		closep(&s->v[i].tree);
	free(s->v);
	if (s->mounts >= 0) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", s->mounts);
		(void)umount2(path, MNT_DETACH);
		(void)close(s->mounts);
	}
	*s = (struct shares)SHARES_INIT;
}

/* --- opening --- */

static int open_source(const struct spec_volume *v, struct share *ret,
		       struct volt_error *e)
{
	struct stat st;

	ret->tree = open(v->source, O_PATH | O_CLOEXEC);
	if (ret->tree < 0 && errno == ENOENT)
		return fail(e, ENOENT, "volume '%s': no such file or directory",
			    v->source);
	if (ret->tree < 0 || fstat(ret->tree, &st) < 0)
		return fail_errno(e, "open volume '%s'", v->source);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return fail(e, ENOTSUP,
			    "volume '%s' is neither a directory nor a regular file",
			    v->source);
	ret->file = S_ISREG(st.st_mode);
	ret->read_only = v->read_only;
	ret->volume = v;
	return 0;
}

/* The others of a Nanos guest are disks. */
static bool is_shared(const struct spec *s, const struct spec_volume *v)
{
	return s->guest != GUEST_NANOS || (!volume_is_named(v) && !v->read_only);
}

int shares_check(const struct spec *s, struct volt_error *e)
{
	int r = 0;

	for (size_t i = 0; i < s->n_volumes && r == 0; i++) {
		struct share share = { .tree = -1 };

		if (!volume_is_named(&s->volumes[i]))
			r = open_source(&s->volumes[i], &share, e);
		closep(&share.tree);
	}
	return r;
}

static int write_proc(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_all(fd, text, strlen(text));
}

/* In the new user namespace everybody is who they were. */
static int map_ids(uid_t uid, gid_t gid)
{
	char map[64];
	int r;

	r = write_proc("/proc/self/setgroups", "deny");
	if (r == 0) {
		(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
		r = write_proc("/proc/self/uid_map", map);
	}
	if (r == 0) {
		(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
		r = write_proc("/proc/self/gid_map", map);
	}
	return r;
}

static int enter_namespace(struct volt_error *e)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r = 0;

	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)) < 0)
		return fail_errno(e, "read-only and single-file volumes need a mount "
				     "namespace of their own");
	if (uid)
		r = map_ids(uid, gid);
	if (r == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		r = -errno;
	return r < 0 ? fail_code(e, r, "set up a mount namespace for volumes") : 0;
}

/* What was opened before belongs to the namespace that was left, where nothing may be
 * mounted any more: the same directory, looked up in this one. */
static int open_again(int dirfd)
{
	char path[64], target[PATH_MAX];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	n = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return n < 0 ? -errno : (int)n;
}

static int mount_base(int runtime, struct shares *s, struct volt_error *e)
{
	_cleanup_close_ int dir = open_again(runtime), below = -1;
	char path[64];

	below = dir < 0 ? dir : mkdir_beneath(dir, MOUNTS_NAME, 0700);
	if (below < 0)
		return fail_code(e, below, "make a directory for volumes");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", below);
	if (mount("volt", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=1m") < 0)
		return fail_errno(e, "mount a directory for volumes");
	s->mounts = openat(dir, MOUNTS_NAME, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return s->mounts < 0 ? fail_errno(e, "open the directory for volumes") : 0;
}

/* A clone of the mount @tree is on, rooted there, at @name below @dirfd. */
static int bind_tree(const struct share *share, int dirfd, const char *name)
{
	_cleanup_close_ int clone = -1;
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };

	clone = open_tree(share->tree, "",
			  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
				  AT_RECURSIVE);
	if (clone < 0)
		return -errno;
	if (share->read_only &&
	    mount_setattr(clone, "", AT_EMPTY_PATH | AT_RECURSIVE, &ro, sizeof(ro)) < 0)
		return -errno;
	return move_mount(clone, "", dirfd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno
									       : 0;
}

static int confine(struct shares *s, size_t i)
{
	struct share *share = &s->v[i];
	_cleanup_close_ int dir = -1, file = -1;
	char name[24];
	int r;

	(void)snprintf(name, sizeof(name), "%zu", i);
	dir = mkdir_beneath(s->mounts, name, 0755);
	if (dir < 0)
		return dir;
	if (share->file) {
		file = openat(dir, FILE_IN_SHARE, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
			      0600);
		r = file < 0 ? -errno : bind_tree(share, dir, FILE_IN_SHARE);
	} else {
		r = bind_tree(share, s->mounts, name);
	}
	if (r < 0)
		return r;
	/* Looked up again: through what is mounted there now. */
	closep(&share->tree);
	share->tree = openat(s->mounts, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return share->tree < 0 ? -errno : 0;
}

static int open_sources(const struct spec *spec, struct shares *ret, bool *ret_confined,
			struct volt_error *e)
{
	ret->v = calloc(spec->n_volumes + 1, sizeof(*ret->v));
	if (!ret->v)
		return fail_oom(e);
	for (size_t i = 0; i < spec->n_volumes; i++) {
		struct share *share = &ret->v[ret->n];

		if (!is_shared(spec, &spec->volumes[i]))
			continue;
		TRY(open_source(&spec->volumes[i], share, e));
		share->number = i;
		ret->n++;
		*ret_confined |= share->file || share->read_only;
	}
	return 0;
}

int shares_open(const struct spec *spec, int runtime, struct shares *ret,
		struct volt_error *e)
{
	bool confined = false;
	int r = 0;

	TRY(open_sources(spec, ret, &confined, e));
	if (!confined)
		return 0;
	TRY(enter_namespace(e));
	shares_done(ret);
	TRY(open_sources(spec, ret, &confined, e));
	TRY(mount_base(runtime, ret, e));
	for (size_t i = 0; i < ret->n && r == 0; i++) {
		if (ret->v[i].file || ret->v[i].read_only)
			r = confine(ret, i);
		if (r < 0)
			return fail_code(e, r, "confine volume '%s'",
					 ret->v[i].volume->source);
	}
	return 0;
}

/* --- serving --- */

/* virtiofsd waits for one connection on a socket of its own; QEMU gets the other end. */
static int connect_pair(int runtime, const char *name, int *ret_listen, int *ret_own)
{
	_cleanup_close_ int listening = -1, own = -1;
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", runtime,
		       name);
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	own = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)unlinkat(runtime, name, 0);
	if (listening < 0 || own < 0 ||
	    bind(listening, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(listening, 1) < 0 ||
	    connect(own, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	(void)unlinkat(runtime, name, 0);
	*ret_listen = TAKE_FD(listening);
	*ret_own = TAKE_FD(own);
	return 0;
}

/* virtiofsd insists on a path; what would end it in a list of options is escaped. */
static int add_source(struct strv *argv, int tree)
{
	char path[64], target[PATH_MAX], quoted[2 * PATH_MAX];
	size_t at = 0;
	ssize_t n;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", tree);
	n = readlink(path, target, sizeof(target));
	if (n < 0 || n == sizeof(target))
		return n < 0 ? -errno : -ENAMETOOLONG;
	for (ssize_t i = 0; i < n; i++) {
		if (target[i] == ',' || target[i] == '\\')
			quoted[at++] = '\\';
		quoted[at++] = target[i];
	}
	quoted[at] = '\0';
	r = strv_add(argv, "-o");
	return r
		       ?: strv_addf(argv,
				    "source=%s,sandbox=namespace,cache=auto,xattr,"
				    "no_posix_lock",
				    quoted);
}

static int add_become_root(struct strv *argv)
{
	int r = strv_add(argv, "unshare");

	r = r ?: strv_add(argv, "--user");
	return r ?: strv_add(argv, "--map-root-user");
}

/* Without it whatever touches the volume waits for ever. Takes @pidfd on success. */
static int watch_virtiofsd(struct share *share, const struct shares_with *w, int pidfd)
{
	int r = sd_event_add_child_pidfd(w->ev, &share->server, pidfd, WEXITED, w->ended,
					 w->data);

	return r < 0 ? r : sd_event_source_set_child_pidfd_own(share->server, 1);
}

static int start_virtiofsd(struct share *share, const struct shares_with *w,
			   struct qemu_share *ret, struct volt_error *e)
{
	_cleanup_close_ int listening = -1, own = -1, pidfd = -1;
	_cleanup_strv_ struct strv argv = { 0 };
	struct spawn s = SPAWN_INIT;
	pid_t pid;
	int r;

	r = connect_pair(w->runtime, ret->tag, &listening, &own);
	if (r < 0)
		return fail_code(e, r, "make a socket for virtiofsd");
	if (geteuid() != 0)
		r = add_become_root(&argv);
	r = r ?: strv_add(&argv, w->profile->virtiofsd);
	r = r ?: strv_addf(&argv, "--fd=%d", listening);
	r = r ?: add_source(&argv, share->tree);
	r = r ?: strv_add(&argv, "--thread-pool-size=4");
	if (r < 0)
		return fail_code(e, r, "name a volume to virtiofsd");
	s.argv = (const char *const *)argv.v;
	s.keep_fds = &listening;
	s.n_keep_fds = 1;
	s.err = w->errors;
	s.die_with_parent = true;
	if (geteuid() != 0)
		s.ignored_call = SYS_setgroups; /* it ends if it cannot give groups up */
	r = spawn_start(&s, &pid, &pidfd, e);
	if (r < 0)
		return r;
	/* One too many for the list ends with QEMU's socket and with us all the same. */
	r = undo_add_process(w->undo, pid);
	if (r == 0 || r == -ENOSPC)
		r = watch_virtiofsd(share, w, pidfd);
	if (r < 0)
		return fail_code(e, r, "watch virtiofsd");
	(void)TAKE_FD(pidfd);
	ret->fd = TAKE_FD(own);
	return 0;
}

/* QEMU wants a descriptor it can open again by its number in /proc. */
static int serve_by_9p(const struct share *share, struct qemu_share *ret,
		       struct volt_error *e)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", share->tree);
	ret->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret->fd < 0 ? fail_errno(e, "open a volume") : 0;
}

/* Tried in a child: who has made one cannot go back. */
static int check_become_root(struct volt_error *e)
{
	_cleanup_strv_ struct strv argv = { 0 };
	struct spawn s = SPAWN_INIT;
	int r = add_become_root(&argv);

	r = r ?: strv_add(&argv, "true");
	if (r < 0)
		return fail_oom(e);
	s.argv = (const char *const *)argv.v;
	return spawn_run(&s, 4096, NULL, e);
}

/* 9p where it is there is for ordinary users the one that needs nothing. */
static int choose(const struct shares *s, const struct shares_with *w, bool *ret,
		  struct volt_error *e)
{
	bool virtiofs = (w->abilities & KERNEL_VIRTIOFS) &&
			(w->profile->capabilities & PROFILE_CAN_VIRTIOFS);
	int r;

	*ret = false;
	if (s->n == 0)
		return 0;
	if (virtiofs && geteuid() == 0) {
		*ret = true;
		return 0;
	}
	if (w->abilities & KERNEL_9P)
		return 0;
	if (!virtiofs)
		return fail(
			e, ENOTSUP,
			"volumes: the guest's kernel has no 9p, and virtiofs needs %s",
			w->abilities & KERNEL_VIRTIOFS ? "virtiofsd" : "another kernel");
	r = check_become_root(e);
	*ret = r == 0;
	return r < 0 ? fail_in(e, r,
			       "volumes: the guest's kernel has no 9p, and virtiofs "
			       "needs a user namespace")
		     : 0;
}

int shares_serve(struct shares *s, const struct shares_with *w, struct qemu_share **ret,
		 struct volt_error *e)
{
	struct qemu_share *v;
	int r = 0;

	TRY(choose(s, w, &s->by_virtiofs, e));
	v = calloc(s->n + 1, sizeof(*v));
	if (!v)
		return fail_oom(e);
	for (size_t i = 0; i < s->n; i++)
		v[i].fd = -1;
	for (size_t i = 0; i < s->n && r == 0; i++) {
		(void)snprintf(v[i].tag, sizeof(v[i].tag), "v%zu", i);
		if (w->numbers)
			(void)snprintf(v[i].mount, sizeof(v[i].mount), "%zu",
				       s->v[i].number);
		v[i].virtiofs = s->by_virtiofs;
		v[i].read_only = s->v[i].read_only;
		r = s->by_virtiofs ? start_virtiofsd(&s->v[i], w, &v[i], e)
				   : serve_by_9p(&s->v[i], &v[i], e);
	}
	if (r < 0) {
		shares_served(s, v);
		return r;
	}
	*ret = v;
	return 0;
}

void shares_served(const struct shares *s, struct qemu_share *served)
{
	for (size_t i = 0; served && i < s->n; i++)
		closep(&served[i].fd);
	free(served);
}
