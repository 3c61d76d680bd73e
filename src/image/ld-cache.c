/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/ld.so.cache in the form that glibc has written alone since 2.32: a header, entries,
 * strings, with offsets from the header's beginning, in the machine's own byte order. */
#include <stdint.h>
#include <string.h>

#include "image/elf-closure.h"

#define MAGIC "glibc-ld.so.cache1.1"

struct cache_header {
	char magic[sizeof(MAGIC) - 1];
	uint32_t n, strings_size;
	uint8_t flags, padding[3];
	uint32_t extension, unused[3];
};

struct cache_entry {
	int32_t flags;
	uint32_t name, path;
	uint32_t os_version;
	uint64_t hwcap;
};

static const char *string_at(const char *cache, size_t size, uint32_t at)
{
	return at < size && memchr(cache + at, '\0', size - at) ? cache + at : NULL;
}

int ld_cache_find(const char *cache, size_t size, const char *name, struct strv *ret)
{
	struct cache_header h;

	if (size < sizeof(h))
		return 0;
	memcpy(&h, cache, sizeof(h));
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0 ||
	    h.n > (size - sizeof(h)) / sizeof(struct cache_entry))
		return 0;
	for (uint32_t i = 0; i < h.n; i++) {
		struct cache_entry entry;
		const char *found, *path;
		int r;

		memcpy(&entry, cache + sizeof(h) + i * sizeof(entry), sizeof(entry));
		found = string_at(cache, size, entry.name);
		path = string_at(cache, size, entry.path);
		/* Builds for newer processors are in directories of their own. */
		if (!found || !path || entry.hwcap != 0 || *path != '/' ||
		    strcmp(found, name) != 0)
			continue;
		r = strv_add(ret, path);
		if (r < 0)
			return r;
	}
	return 0;
}
