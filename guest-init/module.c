/* SPDX-License-Identifier: Apache-2.0 */
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "init.h"

/* Descriptors, because the initramfs is out of sight once the root is entered. */
static int directory = -2;
static char order[16384];

static void load(const char *file)
{
	_cleanup_close_ int fd = openat(directory, file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		say(4, "load module '%s': %s", file, strerror(errno));
	(void)unlinkat(directory, file, 0);
}

static void open_order(void)
{
	ssize_t n = -1;

	directory = open("/modules", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory >= 0)
		n = read_text(directory, "order", order, sizeof(order));
	if (n < 0)
		order[0] = 0;
}

void modules_for(const char *when)
{
	size_t n = strlen(when), line;
	char file[256];

	if (directory == -2)
		open_order();
	for (char *at = order; *at; at += line) {
		line = strcspn(at, "\n");
		line += at[line] == '\n';
		if (strncmp(at, when, n) != 0 || at[n] != ' ')
			continue;
		(void)snprintf(file, sizeof(file), "%.*s", (int)(line - n - 1),
			       at + n + 1);
		file[strcspn(file, "\n")] = 0;
		at[0] = '-'; /* not again */
		load(file);
	}
}

void modules_forget(void)
{
	if (directory >= 0)
		(void)close(directory);
	directory = -1;
	order[0] = 0;
}
