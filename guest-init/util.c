/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "init.h"

bool (*say_elsewhere)(int level, const char *line);

int because(struct why *w, int r, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
	if (r < 0 && n >= 0 && (size_t)n < sizeof(w->text))
		(void)snprintf(w->text + n, sizeof(w->text) - (size_t)n, ": %s",
			       strerror(-r));
	return r < 0 ? r : -EINVAL;
}

static void say_to_kernel(int level, const char *line)
{
	/* Whatever the workload has put in its place must not hold us up. */
	_cleanup_close_ int fd =
		open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0)
		(void)dprintf(fd, "<%d>volt-init: %s\n", level, line);
}

void say(int level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (!say_elsewhere || !say_elsewhere(level, line))
		say_to_kernel(level, line);
}

int64_t boottime(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

ssize_t read_text(int dirfd, const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd =
		openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t have = 0;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while (n > 0 && have < size - 1) {
		n = read(fd, text + have, size - 1 - have);
		if (n < 0)
			return -errno;
		have += (size_t)n;
	}
	text[have] = 0;
	return (ssize_t)have;
}

int make_directories(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t k = 1; k <= n; k++) {
		if (path[k] != '/' && path[k] != 0)
			continue;
		memcpy(part, path, k);
		part[k] = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}
