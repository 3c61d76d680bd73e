/* SPDX-License-Identifier: Apache-2.0 */
/* For LD_PRELOAD: something else happens between two calls of a program, so that a race is
 * lost every time, and at every place.
 *
 *	VOLT_MEDDLE_FROM=name  calls are counted from the first that opens a file whose name
 *	                       begins so
 *	VOLT_MEDDLE_AT=n       before which of them, counted from 1 in every process
 *	VOLT_MEDDLE_DO=command run by sh(1) to its end, without this library
 *	VOLT_MEDDLE_LOG=path   gets a line with the number and name of that call
 *
 * Counted are calls that open, name, look up or remove files, and those on sockets.
 *
 * A sanitizer's runtime wants to be first: set ASAN_OPTIONS=verify_asan_link_order=0. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE /* it has bodies of its own for some of these */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

static long calls;
static bool counting, busy;

static void note(const char *path, const char *name)
{
	FILE *f = fopen(path, "ae");

	if (!f)
		return;
	(void)fprintf(f, "%ld %s\n", calls, name);
	(void)fclose(f);
}

static void run(const char *command)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)unsetenv("LD_PRELOAD");
		(void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

static void count(const char *name)
{
	const char *at = getenv("VOLT_MEDDLE_AT"), *log = getenv("VOLT_MEDDLE_LOG");
	const char *command = getenv("VOLT_MEDDLE_DO");
	int saved = errno;

	if (!counting || busy || !at || !command || ++calls != strtol(at, NULL, 10))
		return;
	busy = true;
	if (log)
		note(log, name);
	run(command);
	busy = false;
	errno = saved;
}

static void opens(const char *path)
{
	const char *from = getenv("VOLT_MEDDLE_FROM");

	counting |= from && strncmp(path, from, strlen(from)) == 0;
}

#define NEXT(name)                     \
	static __typeof__(name) *next; \
	if (!next)                     \
	next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define WRAP(type, name, params, args) \
	API type name params           \
	{                              \
		NEXT(name);            \
		count(#name);          \
		return next args;      \
	}

WRAP(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
WRAP(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
WRAP(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))
WRAP(ssize_t, readlinkat, (int fd, const char *p, char *to, size_t n), (fd, p, to, n))
WRAP(int, fstatat, (int fd, const char *p, struct stat *st, int flags),
     (fd, p, st, flags))
WRAP(int, fstatat64, (int fd, const char *p, struct stat64 *st, int flags),
     (fd, p, st, flags))
WRAP(int, mkdirat, (int fd, const char *p, mode_t mode), (fd, p, mode))
WRAP(int, unlinkat, (int fd, const char *p, int flags), (fd, p, flags))
WRAP(int, renameat, (int from, const char *p, int to, const char *q), (from, p, to, q))

#define MAKES_FILE(flags) ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE)

#define WRAP_OPEN(name, params, dirfd)                                        \
	API int name params                                                   \
	{                                                                     \
		__typeof__(openat64) *next =                                  \
			(__typeof__(openat64) *)dlsym(RTLD_NEXT, "openat64"); \
		mode_t mode = 0;                                              \
		va_list ap;                                                   \
		va_start(ap, flags);                                          \
		if (MAKES_FILE(flags))                                        \
			mode = va_arg(ap, mode_t);                            \
		va_end(ap);                                                   \
		opens(path);                                                  \
		count(#name);                                                 \
		return next(dirfd, path, flags, mode);                        \
	}
WRAP_OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
WRAP_OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
WRAP_OPEN(openat, (int fd, const char *path, int flags, ...), fd)
WRAP_OPEN(openat64, (int fd, const char *path, int flags, ...), fd)

/* openat2() has no wrapper in libc. */
API long syscall(long number, ...)
{
	long a[6];
	va_list ap;

	NEXT(syscall);
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2) {
		opens((const char *)a[1]);
		count("openat2");
	}
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
