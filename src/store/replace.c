/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/path.h"
#include "store/ingest-internal.h"
#include "store/sha256.h"

/* A damaged object is replaced by one rename over it. So its name is never absent, and a
 * lease (which the ingest is) suffices: whoever opens or links it meanwhile gets the one or
 * the other, and who has the damaged file keeps that. The directory of staged files that a
 * crash leaves is swept like any writer's. */

#define STAGED "replacement"

/* Copies, then hashes the copy: what gets the name is what was hashed. */
static int stage_copy(const struct ingest *g, int fd, const struct digest *d,
		      enum object_kind kind)
{
	_cleanup_close_ int in = -1;
	struct digest is;
	bool shared;
	int r;

	r = copy_out(fd, object_mode(kind), g->dir, STAGED, &shared);
	if (r < 0)
		return r;
	in = open_beneath(g->dir, STAGED, O_RDONLY, 0);
	r = in < 0 ? in : sha256_fd(in, &is);
	if (r < 0)
		return r;
	return digest_equal(&is, d) ? 0 : -EBADMSG;
}

int store_replace(struct store *s, const struct digest *d, enum object_kind kind, int fd,
		  struct volt_error *e)
{
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	char name[OBJECT_NAME_SIZE];
	int r;

	r = ingest_begin(s, &g, e);
	if (r < 0)
		return r;
	object_name(d, kind, name);
	r = stage_copy(g, fd, d, kind);
	if (r == -EBADMSG)
		return fail(e, EBADMSG, "what was to replace object '%s' is not the same",
			    name);
	if (r >= 0 && renameat(g->dir, STAGED, s->objects, name) < 0)
		r = -errno;
	if (r >= 0)
		r = sync_dir(s->objects);
	return r < 0 ? fail_code(e, r, "replace object '%s'", name) : 0;
}
