/* SPDX-License-Identifier: Apache-2.0 */
/* For LD_PRELOAD: a program dies, or a call fails, at its n-th call that changes files.
 *
 *	VOLT_CRASH_AT=n        which call, counted from 1 in every process
 *	VOLT_CRASH_HOW=kill    SIGKILL just before it (the default)
 *	VOLT_CRASH_HOW=torn    SIGKILL after it, or after half of it if it is a write
 *	VOLT_CRASH_HOW=28      it fails with this errno
 *	VOLT_CRASH_LOG=path    gets a line with the number and name of that call
 *	VOLT_CRASH_PUBLISHED=objects:refs
 *
 * The last checks what killing cannot: that the program would survive a loss of power. In
 * every directory that has one of these names in its path, a file must have been synced
 * before it gets its name there, one such directory must have been synced before the next
 * is changed, and all of them before the program ends. The first breach is told on stderr
 * and is an abort().
 *
 * A sanitizer's runtime wants to be first: set ASAN_OPTIONS=verify_asan_link_order=0. */
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

/* -- the n-th call --------------------------------------------------------------- */

enum act {
	ACT_PASS,
	ACT_FAIL, /* errno is set */
	ACT_TORN  /* do it, or half of it, and die */
};

static atomic_long calls;

static long setting(const char *name)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : 0;
}

