/* SPDX-License-Identifier: Apache-2.0 */
/* crash-victim DIR good|unsynced|undurable|skip: writes DIR/published/file, with or
 * without one of the syncs that are due. For test-crash-preload. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int publish(int dir, const char *name, int sync_file, int sync_dir)
{
	int fd = openat(dir, "tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, "0123456789", 10) != 10)
		return -1;
	if (sync_file && fdatasync(fd) < 0)
		return -1;
	if (close(fd) < 0 || renameat(dir, "tmp", dir, name) < 0)
		return -1;
	return sync_dir ? fsync(dir) : 0;
}

int main(int argc, char **argv)
{
	const char *how = argc == 3 ? argv[2] : "";
	int root, first, second, r;

	root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(root, "published", 0700) < 0 ||
	    mkdirat(root, "published/2", 0700) < 0)
		return 1;
	first = openat(root, "published", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	second = openat(first, "2", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = publish(first, "file", strcmp(how, "unsynced") != 0,
		    strcmp(how, "skip") != 0);
	if (r == 0)
		r = publish(second, "file", 1, strcmp(how, "undurable") != 0);
	if (r < 0)
		(void)fprintf(stderr, "crash-victim: %s\n", strerror(errno));
	return r < 0;
}
