/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/strv.h"
#include "vm/internal.h"

/* What stands there under @name, if it is a file without other names: its directory was another
 * user's to write. */
static int give_file(int dir, const char *name, uid_t uid, gid_t gid)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid == uid)
		return 0;
	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* @fd and the files in it: whoever ran the machine before may have given swtpm another user.
 * The directory goes first, so that nobody else changes it meanwhile. */
static int give_state(int fd, uid_t uid, gid_t gid)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *de;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || (st.st_uid != uid && fchown(fd, uid, gid) < 0))
		return -errno;
	r = dir_stream(fd, &dir);
	while (r == 0 && (de = dir_next(dir)))
		r = give_file(fd, de->d_name, uid, gid);
	return r;
}

/* The directory is all that this user has; those on the way to it are closed to it. */
static int open_state(const struct tpm_with *w, struct volt_error *e)
{
	_cleanup_close_ int dir = mkdir_beneath(w->dirfd, TPM_NAME, 0700), fd = -1;
	int r;

	if (dir < 0)
		return fail_code(e, dir, "make the TPM's directory");
	/* mkdir_beneath() may give one that is only good for looking below it. */
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : w->uid ? give_state(fd, w->uid, w->gid) : 0;
	return r < 0 ? fail_code(e, r, "open the TPM's directory") : TAKE_FD(fd);
}

/* Takes @pidfd on success. */
static int watch(const struct tpm_with *w, pid_t pid, int pidfd, sd_event_source **ret)
{
	int r = undo_add_process(w->undo, pid);

	/* One too many for the list ends with its channel and with us all the same. */
	if (r < 0 && r != -ENOSPC)
		return r;
	r = sd_event_add_child_pidfd(w->ev, ret, pidfd, WEXITED, w->ended, w->data);
	return r < 0 ? r : sd_event_source_set_child_pidfd_own(*ret, 1);
}

static int spawn_swtpm(const struct tpm_with *w, int state, int channel, pid_t *pid,
		       int *pidfd, struct volt_error *e)
{
	_cleanup_strv_ struct strv argv = { 0 };
	struct spawn s = SPAWN_INIT;
	int r;

	r = strv_add(&argv, "swtpm");
	r = r ?: strv_add(&argv, "socket");
	r = r ?: strv_add(&argv, "--tpm2");
	r = r ?: strv_add(&argv, "--ctrl");
	r = r ?: strv_addf(&argv, "type=unixio,clientfd=%d", channel);
	r = r ?: strv_add(&argv, "--tpmstate");
	r = r ?: strv_add(&argv, "dir=.,mode=0600");
	r = r ?: strv_add(&argv, "--terminate");
	if (r < 0)
		return fail_oom(e);
	s.argv = (const char *const *)argv.v;
	s.keep_fds = &channel;
	s.n_keep_fds = 1;
	s.cwd = state;
	s.out = s.err = w->errors;
	s.die_with_parent = true;
	s.uid = w->uid;
	s.gid = w->gid;
	r = spawn_start(&s, pid, pidfd, e);
	return r == -ENOENT ? fail(e, ENOENT,
				   "no 'swtpm' for the machine's TPM: install package "
				   "'swtpm', or use --no-tpm")
			    : r;
}

int tpm_start(const struct tpm_with *w, int *ret_fd, sd_event_source **ret,
	      struct volt_error *e)
{
	_cleanup_close_ int state = open_state(w, e), own = -1, theirs = -1, pidfd = -1;
	int fds[2], r;
	pid_t pid = 0;

	if (state < 0)
		return state;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return fail_errno(e, "make a socket pair for the TPM");
	own = fds[0];
	theirs = fds[1];
	TRY(spawn_swtpm(w, state, theirs, &pid, &pidfd, e));
	r = watch(w, pid, pidfd, ret);
	if (r < 0)
		return fail_code(e, r, "watch the TPM");
	(void)TAKE_FD(pidfd);
	*ret_fd = TAKE_FD(own);
	return 0;
}
