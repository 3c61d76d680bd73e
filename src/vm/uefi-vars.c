/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/uefi-vars.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "vm/internal.h"

#define SIZE_MAX_VARS (64u << 20)

static int copy_template(int dirfd, int template_fd, size_t size, struct volt_error *e)
{
	_cleanup_free_ char *bytes = malloc(size);
	ssize_t n;
	int r;

	if (!bytes)
		return fail_oom(e);
	n = pread_full(template_fd, bytes, size, 0);
	if (n != (ssize_t)size)
		return fail_code(e, n < 0 ? (int)n : -EIO, "read UEFI's variables");
	r = write_file_atomic(dirfd, UEFI_VARS_NAME, bytes, size, 0600);
	return r < 0 ? fail_code(e, r, "write '%s'", UEFI_VARS_NAME) : 0;
}

int uefi_vars_open(int dirfd, int template_fd, int *ret, struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	struct stat template, own;

	if (fstat(template_fd, &template) < 0)
		return fail_errno(e, "look at UEFI's variables");
	if (template.st_size <= 0 || template.st_size > SIZE_MAX_VARS)
		return fail(e, EBADMSG,
			    "the template for UEFI's variables has %lld bytes",
			    (long long)template.st_size);
	fd = open_beneath(dirfd, UEFI_VARS_NAME, O_RDWR | O_CLOEXEC, 0);
	if (fd == -ENOENT) {
		TRY(copy_template(dirfd, template_fd, (size_t) template.st_size, e));
		fd = open_beneath(dirfd, UEFI_VARS_NAME, O_RDWR | O_CLOEXEC, 0);
	}
	if (fd < 0)
		return fail_code(e, fd, "open '%s'", UEFI_VARS_NAME);
	if (fstat(fd, &own) < 0)
		return fail_errno(e, "look at '%s'", UEFI_VARS_NAME);
	if (own.st_size != template.st_size)
		return fail(e, EBADMSG,
			    "the machine's UEFI variables are of another firmware (%lld "
			    "bytes, not %lld): make a new machine from its disk",
			    (long long)own.st_size, (long long)template.st_size);
	*ret = TAKE_FD(fd);
	return 0;
}
