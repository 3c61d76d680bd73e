/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>

#include "store/gc.h"
#include "store/internal.h"

static int count(const struct store *s, const struct object_file *f, bool reached,
		 struct store_usage *u)
{
	char name[OBJECT_NAME_SIZE];
	uint64_t on_disk;
	struct stat st;

	if (fstatat(s->objects, object_name(&f->digest, f->kind, name), &st,
		    AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	on_disk = (uint64_t)st.st_blocks * 512;
	u->objects++;
	u->bytes += (uint64_t)st.st_size;
	u->allocated += on_disk;
	if (!reached) {
		u->unreferenced++;
		u->unreferenced_bytes += on_disk;
	}
	return 0;
}

int store_usage(struct store *s, struct store_usage *ret, struct volt_error *e)
{
	_cleanup_(object_scan_done) struct object_scan scan = { 0 };
	_cleanup_(reach_done) struct reach reach = { 0 };
	struct store_usage u = { 0 };
	size_t i;
	int r;

	r = reach_collect(s, &reach, e);
	if (r < 0)
		return r;
	r = object_scan(s, &scan, NULL, NULL);
	for (i = 0; i < scan.n && r >= 0; i++)
		r = count(s, &scan.v[i], digest_set_has(&reach.set, &scan.v[i].digest),
			  &u);
	if (r < 0)
		return fail_code(e, r, "measure the store");
	*ret = u;
	return 0;
}
