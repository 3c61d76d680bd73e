/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "rootfs/tfs-read-private.h"

/* How many of the file's extents begin at @sector or before it. */
static size_t extents_up_to(const struct tfs *fs, const struct tfs_node *f,
			    uint64_t sector)
{
	const struct tfs_extent *x = TFS_EXTENTS(fs) + f->extents;
	size_t low = 0, high = f->n_extents;

	while (low < high) {
		size_t i = low + (high - low) / 2;

		if (x[i].first <= sector)
			low = i + 1;
		else
			high = i;
	}
	return low;
}

/* The bytes from @offset on that are in one piece: where, or 0 for zeros; *@ret is how many. */
static uint64_t find_piece(const struct tfs *fs, const struct tfs_node *f,
			   uint64_t offset, uint64_t *ret)
{
	size_t i = extents_up_to(fs, f, offset / TFS_SECTOR);
	const struct tfs_extent *x = TFS_EXTENTS(fs) + f->extents + i;

	if (i > 0) {
		uint64_t into = offset - x[-1].first * TFS_SECTOR;

		if (into < x[-1].length * TFS_SECTOR) {
			*ret = x[-1].length * TFS_SECTOR - into;
			return x[-1].zeros ? 0
					   : fs->at + x[-1].sector * TFS_SECTOR + into;
		}
	}
	*ret = i < f->n_extents ? x->first * TFS_SECTOR - offset : UINT64_MAX;
	return 0;
}

static int read_piece(const struct tfs *fs, const struct tfs_node *f, uint64_t offset,
		      void *buf, size_t *size)
{
	uint64_t n, at = find_piece(fs, f, offset, &n);

	if (n < *size)
		*size = (size_t)n;
	if (at > 0)
		return byte_source_read(&fs->from, buf, *size, at);
	memset(buf, 0, *size);
	return 0;
}

ssize_t tfs_node_read(const struct tfs *fs, uint32_t node, uint64_t offset, void *buf,
		      size_t size, struct volt_error *e)
{
	const struct tfs_node *f = &TFS_NODES(fs)[node];
	size_t done = 0;

	if (f->st.type != TFS_FILE || offset >= f->st.size)
		return 0;
	if (size > f->st.size - offset)
		size = (size_t)(f->st.size - offset);
	if (size > SSIZE_MAX)
		size = SSIZE_MAX;
	while (done < size) {
		size_t n = size - done;
		int r = read_piece(fs, f, offset + done, (char *)buf + done, &n);

		if (r < 0) {
			char path[PATH_MAX];

			tfs_path(fs, node, path);
			return fail_code(e, r, "read '%s'", path);
		}
		done += n;
	}
	return (ssize_t)done;
}