/* By bare system calls: nothing here may be counted itself. */
static void note(const char *path, long n, const char *name)
{
	char line[80];
	long fd, size = snprintf(line, sizeof(line), "%ld %s\n", n, name);

	fd = syscall(SYS_openat, AT_FDCWD, path,
		     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	(void)!syscall(SYS_write, fd, line, size);
	(void)syscall(SYS_close, fd);
}

static void die(void)
{
	(void)kill(getpid(), SIGKILL);
}

static enum act count(const char *name)
{
	const char *how = getenv("VOLT_CRASH_HOW"), *log = getenv("VOLT_CRASH_LOG");
	long n = atomic_fetch_add(&calls, 1) + 1;

	if (n != setting("VOLT_CRASH_AT"))
		return ACT_PASS;
	if (log)
		note(log, n, name);
	if (how && strcmp(how, "torn") == 0)
		return ACT_TORN;
	if (!how || strcmp(how, "kill") == 0)
		die();
	errno = (int)setting("VOLT_CRASH_HOW");
	return ACT_FAIL;
}

/* -- what would survive a loss of power ------------------------------------------ */

enum {
	DIRTY_MAX = 8192
};

struct inode {
	dev_t dev;
	ino_t ino;
};

static struct inode dirty[DIRTY_MAX]; /* files not synced */
static size_t n_dirty;
static struct stat changed; /* the published directory not synced, if st_ino is set */
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void lock(void)
{
	while (atomic_flag_test_and_set(&busy))
		;
}

static void unlock(void)
{
	atomic_flag_clear(&busy);
}

static size_t find(const struct stat *st)
{
	size_t i;

	for (i = 0; i < n_dirty; i++)
		if (dirty[i].dev == st->st_dev && dirty[i].ino == st->st_ino)
			break;
	return i;
}

static void breach(const char *what, const char *name)
{
	(void)fprintf(stderr, "crash-preload: %s: '%s'\n", what, name);
	abort();
}

static void mark(const struct stat *st)
{
	lock();
	if (find(st) == n_dirty) {
		if (n_dirty == DIRTY_MAX)
			breach("too many files", "");
		dirty[n_dirty++] = (struct inode){ st->st_dev, st->st_ino };
	}
	unlock();
}

static bool is_dirty(const struct stat *st)
{
	bool is;

	lock();
	is = find(st) < n_dirty;
	unlock();
	return is;
}

static void wrote(int fd)
{
	struct stat st;

	if (getenv("VOLT_CRASH_PUBLISHED") && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		mark(&st);
}

static void synced(int fd)
{
	struct stat st;
	size_t i;

	if (fstat(fd, &st) < 0)
		return;
	lock();
	i = find(&st);
	if (i < n_dirty)
		dirty[i] = dirty[--n_dirty];
	if (changed.st_ino == st.st_ino && changed.st_dev == st.st_dev)
		changed.st_ino = 0;
	unlock();
}

static void synced_all(void)
{
	lock();
	n_dirty = 0;
	changed.st_ino = 0;
	unlock();
}

/* The path of an open directory, with a slash at its end. */
static int dir_path(int dirfd, char *path, size_t size)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	n = readlink(dirfd == AT_FDCWD ? "/proc/self/cwd" : link, path, size - 2);
	if (n < 0)
		return -1;
	memcpy(path + n, "/", 2);
	return 0;
}

/* One of the published names is a component of the path of @dirfd. */
static bool is_published(int dirfd)
{
	const char *names = getenv("VOLT_CRASH_PUBLISHED");
	char path[4096], part[256];
	size_t n;

	if (!names || dir_path(dirfd, path, sizeof(path)) < 0)
		return false;
	for (; *names; names += n + (names[n] == ':')) {
		n = strcspn(names, ":");
		(void)snprintf(part, sizeof(part), "/%.*s/", (int)n, names);
		if (n > 0 && strstr(path, part))
			return true;
	}
	return false;
}

/* Before @from gets the name @to in @tofd. Paths with slashes are not looked at: volt
 * names files below directory descriptors. */
static void naming(int fromfd, const char *from, int tofd, const char *to)
{
	struct stat file, dir;

	if (strchr(to, '/') || !is_published(tofd) || fstat(tofd, &dir) < 0)
		return;
	if (fstatat(fromfd, from, &file, AT_SYMLINK_NOFOLLOW) == 0 && is_dirty(&file))
		breach("a file gets its name before it is synced", to);
	if (changed.st_ino && changed.st_ino != dir.st_ino)
		breach("a directory is not synced before the next changes", to);
	changed = dir;
}

__attribute__((destructor)) static void at_exit(void)
{
	if (changed.st_ino)
		breach("the last directory is not synced at the end", "");
}

/* -- the calls ------------------------------------------------------------------- */

#define NEXT(name)                     \
	static __typeof__(name) *next; \
	if (!next)                     \
	next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* Counts a call, makes it, and dies after it if that was asked for. */
#define MAKE(name, type, call)               \
	({                                   \
		enum act act_ = count(name); \
		type r_ = -1;                \
		if (act_ != ACT_FAIL)        \
			r_ = call;           \
		if (act_ == ACT_TORN)        \
			die();               \
		r_;                          \
	})

#define WRAP_FD(name, params, args, fd)          \
	API int name params                      \
	{                                        \
		int r;                           \
		NEXT(name);                      \
		r = MAKE(#name, int, next args); \
		if (r >= 0)                      \
			wrote(fd);               \
		return r;                        \
	}
#define WRAP_SYNC(name)                         \
	API int name(int fd)                    \
	{                                       \
		int r;                          \
		NEXT(name);                     \
		r = MAKE(#name, int, next(fd)); \
		if (r == 0)                     \
			synced(fd);             \
		return r;                       \
	}
#define WRAP_INT(name, params, args)                \
	API int name params                         \
	{                                           \
		NEXT(name);                         \
		return MAKE(#name, int, next args); \
	}

/* Calls whose descriptor is the file that changes. */
WRAP_FD(ftruncate, (int fd, off_t n), (fd, n), fd)
WRAP_FD(ftruncate64, (int fd, off64_t n), (fd, n), fd)
WRAP_FD(fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), fd)
WRAP_FD(fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n), fd)
WRAP_FD(fchmod, (int fd, mode_t mode), (fd, mode), -1)
WRAP_FD(fchown, (int fd, uid_t u, gid_t g), (fd, u, g), -1)
WRAP_FD(futimens, (int fd, const struct timespec t[2]), (fd, t), -1)

WRAP_SYNC(fsync)
WRAP_SYNC(fdatasync)

WRAP_INT(mkdir, (const char *p, mode_t m), (p, m))
WRAP_INT(mkdirat, (int fd, const char *p, mode_t m), (fd, p, m))
WRAP_INT(unlink, (const char *p), (p))
WRAP_INT(unlinkat, (int fd, const char *p, int flags), (fd, p, flags))
WRAP_INT(rmdir, (const char *p), (p))
WRAP_INT(symlink, (const char *to, const char *p), (to, p))
WRAP_INT(symlinkat, (const char *to, int fd, const char *p), (to, fd, p))
WRAP_INT(mknod, (const char *p, mode_t m, dev_t d), (p, m, d))
WRAP_INT(mknodat, (int fd, const char *p, mode_t m, dev_t d), (fd, p, m, d))
WRAP_INT(chmod, (const char *p, mode_t m), (p, m))
WRAP_INT(fchmodat, (int fd, const char *p, mode_t m, int flags), (fd, p, m, flags))
WRAP_INT(fchownat, (int fd, const char *p, uid_t u, gid_t g, int flags),
	 (fd, p, u, g, flags))
WRAP_INT(utimensat, (int fd, const char *p, const struct timespec t[2], int flags),
	 (fd, p, t, flags))
WRAP_INT(truncate, (const char *p, off_t n), (p, n))
WRAP_INT(truncate64, (const char *p, off64_t n), (p, n))

API int syncfs(int fd)
{
	int r;

	NEXT(syncfs);
	r = MAKE("syncfs", int, next(fd));
	if (r == 0)
		synced_all();
	return r;
}

API int rename(const char *from, const char *to)
{
	NEXT(rename);
	naming(AT_FDCWD, from, AT_FDCWD, to);
	return MAKE("rename", int, next(from, to));
}

API int renameat(int fromfd, const char *from, int tofd, const char *to)
{
	NEXT(renameat);
	naming(fromfd, from, tofd, to);
	return MAKE("renameat", int, next(fromfd, from, tofd, to));
}

API int renameat2(int fromfd, const char *from, int tofd, const char *to,
		  unsigned int flags)
{
	NEXT(renameat2);
	naming(fromfd, from, tofd, to);
	return MAKE("renameat2", int, next(fromfd, from, tofd, to, flags));
}

API int link(const char *from, const char *to)
{
	NEXT(link);
	naming(AT_FDCWD, from, AT_FDCWD, to);
	return MAKE("link", int, next(from, to));
}

API int linkat(int fromfd, const char *from, int tofd, const char *to, int flags)
{
	NEXT(linkat);
	naming(fromfd, from, tofd, to);
	return MAKE("linkat", int, next(fromfd, from, tofd, to, flags));
}

/* -- writing --------------------------------------------------------------------- */

/* Pipes and terminals are no files: writing to them is not counted. */
static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

API ssize_t write(int fd, const void *data, size_t size)
{
	enum act act;
	ssize_t n;

	NEXT(write);
	if (!is_file(fd))
		return next(fd, data, size);
	act = count("write");
	if (act == ACT_FAIL)
		return -1;
	n = next(fd, data, act == ACT_TORN ? size / 2 : size);
	if (act == ACT_TORN)
		die();
	wrote(fd);
	return n;
}

static ssize_t do_pwrite(__typeof__(pwrite64) *next, int fd, const void *data,
			 size_t size, off64_t at)
{
	enum act act = count("pwrite");
	ssize_t n;

	if (act == ACT_FAIL)
		return -1;
	n = next(fd, data, act == ACT_TORN ? size / 2 : size, at);
	if (act == ACT_TORN)
		die();
	wrote(fd);
	return n;
}

API ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	NEXT(pwrite64);
	return do_pwrite(next, fd, data, size, at);
}

API ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	NEXT(pwrite64);
	return do_pwrite(next, fd, data, size, at);
}

API ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t size,
			    unsigned int flags)
{
	enum act act;
	ssize_t n;

	NEXT(copy_file_range);
	act = count("copy_file_range");
	if (act == ACT_FAIL)
		return -1;
	n = next(in, in_at, out, out_at, act == ACT_TORN ? size / 2 : size, flags);
	if (act == ACT_TORN)
		die();
	wrote(out);
	return n;
}

/* -- opening --------------------------------------------------------------------- */

#define MAKES_FILE(flags) \
	((flags) & (O_CREAT | O_TRUNC) || ((flags)&O_TMPFILE) == O_TMPFILE)

static int do_openat(const char *call, int dirfd, const char *path, int flags,
		     mode_t mode)
{
	__typeof__(openat64) *next = (__typeof__(openat64) *)dlsym(RTLD_NEXT, "openat64");

	if (!MAKES_FILE(flags))
		return next(dirfd, path, flags, mode);
	return MAKE(call, int, next(dirfd, path, flags, mode));
}

static mode_t mode_argument(int flags, va_list ap)
{
	return MAKES_FILE(flags) ? va_arg(ap, mode_t) : 0;
}

#define WRAP_OPEN(name, params, dirfd)                             \
	API int name params                                        \
	{                                                          \
		mode_t mode;                                       \
		va_list ap;                                        \
		va_start(ap, flags);                               \
		mode = mode_argument(flags, ap);                   \
		va_end(ap);                                        \
		return do_openat(#name, dirfd, path, flags, mode); \
	}
WRAP_OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
WRAP_OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
WRAP_OPEN(openat, (int fd, const char *path, int flags, ...), fd)
WRAP_OPEN(openat64, (int fd, const char *path, int flags, ...), fd)

/* -- calls without a wrapper in libc --------------------------------------------- */

API long syscall(long number, ...)
{
	const struct open_how *how;
	long a[6];
	va_list ap;
	int i;

	NEXT(syscall);
	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	how = number == SYS_openat2 ? (const struct open_how *)a[2] : NULL;
	if (!how || !MAKES_FILE(how->flags))
		return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	return MAKE("openat2", long, next(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

API int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	int r;

	NEXT(ioctl);
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request != FICLONE && request != FICLONERANGE)
		return next(fd, request, arg);
	r = MAKE("ioctl(FICLONE)", int, next(fd, request, arg));
	if (r == 0)
		wrote(fd);
	return r;
}
