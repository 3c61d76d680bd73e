/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/cpio.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 110

static int reserve(struct cpio *c, size_t size)
{
	size_t room = c->room ? c->room : 65536;
	char *grown;

	while (room - c->size < size)
		room *= 2;
	if (room == c->room)
		return 0;
	grown = realloc(c->data, room);
	if (!grown)
		return -ENOMEM;
	c->data = grown;
	c->room = room;
	return 0;
}

static void put(struct cpio *c, const void *data, size_t size)
{
	if (size > 0)
		memcpy(c->data + c->size, data, size);
	c->size += size;
}

static void pad(struct cpio *c)
{
	while (c->size % 4)
		c->data[c->size++] = 0;
}

int cpio_add(struct cpio *c, const char *path, mode_t mode, const void *data, size_t size)
{
	size_t name = strlen(path) + 1;
	char header[HEADER + 1];

	if (size > UINT32_MAX || reserve(c, HEADER + name + size + 8) < 0)
		return -ENOMEM;
	/* inode, mode, uid, gid, links, mtime, size, device, rdevice, name, checksum */
	(void)snprintf(header, sizeof(header),
		       "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		       ++c->entries, (unsigned int)mode, 0, 0, 1, 0, (unsigned int)size,
		       0, 0, 0, 0, (unsigned int)name, 0);
	put(c, header, HEADER);
	put(c, path, name);
	pad(c);
	put(c, data, size);
	pad(c);
	return 0;
}

int cpio_end(struct cpio *c)
{
	return cpio_add(c, "TRAILER!!!", 0, NULL, 0);
}

void cpio_done(struct cpio *c)
{
	free(c->data);
	*c = (struct cpio){ 0 };
}
