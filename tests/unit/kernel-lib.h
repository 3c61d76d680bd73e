/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

/* What the tests of kernels share. */

/* Packs @data with one of libarchive's filters. Returns how many bytes of @to that took. */
static inline size_t compress(const void *data, size_t size, int filter, char *to,
			      size_t room)
{
	struct archive *a = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	size_t used;

	archive_write_set_format_raw(a);
	archive_write_add_filter(a, filter);
	archive_entry_set_filetype(entry, AE_IFREG);
	if (archive_write_open_memory(a, to, room, &used) != ARCHIVE_OK ||
	    archive_write_header(a, entry) != ARCHIVE_OK ||
	    archive_write_data(a, data, size) != (la_ssize_t)size ||
	    archive_write_close(a) != ARCHIVE_OK)
		abort();
	archive_entry_free(entry);
	archive_write_free(a);
	return used;
}
