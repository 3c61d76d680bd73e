/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/decompress.h"
#include "base/error.h"
#include "base/io.h"
#include "base/libarchive.h"
#include "base/path.h"
#include "guest/nanos-check.h"
#include "guest/nanos-release-internal.h"

/* The archive of a release. It comes from anywhere: nothing of it is written anywhere before
 * all of it has been read and checked. */

#define BLOCK       65536
#define ENTRIES_MAX 4096
#define BYTES_MAX   (1ull << 30) /* of what it says its entries hold */

struct input {
	int fd;
	char block[BLOCK];
};

static void reader_freep(struct archive **a)
{
	if (*a)
		(void)archive_read_free(*a);
}

static ssize_t read_input(struct archive *a, void *data, const void **ret)
{
	struct input *in = data;
	ssize_t n = read_full(in->fd, in->block, sizeof(in->block));

	if (n < 0)
		archive_set_error(a, (int)-n, "%s", strerror((int)-n));
	*ret = in->block;
	return n < 0 ? -1 : n;
}

static int broken(struct archive *a, struct volt_error *e)
{
	const char *text = archive_error_string(a);

	return fail(e, EBADMSG, "%s", text ? text : "it is damaged");
}

/* What a directory is called is of no use: files say where they belong. */
static int take_path(struct archive_entry *entry, const char **ret, struct volt_error *e)
{
	const char *path = archive_entry_pathname(entry);

	*ret = NULL;
	if (archive_entry_filetype(entry) == AE_IFDIR)
		return 0;
	while (path && path[0] == '.' && path[1] == '/')
		path += 2;
	if (!path || !path_is_clean(path))
		return fail(e, EBADMSG, "it names '%s', which is no path in it",
			    path ? path : "");
	if (nanos_file_max(path) == 0)
		return 0;
	if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
		return fail(e, EBADMSG, "'%s' is not a plain file in it", path);
	*ret = path;
	return 0;
}

static int take_data(struct archive *a, const char *path, size_t size,
		     struct nanos_release *r, struct volt_error *e)
{
	char *data = malloc(size + 1);
	size_t have = 0;
	ssize_t n = 1;

	if (!data)
		return fail_oom(e);
	while (have < size && (n = archive_read_data(a, data + have, size - have)) > 0)
		have += (size_t)n;
	if (have == size)
		return nanos_release_add(r, path, data, size, e);
	free(data);
	return n < 0 ? broken(a, e) : fail(e, EBADMSG, "'%s' is cut short", path);
}

static int take_entry(struct archive *a, struct archive_entry *entry, uint64_t *left,
		      struct nanos_release *r, struct volt_error *e)
{
	int64_t size = archive_entry_size(entry);
	const char *path;
	int n;

	if (size < 0 || (uint64_t)size > *left)
		return fail(e, EFBIG, "it is too large for a release");
	*left -= (uint64_t)size;
	n = take_path(entry, &path, e);
	if (n < 0 || !path)
		return n;
	n = nanos_release_expect(r, path, (uint64_t)size, e);
	return n < 0 ? n : take_data(a, path, (size_t)size, r, e);
}

static int take_all(struct archive *a, struct nanos_release *r, struct volt_error *e)
{
	struct archive_entry *entry;
	uint64_t left = BYTES_MAX;
	int code, n = 0;

	while ((code = archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
		if (++n > ENTRIES_MAX)
			return fail(e, EFBIG, "it has too many files for a release");
		code = take_entry(a, entry, &left, r, e);
		if (code < 0)
			return code;
	}
	return code == ARCHIVE_EOF ? 0 : broken(a, e);
}

static int unpack(struct input *in, struct nanos_release *r, struct volt_error *e)
{
	_cleanup_(reader_freep) struct archive *a = NULL;
	int n = archive_load(e);

	if (n < 0)
		return n;
	a = archive_read_new();
	if (!a)
		return fail_oom(e);
	n = decompress_allow(a, e);
	if (n < 0)
		return n;
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_open(a, in, NULL, read_input, NULL) != ARCHIVE_OK)
		return broken(a, e);
	return take_all(a, r, e);
}

int nanos_release_unpack(int fd, struct nanos_release *ret, struct volt_error *e)
{
	_cleanup_free_ struct input *in = malloc(sizeof(*in));

	if (!in)
		return fail_oom(e);
	in->fd = fd;
	ret->source = "archive";
	return unpack(in, ret, e);
}
