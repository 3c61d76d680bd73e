/* SPDX-License-Identifier: Apache-2.0 */
#include "base/deb.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/decompress.h"
#include "base/io.h"
#include "base/libarchive.h"
#include "base/macro.h"
#include "base/path.h"

#define BLOCK     65536
#define FILES_MAX 100000
#define BYTES_MAX (4ull << 30)

static void reader_freep(struct archive **a)
{
	if (*a)
		(void)archive_read_free(*a);
}

/* A package is an ar archive; data.tar.* in it is read as a stream of its own. */
struct member {
	struct archive *outer;
	char block[BLOCK];
};

static ssize_t read_member(struct archive *a, void *data, const void **ret)
{
	struct member *m = data;

	(void)a;
	*ret = m->block;
	return archive_read_data(m->outer, m->block, sizeof(m->block));
}

static int broken(struct archive *a, const char *what, struct volt_error *e)
{
	const char *text = archive_error_string(a);

	return fail(e, EBADMSG, "unpack '%s': %s", what, text ? text : "damaged");
}

/* The file at a clean relative path, its directories made. */
static int create(int dirfd, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_close_ int parent = -1;
	char directory[PATH_MAX];

	if (!slash)
		return open_beneath(dirfd, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	memcpy(directory, path, (size_t)(slash - path));
	directory[slash - path] = 0;
	parent = mkdir_beneath(dirfd, directory, 0700);
	if (parent < 0)
		return parent;
	return open_beneath(parent, slash + 1, O_WRONLY | O_CREAT | O_EXCL, 0600);
}

static int extract(struct archive *a, int dirfd, const char *path, uint64_t *left,
		   struct volt_error *e)
{
	_cleanup_close_ int fd = create(dirfd, path);
	_cleanup_free_ char *block = malloc(BLOCK);
	ssize_t n = 1;
	int r = 0;

	if (fd < 0)
		return fail_code(e, fd, "unpack '%s'", path);
	if (!block)
		return fail_oom(e);
	while (r == 0 && n > 0) {
		n = archive_read_data(a, block, BLOCK);
		if (n < 0)
			return broken(a, path, e);
		if ((uint64_t)n > *left)
			return fail(e, EFBIG, "unpack '%s': the package is too large",
				    path);
		*left -= (uint64_t)n;
		r = write_all(fd, block, (size_t)n);
	}
	return r < 0 ? fail_code(e, r, "unpack '%s'", path) : 0;
}

static const char *clean_path(const char *path)
{
	while (path && path[0] == '.' && path[1] == '/')
		path += 2;
	return path && path_is_clean(path) ? path : NULL;
}

static int unpack_tar(struct archive *a, int dirfd, deb_wanted_fn *wanted,
		      struct volt_error *e)
{
	struct archive_entry *entry;
	uint64_t left = BYTES_MAX;
	int r;

	for (int n = 0; (r = archive_read_next_header(a, &entry)) == ARCHIVE_OK; n++) {
		const char *path = clean_path(archive_entry_pathname(entry));

		if (n > FILES_MAX)
			return fail(e, EFBIG, "the package has too many files");
		if (!path || archive_entry_filetype(entry) != AE_IFREG ||
		    archive_entry_hardlink(entry))
			continue;
		path = wanted(path);
		if (!path || !path_is_clean(path))
			continue;
		r = extract(a, dirfd, path, &left, e);
		if (r < 0)
			return r;
	}
	return r == ARCHIVE_EOF ? 0 : broken(a, "data.tar", e);
}

static int unpack_member(struct archive *outer, int dirfd, deb_wanted_fn *wanted,
			 struct volt_error *e)
{
	_cleanup_(reader_freep) struct archive *a = archive_read_new();
	_cleanup_free_ struct member *m = malloc(sizeof(*m));
	int r;

	if (!a || !m)
		return fail_oom(e);
	m->outer = outer;
	r = decompress_allow(a, e);
	if (r < 0)
		return fail_in(e, r, "unpack 'data.tar'");
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_open(a, m, NULL, read_member, NULL) != ARCHIVE_OK)
		return broken(a, "data.tar", e);
	return unpack_tar(a, dirfd, wanted, e);
}

int deb_unpack(const char *path, int dirfd, deb_wanted_fn *wanted, struct volt_error *e)
{
	_cleanup_(reader_freep) struct archive *a = NULL;
	struct archive_entry *entry;
	int r = archive_load(e);

	if (r < 0)
		return r;
	a = archive_read_new();
	if (!a || archive_read_support_format_ar(a) != ARCHIVE_OK)
		return fail_oom(e);
	if (archive_read_open_filename(a, path, BLOCK) != ARCHIVE_OK)
		return fail(e, ENOTSUP, "'%s' is not a Debian package", path);
	while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry);

		if (name && strncmp(name, "data.tar", 8) == 0)
			return unpack_member(a, dirfd, wanted, e);
	}
	return fail(e, ENOTSUP, "'%s' is not a Debian package", path);
}
