/* SPDX-License-Identifier: Apache-2.0 */

#include "lib/nanos-machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "lib/internal.h"
#include "vm/nanos-record.h"

static int open_directory(struct volt_ctx *ctx, const char *name, struct volt_error *e)
{
	_cleanup_(machine_closep) struct machine *m = NULL;
	char path[128];
	int r = machine_open(ctx_env(ctx), name, &m, e);

	if (r == -ENOENT)
		return fail(e, ENOENT, "there is neither a file nor a machine '%s'",
			    name);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "machines/%s", machine_id(m));
	r = open_beneath(ctx->rootfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	return r < 0 ? fail_code(e, r, "open '%s'", path) : r;
}

static int open_base(struct volt_ctx *ctx, int dir, const char *name,
		     struct volt_error *e)
{
	struct nanos_record k = { 0 };
	int r = nanos_record_read(dir, &k, e);

	if (r >= 0)
		r = nanos_record_open(dir, ctx->rootfd, &k, e);
	if (r == -ENOENT)
		return fail(
			e, ENOENT,
			"what the disk of machine '%s' lies over is gone; starting it "
			"makes it again",
			name);
	return r < 0 ? fail_in(e, r, "machine '%s'", name) : r;
}

int nanos_machine_disk(struct volt_ctx *ctx, const char *name, int *ret_base,
		       struct volt_error *e)
{
	_cleanup_close_ int dir = open_directory(ctx, name, e), fd = -1;
	int base;

	if (dir < 0)
		return dir;
	fd = open_beneath(dir, NANOS_DISK_NAME, O_RDONLY | O_CLOEXEC, 0);
	if (fd == -ENOENT)
		return fail(e, ENOENT,
			    "machine '%s' has no disk of Nanos, or was never started",
			    name);
	if (fd < 0)
		return fail_code(e, fd, "open the disk of machine '%s'", name);
	if (nanos_record_in_use(dir))
		return fail(
			e, EBUSY,
			"machine '%s' is running and writes to its disk: stop it first",
			name);
	base = open_base(ctx, dir, name, e);
	if (base < 0)
		return base;
	*ret_base = base;
	return TAKE_FD(fd);
}
