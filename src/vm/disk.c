/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/disk.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "vm/internal.h"

/* From QEMU's docs/interop/qcow2.txt. */
#define QCOW2_HEADER_V2  72
#define QCOW2_HEADER_V3  104
#define QCOW2_CORRUPT    UINT64_C(2)
#define QCOW2_DATA_FILE  UINT64_C(4)
#define QCOW2_KNOWN      UINT64_C(31) /* dirty, corrupt, data file, compression, subclusters */
#define CLUSTER_BITS_MIN 9
#define CLUSTER_BITS_MAX 21
#define QCOW2_SIZE_MAX   (1ull << 56)

/* Locks on single bytes of the file, from QEMU's block/file-posix.c: who holds a shared
 * lock on one of the first kind does such a thing, who holds one of the second cannot bear
 * that others do. */
#define LOCK_READS      100
#define LOCK_WRITES     101
#define LOCK_NO_WRITERS 201

static const char *const format_texts[] = {
	[DISK_UNKNOWN] = "unknown",
	[DISK_RAW] = "raw",
	[DISK_QCOW2] = "qcow2",
};

const char *disk_format_text(enum disk_format f)
{
	return format_texts[f];
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

/* --- qcow2 --- */

static int check_features(const char *name, uint64_t features, struct volt_error *e)
{
	if (features & QCOW2_DATA_FILE)
		return fail(e, EPERM,
			    "disk '%s' keeps its data in another file, and volt opens no "
			    "file that an image names: make it whole with qemu-img "
			    "convert -O qcow2",
			    name);
	if (features & QCOW2_CORRUPT)
		return fail(
			e, EBADMSG,
			"disk '%s' is marked as damaged: repair it with qemu-img check "
			"-r all",
			name);
	if (features & ~QCOW2_KNOWN)
		return fail(e, ENOTSUP,
			    "disk '%s' needs a newer QEMU: features 0x%" PRIx64, name,
			    features & ~QCOW2_KNOWN);
	return 0;
}

static int check_qcow2(const char *name, const uint8_t *head, size_t n,
		       struct disk_info *ret, struct volt_error *e)
{
	uint32_t version = n >= 8 ? get32(head + 4) : 0, bits;
	size_t need = version == 2 ? QCOW2_HEADER_V2 : QCOW2_HEADER_V3;

	if (version == 1)
		return fail(e, ENOTSUP,
			    "disk '%s' has the old format qcow: make a qcow2 of it with "
			    "qemu-img convert -O qcow2",
			    name);
	if ((version != 2 && version != 3) || n < need)
		return fail(e, EBADMSG, "disk '%s' begins like a qcow2 image and is none",
			    name);
	/* Either is enough: what reads one may not look at the other. */
	if (get64(head + 8) || get32(head + 16))
		return fail(
			e, EPERM,
			"disk '%s' rests on another file, and volt opens no file that "
			"an image names: make it whole with qemu-img convert -O qcow2",
			name);
	if (get32(head + 32))
		return fail(
			e, ENOTSUP,
			"disk '%s' is encrypted by qcow2, and volt has no key: decrypt "
			"it with qemu-img convert",
			name);
	if (version == 3)
		TRY(check_features(name, get64(head + 72), e));
	bits = get32(head + 20);
	ret->size = get64(head + 24);
	if (bits < CLUSTER_BITS_MIN || bits > CLUSTER_BITS_MAX ||
	    ret->size > QCOW2_SIZE_MAX)
		return fail(e, EBADMSG,
			    "disk '%s' has a qcow2 header that makes no sense", name);
	ret->format = DISK_QCOW2;
	return 0;
}

/* --- any --- */

static const struct {
	size_t at, size;
	const char *magic, *name;
} others[] = {
	{ 0, 4, "KDMV", "VMDK" },
	{ 0, 21, "# Disk DescriptorFile", "VMDK" },
	{ 0, 8,
	  "conec"
	  "tix",
	  "VHD" },
	{ 0, 8, "vhdxfile", "VHDX" },
	{ 0, 4, "QED", "QED" },
	{ 0, 16, "WithoutFreeSpace", "Parallels" },
	{ 0, 16, "WithouFreSpacExt", "Parallels" },
	{ 64, 4, "\x7f\x10\xda\xbe", "VDI" },
};

static int refuse_others(const char *name, const uint8_t *head, size_t n,
			 struct volt_error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (n >= others[i].at + others[i].size &&
		    memcmp(head + others[i].at, others[i].magic, others[i].size) == 0)
			return fail(e, ENOTSUP,
				    "disk '%s' is a %s image: make a qcow2 of it with "
				    "qemu-img convert -O qcow2",
				    name, others[i].name);
	return 0;
}

static int check_size(const char *name, uint64_t size, struct volt_error *e)
{
	return size >= DISK_SIZE_MIN ? 0
				     : fail(e, EINVAL,
					    "disk '%s' has only %" PRIu64
					    " bytes: nothing that boots is so small",
					    name, size);
}

int disk_examine(const char *name, const uint8_t *head, size_t n, uint64_t file_size,
		 struct disk_info *ret, struct volt_error *e)
{
	struct disk_info info = { .format = DISK_RAW, .size = file_size };

	if (n >= 4 && memcmp(head, "QFI\xfb", 4) == 0)
		TRY(check_qcow2(name, head, n, &info, e));
	else
		TRY(refuse_others(name, head, n, e));
	TRY(check_size(name, info.size, e));
	*ret = info;
	return 0;
}

static int open_file(const char *path, bool read_only, struct volt_error *e)
{
	/* Whatever it is, opening it must not wait. */
	const int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags | (read_only ? O_RDONLY : O_RDWR));

	if (fd >= 0)
		return fd;
	if (errno == EISDIR)
		return fail(e, EISDIR, "disk '%s' is a directory, not a disk image",
			    path);
	if ((errno == EACCES || errno == EROFS || errno == EPERM) &&
	    faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0)
		return fail(e, EACCES,
			    "disk '%s' may not be written: boot it with --read-only, or "
			    "from a copy",
			    path);
	return fail_errno(e, "open disk '%s'", path);
}

