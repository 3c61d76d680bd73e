/* SPDX-License-Identifier: Apache-2.0 */
#include "base/decompress.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/libarchive.h"
#include "base/macro.h"

#define STEP (1u << 20)

static void reader_freep(struct archive **a)
{
	if (*a)
		(void)archive_read_free(*a);
}

int decompress_allow(struct archive *a, struct volt_error *e)
{
	static const int codes[] = { ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_BZIP2,
				     ARCHIVE_FILTER_LZMA, ARCHIVE_FILTER_XZ,
				     ARCHIVE_FILTER_LZ4,  ARCHIVE_FILTER_ZSTD };

	for (size_t k = 0; k < ARRAY_SIZE(codes); k++) {
		int r = archive_read_support_filter_by_code(a, codes[k]);

		if (r == ARCHIVE_WARN)
			return fail(e, ENOTSUP,
				    "libarchive lacks a codec, and would run a program");
		if (r != ARCHIVE_OK)
			return fail_oom(e);
	}
	return 0;
}

static int open_raw(struct archive *a, const void *data, size_t size)
{
	struct archive_entry *entry;
	int r = decompress_allow(a, NULL);

	if (r < 0)
		return r;
	if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
	    archive_read_open_memory(a, data, size) != ARCHIVE_OK ||
	    archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return -EBADMSG;
	return 0;
}

static int read_whole(struct archive *a, size_t max, char **text, size_t *have)
{
	size_t room = 0;
	ssize_t n = 1;
	char *grown;

	while (n > 0) {
		if (*have == room) {
			room = room ? 2 * room : STEP;
			grown = realloc(*text, room);
			if (!grown)
				return -ENOMEM;
			*text = grown;
		}
		n = archive_read_data(a, *text + *have, room - *have);
		if (n > 0)
			*have += (size_t)n;
		if (*have > max)
			return -EFBIG;
	}
	return n < 0 ? -EBADMSG : 0;
}

int decompress(const void *data, size_t size, size_t max, char **ret, size_t *ret_size)
{
	_cleanup_(reader_freep) struct archive *a = NULL;
	_cleanup_free_ char *text = NULL;
	size_t have = 0;
	int r = archive_load(NULL);

	if (r < 0)
		return r;
	a = archive_read_new();
	if (!a)
		return -ENOMEM;
	r = open_raw(a, data, size);
	if (r == 0)
		r = read_whole(a, max, &text, &have);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(text);
	*ret_size = have;
	return 0;
}
