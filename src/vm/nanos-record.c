/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/nanos-record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/path.h"
#include "vm/internal.h"
#include "vm/machine-internal.h"

#define RECORD_NAME    "disk.json"
#define BASE_NAME      "base.nanos"
#define RECORD_VERSION 2

int nanos_record_write(int dirfd, const struct nanos_record *k, struct volt_error *e)
{
	char kernel[DIGEST_OCI_SIZE], layout[DIGEST_OCI_SIZE];
	json_auto_t *j = json_pack(
		"{s:i, s:s, s:I, s:s, s:s, s:b}", "version", RECORD_VERSION, "base",
		k->base, "size", (json_int_t)k->id.size, "layout",
		digest_oci(&k->id.layout, layout), "kernel",
		digest_oci(&k->kernel, kernel), "kernel_matters", k->kernel_matters);

	return j ? json_write_at(dirfd, RECORD_NAME, j, 0600, e) : fail_oom(e);
}

static int get_digest(const json_t *j, const char *key, struct digest *ret,
		      struct volt_error *e)
{
	const char *text = NULL;

	TRY(json_get_string(j, key, &text, e));
	return text && digest_parse_oci(text, ret) >= 0
		       ? 0
		       : fail(e, EBADMSG, "'" RECORD_NAME "' is not what volt writes");
}

static int parse(const json_t *j, struct nanos_record *k, struct volt_error *e)
{
	const char *base = NULL;
	int64_t version = 0, size = 0;

	TRY(json_get_int(j, "version", 1, INT64_MAX, &version, e));
	if (version != RECORD_VERSION)
		return fail(e, ENOTSUP,
			    "the machine's disk was made by another version of volt: "
			    "remove the machine and make it anew");
	TRY(json_get_string(j, "base", &base, e));
	TRY(json_get_int(j, "size", 1, INT64_MAX, &size, e));
	TRY(get_digest(j, "layout", &k->id.layout, e));
	TRY(get_digest(j, "kernel", &k->kernel, e));
	TRY(json_get_bool(j, "kernel_matters", &k->kernel_matters, e));
	if (!base || strlen(base) >= sizeof(k->base))
		return fail(e, EBADMSG, "'" RECORD_NAME "' is not what volt writes");
	k->id.size = (uint64_t)size;
	(void)snprintf(k->base, sizeof(k->base), "%s", base);
	return 0;
}

int nanos_record_read(int dirfd, struct nanos_record *ret, struct volt_error *e)
{
	json_auto_t *j = NULL;

	TRY(json_read_at(dirfd, RECORD_NAME, &j, e));
	return parse(j, ret, e);
}

/* A start that was killed may have left one of another base. */
int nanos_record_keep(int dirfd, int base, struct volt_error *e)
{
	char path[64];

	if (unlinkat(dirfd, BASE_NAME, 0) < 0 && errno != ENOENT)
		return fail_errno(e, "remove '" BASE_NAME "'");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", base);
	/* Without it the cache's is looked for, or made again. */
	(void)!linkat(AT_FDCWD, path, dirfd, BASE_NAME, AT_SYMLINK_FOLLOW);
	return 0;
}

bool nanos_record_in_use(int dirfd)
{
	return lock_test(dirfd, MACHINE_LOCK) == 1;
}

int nanos_record_check(const struct nanos_record *k, int base, struct volt_error *e)
{
	struct nanos_disk_id id;

	TRY(nanos_disk_identify(base, &id, e));
	if (id.size == k->id.size && digest_equal(&id.layout, &k->id.layout))
		return 0;
	return fail(e, ESTALE,
		    "the machine's disk lies over other contents than '%s' has today: "
		    "remove the machine and make it anew",
		    k->base);
}

int nanos_record_open(int dirfd, int rootfd, const struct nanos_record *k,
		      struct volt_error *e)
{
	_cleanup_close_ int fd =
		open_beneath(dirfd, BASE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);

	if (fd < 0 && fd != -ENOENT)
		return fail_code(e, fd, "open '" BASE_NAME "'");
	if (fd < 0)
		fd = nanos_base_open(rootfd, k->base, e);
	if (fd < 0)
		return fd;
	TRY(nanos_record_check(k, fd, e));
	return TAKE_FD(fd);
}
