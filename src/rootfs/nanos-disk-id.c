/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <sys/stat.h>

#include "base/error.h"
#include "rootfs/nanos-disk.h"
#include "rootfs/tfs-read.h"
#include "store/sha256.h"

#define BUFFER (64u << 10)

static int hash_bytes(struct sha256 *h, const struct byte_source *from, uint64_t at,
		      uint64_t end)
{
	_cleanup_free_ uint8_t *buf = malloc(BUFFER);
	int r = buf ? 0 : -ENOMEM;

	while (r >= 0 && at < end) {
		size_t n = end - at < BUFFER ? (size_t)(end - at) : BUFFER;

		r = byte_source_read(from, buf, n, at);
		if (r >= 0)
			r = sha256_update(h, buf, n);
		at += n;
	}
	return r;
}

/* The log up to its end: names, and where each content is. */
static int hash_log(struct sha256 *h, const struct byte_source *from,
		    const struct nanos_extent *part, struct volt_error *e)
{
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct tfs_usage u;
	int r = tfs_open(from, part->at, part->size, &fs, e);

	if (r < 0)
		return r;
	tfs_usage(fs, &u);
	for (size_t i = 0; r >= 0 && i < u.n_log; i++) {
		uint64_t end = u.log[i].at + u.log[i].size;

		if (u.log_end > u.log[i].at && u.log_end < end)
			end = u.log_end;
		r = hash_bytes(h, from, u.log[i].at, end);
	}
	return r < 0 ? fail_code(e, r, "read the log of a Nanos disk") : 0;
}

static int hash_disk(struct sha256 *h, const struct byte_source *from, uint64_t size,
		     struct volt_error *e)
{
	struct nanos_parts parts = { 0 };
	int r = nanos_disk_find(from, size, &parts, e);

	if (r < 0)
		return r;
	r = hash_bytes(h, from, 0, TFS_SECTOR);
	if (r < 0)
		return fail_code(e, r, "read the first sector of a Nanos disk");
	if (parts.bootfs.size > 0)
		r = hash_log(h, from, &parts.bootfs, e);
	return r < 0 ? r : hash_log(h, from, &parts.root, e);
}

int nanos_disk_identify(int fd, struct nanos_disk_id *ret, struct volt_error *e)
{
	const struct byte_source from = byte_source_fd(&fd);
	_cleanup_(sha256_freep) struct sha256 *h = NULL;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return fail_errno(e, "stat a Nanos disk");
	if (sha256_new(&h) < 0)
		return fail_oom(e);
	ret->size = (uint64_t)st.st_size;
	r = hash_disk(h, &from, ret->size, e);
	if (r < 0)
		return r;
	return sha256_final(h, &ret->layout) < 0 ? fail_oom(e) : 0;
}
