/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * A registry may send more than its manifest announces, and would be found out by a digest
 * only when a file is whole, which it never has to be. A limit on each file (RLIMIT_FSIZE) is
 * no answer: skopeo fetches several at once, and has databases of its own that may be larger
 * than any of them. So the kernel tells of each write below the staging directory (inotify),
 * and what stands there is counted again: a program that writes too much is ended by its next
 * write. What is told while it is counted is one event more, not one for each write.
 */
#include "profile/artifact-bound.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"

/* A manifest and a config of 4 MiB each, an index, credentials. */
#define ALLOWANCE ((uint64_t)16 << 20)

void bound_done(struct bound *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(b->dirs); i++)
		closep(&b->dirs[i]);
	closep(&b->notify);
	*b = (struct bound)BOUND_INIT;
}

static int watch_directory(const struct bound *b, int dir)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	return inotify_add_watch(b->notify, path, IN_MODIFY) < 0 ? -errno : 0;
}

/* Bytes of the files in a directory. */
static uint64_t count_bytes(int fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	uint64_t sum = 0;
	struct dirent *de;
	struct stat st;

	if (dir_stream(fd, &dir) < 0)
		return 0;
	while ((de = dir_next(dir)))
		if (fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	return sum;
}

static uint64_t count_all(const struct bound *b)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(b->dirs); i++)
		sum += count_bytes(b->dirs[i]);
	return sum;
}

int bound_begin(struct bound *b, int staging, uint64_t announced, struct volt_error *e)
{
	/* In this order, the other way round than files are renamed, none counts twice. */
	static const char *const names[] = { LAYOUT_BLOBS, LAYOUT, "." };

	b->announced = announced;
	b->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (b->notify < 0)
		return fail_errno(e, "watch what arrives");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r;

		b->dirs[i] = openat(staging, names[i],
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		r = b->dirs[i] < 0 ? -errno : watch_directory(b, b->dirs[i]);
		if (r < 0)
			return fail_code(e, r, "watch what arrives");
	}
	b->held = count_all(b);
	return 0;
}

static int check(void *data, struct volt_error *e)
{
	const struct bound *b = data;
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(b->notify, events, sizeof(events)) > 0)
		;
	if (count_all(b) <= b->held + b->announced + ALLOWANCE)
		return 0;
	return fail(e, EFBIG,
		    "the registry sends more than the %llu bytes that its manifest "
		    "announces",
		    (unsigned long long)b->announced);
}

void bound_apply(struct bound *b, struct spawn *s)
{
	s->watch = check;
	s->watch_data = b;
	s->watched = b->notify;
}