static int check_kind(int fd, const char *path, uint64_t *ret_size, struct volt_error *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_errno(e, "look at disk '%s'", path);
	if (S_ISDIR(st.st_mode))
		return fail(e, EISDIR, "disk '%s' is a directory, not a disk image",
			    path);
	if (!S_ISREG(st.st_mode))
		return fail(e, EINVAL, "disk '%s' is not a regular file", path);
	if (st.st_size == 0)
		return fail(e, EINVAL, "disk '%s' is empty", path);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* A disk that was raw stays raw, whatever its guest has written to its beginning. */
static int check_format(int fd, const char *path, enum disk_format format, uint64_t size,
			struct disk_info *ret, struct volt_error *e)
{
	uint8_t head[DISK_HEAD_SIZE];
	ssize_t n = pread_full(fd, head, sizeof(head), 0);

	if (n < 0)
		return fail_code(e, (int)n, "read disk '%s'", path);
	if (format == DISK_RAW) {
		TRY(check_size(path, size, e));
		*ret = (struct disk_info){ DISK_RAW, size };
		return 0;
	}
	TRY(disk_examine(path, head, (size_t)n, size, ret, e));
	if (format != DISK_UNKNOWN && ret->format != format)
		return fail(e, EBADMSG, "disk '%s' is not a %s image", path,
			    disk_format_text(format));
	return 0;
}

int disk_open(const char *path, bool read_only, enum disk_format format, int *ret_fd,
	      struct disk_info *ret, struct volt_error *e)
{
	_cleanup_close_ int fd = open_file(path, read_only, e);
	struct disk_info info;
	uint64_t size = 0;
	int r;

	if (fd < 0)
		return fd;
	TRY(check_kind(fd, path, &size, e));
	TRY(check_format(fd, path, format, size, &info, e));
	r = set_nonblocking(fd, false);
	if (r < 0)
		return fail_code(e, r, "open disk '%s'", path);
	*ret = info;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* --- locks --- */

static int lock_byte(int fd, off_t at)
{
	struct flock l = { .l_type = F_RDLCK, .l_start = at, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

/* Does another hold it? */
static int byte_is_held(int fd, off_t at)
{
	struct flock l = { .l_type = F_WRLCK, .l_start = at, .l_len = 1 };

	return fcntl(fd, F_OFD_GETLK, &l) < 0 ? -errno : l.l_type != F_UNLCK;
}

/* First said, then looked: of two that come at once, one at least sees the other. */
int disk_lock(int fd, const char *path, bool read_only, struct volt_error *e)
{
	int r = lock_byte(fd, read_only ? LOCK_READS : LOCK_WRITES);

	if (r == 0)
		r = lock_byte(fd, LOCK_NO_WRITERS);
	if (r == 0)
		r = byte_is_held(fd, LOCK_WRITES);
	if (r == 0 && !read_only)
		r = byte_is_held(fd, LOCK_NO_WRITERS);
	if (r == 0)
		return 0;
	if (r > 0 || r == -EAGAIN || r == -EACCES)
		return fail(e, EBUSY, "disk '%s' is in use by another machine%s", path,
			    read_only ? ", which writes to it" : "");
	return fail_code(e, r, "lock disk '%s'", path);
}
