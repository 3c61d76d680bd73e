/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "init.h"

/* Drivers probe asynchronously, so a device may come after us. The kernel announces each
 * on a netlink socket, which is opened before the first look: none is missed. */
static int open_events(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* False: nothing was announced in time. */
static bool wait_event(int fd, int64_t until)
{
	int64_t left = (until - boottime()) / 1000000;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[4096];

	if (fd < 0 || left <= 0 || poll(&p, 1, (int)left) <= 0)
		return false;
	(void)!recv(fd, text, sizeof(text), MSG_DONTWAIT);
	return true;
}

/* The first line of class/NAME/attribute is @wanted. */
static bool has_value(const char *class, const char *name, const char *attribute,
		      const char *wanted)
{
	char path[PATH_MAX], text[256];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s/%s", class, name, attribute);
	n = read_text(AT_FDCWD, path, text, sizeof(text));
	if (n <= 0)
		return false;
	text[strcspn(text, "\n")] = 0;
	return strcmp(text, wanted) == 0;
}

static int find_in_class(const char *class, const char *attribute, const char *wanted,
			 char ret[static NAME_MAX + 1])
{
	DIR *d = opendir(class);
	struct dirent *de;
	int r = -ENOENT;

	while (d && r < 0 && (de = readdir(d)))
		if (de->d_name[0] != '.' &&
		    has_value(class, de->d_name, attribute, wanted)) {
			(void)snprintf(ret, NAME_MAX + 1, "%s", de->d_name);
			r = 0;
		}
	if (d)
		(void)closedir(d);
	return r;
}

static int wait_in_class(const char *class, const char *attribute, const char *wanted,
			 int ms, char ret[static NAME_MAX + 1])
{
	int64_t until = boottime() + ms * (int64_t)1000000;
	_cleanup_close_ int events = -1;

	if (find_in_class(class, attribute, wanted, ret) == 0)
		return 0;
	events = open_events();
	do
		if (find_in_class(class, attribute, wanted, ret) == 0)
			return 0;
	while (wait_event(events, until));
	return -ENODEV;
}

/* Where the kernel has no devtmpfs. */
static void make_node(const char *class, const char *name, const char *path)
{
	char dev[PATH_MAX], text[64], *colon;
	unsigned long major;

	(void)snprintf(dev, sizeof(dev), "%s/%s/dev", class, name);
	if (access(path, F_OK) == 0 || read_text(AT_FDCWD, dev, text, sizeof(text)) <= 0)
		return;
	major = strtoul(text, &colon, 10);
	if (*colon == ':')
		(void)mknod(path, S_IFCHR | 0600,
			    makedev(major, strtoul(colon + 1, NULL, 10)));
}

int device_port(const char *name, int ms, struct why *w)
{
	static const char class[] = "/sys/class/virtio-ports";
	char found[NAME_MAX + 1], path[PATH_MAX];
	int fd, r = wait_in_class(class, "name", name, ms, found);

	if (r < 0)
		return because(w, r, "find the virtio-serial port '%s'", name);
	(void)snprintf(path, sizeof(path), "/dev/%s", found);
	make_node(class, found, path);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? because(w, -errno, "open '%s'", path) : fd;
}

int device_disk(const char *serial, int ms, char ret[static PATH_MAX], struct why *w)
{
	char found[NAME_MAX + 1];
	int r;

	if (strncmp(serial, "/dev/", 5) == 0) {
		(void)snprintf(ret, PATH_MAX, "%s", serial);
		return 0;
	}
	r = wait_in_class("/sys/block", "serial", serial, ms, found);
	if (r < 0)
		return because(w, r, "find the disk '%s'", serial);
	(void)snprintf(ret, PATH_MAX, "/dev/%s", found);
	return 0;
}
