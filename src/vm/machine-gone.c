/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: a machine that goes while somebody looks at it
 *
 * Whoever has a machine open has its directory and opens the files in it by name. Another
 * command, or its own supervisor (--rm), may remove it at any moment: the directory loses its
 * name by one rename(), and then its files vanish one after the other. So a file that is
 * missing, or a supervisor that cannot be reached, says nothing by itself. What counts is
 * whether the directory still has the machine's name, and every verb that fails asks that
 * before it says why: without the name there is no machine, whatever it was that failed.
 *
 * A lock does not keep its directory. So who gets one looks at the name, too: what had to be
 * done may be done, and a file called `lock` may be one that it has made itself just now, in
 * what is left of a directory.
 *
 * One thing outlives the directory: the exit status, for who waits for it. Who removes a
 * machine leaves it in the length of `lock`, where it takes no room on a full disk and is
 * there at once or not at all; who waits has opened that file before it asked anything.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/lock.h"
#include "vm/machine-internal.h"

bool machine_is_there(const struct machine *m)
{
	struct stat own, named;

	return fstat(m->dirfd, &own) == 0 &&
	       fstatat(m->machines, m->id, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

int machine_lock(struct machine *m, bool wait, struct volt_error *e)
{
	_cleanup_close_ int fd = lock_open(m->dirfd, MACHINE_LOCK, LOCK_EXCLUSIVE, wait);

	if (fd == -EAGAIN)
		return fd;
	if (fd >= 0 && machine_is_there(m))
		return TAKE_FD(fd);
	return machine_verdict(
		m, fail_code(e, fd < 0 ? fd : -ENOENT, "lock machine '%.12s'", m->id), e);
}

/* --- the exit status that is left --- */

/* Where that fails, who waits is told that there is no such machine. */
void machine_leave_status(struct machine *m, const struct state *st)
{
	_cleanup_close_ int fd = -1;

	if (st->status != STATUS_EXITED && st->status != STATUS_FAILED)
		return;
	fd = openat(m->dirfd, MACHINE_LOCK, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		(void)!ftruncate(fd, st->exit_code + 1);
}

int machine_watch_status(struct machine *m)
{
	return openat(m->dirfd, MACHINE_LOCK, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

int machine_left_status(int watch)
{
	struct stat st;

	if (watch < 0 || fstat(watch, &st) < 0 || st.st_size < 1 || st.st_size > 256)
		return -ENOENT;
	return (int)st.st_size - 1;
}
