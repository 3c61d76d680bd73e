/* SPDX-License-Identifier: Apache-2.0 */
/* The init of a guest that measures its root: mounts what the kernel command line names
 * (root_type=, root_from=, root_with=), looks at every name, reads every file, does both
 * again, and prints one line of milliseconds, megabytes and a sum over all attributes. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
	uint64_t names, bytes, sum;
} seen;

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Order does not matter: sums of hashes are added. */
static uint64_t hash(uint64_t h, const void *data, size_t size)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

static void note_name(int dir, const char *path, const char *name, const struct stat *st)
{
	char text[256], target[4096];
	ssize_t n =
		S_ISLNK(st->st_mode) ? readlinkat(dir, name, target, sizeof(target)) : 0;
	uint64_t h;

	(void)snprintf(text, sizeof(text), "%o %u %u %llu %llu %zd", st->st_mode,
		       st->st_uid, st->st_gid, (unsigned long long)st->st_rdev,
		       S_ISREG(st->st_mode) ? (unsigned long long)st->st_size : 0, n);
	h = hash(0xcbf29ce484222325, path, strlen(path));
	h = hash(h, text, strlen(text));
	seen.sum += hash(h, target, n > 0 ? (size_t)n : 0);
	seen.names++;
}

static void read_file(int dir, const char *name)
{
	static char buf[1 << 17];
	int fd = openat(dir, name, O_RDONLY);
	ssize_t n;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		seen.bytes += (uint64_t)n;
	if (fd >= 0)
		(void)close(fd);
}

static void walk(int dir, const char *path, int contents)
{
	DIR *d = fdopendir(dir);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		char below[8192];
		struct stat st;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		(void)snprintf(below, sizeof(below), "%s/%s", path, de->d_name);
		if (fstatat(dir, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (!contents)
			note_name(dir, below, de->d_name, &st);
		else if (S_ISREG(st.st_mode))
			read_file(dir, de->d_name);
		if (S_ISDIR(st.st_mode))
			walk(openat(dir, de->d_name, O_RDONLY | O_DIRECTORY), below,
			     contents);
	}
	if (d)
		(void)closedir(d);
}

static double timed_walk(int contents)
{
	double start = now();

	memset(&seen, 0, sizeof(seen));
	walk(open("/root", O_RDONLY | O_DIRECTORY), "", contents);
	return now() - start;
}

static const char *option(const char *line, const char *name, char value[static 256])
{
	const char *at = strstr(line, name);

	value[0] = '\0';
	if (at)
		(void)sscanf(at + strlen(name), "%255[^ \n]", value);
	return value;
}

static long free_megabytes(void)
{
	char line[256];
	FILE *f = fopen("/proc/meminfo", "re");
	long kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "MemFree:", 8) == 0)
			kb = strtol(line + 8, NULL, 10);
	if (f)
		(void)fclose(f);
	return kb / 1024;
}

static int mount_root(void)
{
	char line[4096] = "", type[256], from[256], with[256];
	int fd = open("/proc/cmdline", O_RDONLY);

	if (fd < 0 || read(fd, line, sizeof(line) - 1) < 0)
		return -1;
	(void)close(fd);
	return mount(option(line, "root_from=", from), "/root",
		     option(line, "root_type=", type), MS_RDONLY,
		     option(line, "root_with=", with));
}

int main(void)
{
	double start, mounted, find, again, all, hot;
	uint64_t names, sum;
	long before;

	(void)mkdir("/proc", 0755);
	(void)mkdir("/dev", 0755);
	(void)mkdir("/root", 0755);
	(void)mount("proc", "/proc", "proc", 0, NULL);
	(void)mount("dev", "/dev", "devtmpfs", 0, NULL);
	before = free_megabytes();
	start = now();
	if (mount_root() < 0) {
		perror("RESULT mount");
	} else {
		mounted = now() - start;
		find = timed_walk(0);
		names = seen.names;
		sum = seen.sum;
		again = timed_walk(0);
		all = timed_walk(1);
		hot = timed_walk(1);
		printf("RESULT mount %.0f find %.0f again %.0f read %.0f hot %.0f names "
		       "%llu bytes %llu memory %ld sum %016llx\n",
		       mounted, find, again, all, hot, (unsigned long long)names,
		       (unsigned long long)seen.bytes, before - free_megabytes(),
		       (unsigned long long)sum);
	}
	(void)fflush(stdout);
	(void)reboot(RB_AUTOBOOT);
	return 0;
}
