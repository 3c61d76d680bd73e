/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"
#include "tap.h"
#include "vm/disk.h"

static struct volt_error e;
static struct disk_info info;

#define MIB (1ull << 20)

static void put32(uint8_t *head, size_t at, uint32_t v)
{
	v = htobe32(v);
	memcpy(head + at, &v, sizeof(v));
}

static void put64(uint8_t *head, size_t at, uint64_t v)
{
	v = htobe64(v);
	memcpy(head + at, &v, sizeof(v));
}

/* What `qemu-img create -f qcow2` begins with. */
static void good_qcow2(uint8_t head[static DISK_HEAD_SIZE])
{
	memset(head, 0, DISK_HEAD_SIZE);
	memcpy(head, "QFI\xfb", 4);
	put32(head, 4, 3);
	put32(head, 20, 16);
	put64(head, 24, 20 * MIB);
	put32(head, 100, 112);
}

static int examine(const uint8_t *head, size_t n, uint64_t size)
{
	memset(&e, 0, sizeof(e));
	memset(&info, 0, sizeof(info));
	return disk_examine("d", head, n, size, &info, &e);
}

static void a_qcow2_is_known_by_its_header_and_all_else_is_raw(void)
{
	uint8_t head[DISK_HEAD_SIZE];

	good_qcow2(head);
	CHECK_INT(examine(head, sizeof(head), 196616), 0);
	CHECK_INT(info.format, DISK_QCOW2);
	CHECK_INT(info.size, 20 * MIB);
	put32(head, 4, 2);
	CHECK_INT(examine(head, 72, 196616), 0);
	CHECK_INT(info.format, DISK_QCOW2);
	head[3] = 0;
	CHECK_INT(examine(head, sizeof(head), 5 * MIB), 0);
	CHECK_INT(info.format, DISK_RAW);
	CHECK_INT(info.size, 5 * MIB);
}

struct bad {
	size_t at, size; /* of a field */
	uint64_t value;
	int code;
	const char *says;
};

static void hostile_qcow2_headers_are_refused(void)
{
	static const struct bad bad[] = {
		{ 8, 8, 512, EPERM, "rests on another file" },
		{ 16, 4, 11, EPERM, "rests on another file" },
		{ 8, 8, UINT64_MAX, EPERM, "rests on another file" },
		{ 72, 8, 1u << 2, EPERM, "keeps its data in another file" },
		{ 72, 8, UINT64_MAX, EPERM, "keeps its data in another file" },
		{ 32, 4, 1, ENOTSUP, "encrypted" },
		{ 32, 4, 2, ENOTSUP, "encrypted" },
		{ 72, 8, 1u << 1, EBADMSG, "damaged" },
		{ 72, 8, 1ull << 63, ENOTSUP, "newer QEMU" },
		{ 4, 4, 1, ENOTSUP, "old format qcow" },
		{ 4, 4, 4, EBADMSG, "is none" },
		{ 4, 4, 0, EBADMSG, "is none" },
		{ 20, 4, 8, EBADMSG, "no sense" },
		{ 20, 4, 64, EBADMSG, "no sense" },
		{ 24, 8, UINT64_MAX, EBADMSG, "no sense" },
		{ 24, 8, 4096, EINVAL, "4096 bytes" },
		{ 24, 8, 0, EINVAL, "0 bytes" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t head[DISK_HEAD_SIZE];

		good_qcow2(head);
		if (bad[i].size == 8)
			put64(head, bad[i].at, bad[i].value);
		else
			put32(head, bad[i].at, (uint32_t)bad[i].value);
		CHECK_INT(examine(head, sizeof(head), 20 * MIB), -bad[i].code);
		if (!strstr(e.msg, bad[i].says))
			CHECK_STR(e.msg, bad[i].says);
	}
}

static void a_header_that_is_cut_off_is_no_qcow2(void)
{
	uint8_t head[DISK_HEAD_SIZE];

	good_qcow2(head);
	for (size_t n = 4; n < 104; n++)
		CHECK_INT(examine(head, n, n), -EBADMSG);
	/* Version 2 says nothing of features: what stands there is not looked at. */
	put32(head, 4, 2);
	put64(head, 72, UINT64_MAX);
	CHECK_INT(examine(head, 71, 71), -EBADMSG);
	CHECK_INT(examine(head, 80, 80), 0);
}

static void images_of_other_programs_are_named(void)
{
	static const struct {
		size_t at;
		const char *magic, *name;
	} others[] = {
		{ 0, "KDMV", "VMDK" },
		{ 0, "# Disk DescriptorFile\n", "VMDK" },
		{ 0,
		  "conec"
		  "tix",
		  "VHD" },
		{ 0, "vhdxfile", "VHDX" },
		{ 0, "QED", "QED" },
		{ 0, "WithouFreSpacExt", "Parallels" },
		{ 64, "\x7f\x10\xda\xbe", "VDI" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		uint8_t head[DISK_HEAD_SIZE] = { 0 };

		memcpy(head + others[i].at, others[i].magic, strlen(others[i].magic));
		CHECK_INT(examine(head, sizeof(head), 5 * MIB), -ENOTSUP);
		CHECK(strstr(e.msg, others[i].name) != NULL);
	}
}

static char path[64];

static void make_file(uint64_t size, const uint8_t *head)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    (head && pwrite(fd, head, DISK_HEAD_SIZE, 0) != DISK_HEAD_SIZE))
		abort();
	(void)close(fd);
}

static int try_open(bool read_only, enum disk_format format, int *fd)
{
	memset(&e, 0, sizeof(e));
	return disk_open(path, read_only, format, fd, &info, &e);
}

/* A23 in spirit: what a guest writes must not become a name that the host obeys. */
static void a_raw_disk_stays_raw_whatever_its_guest_wrote(void)
{
	uint8_t head[DISK_HEAD_SIZE];
	_cleanup_close_ int fd = -1;
	int other = -1;

	good_qcow2(head);
	put64(head, 8, 512);
	put32(head, 16, 11);
	make_file(2 * MIB, head);
	CHECK_INT(try_open(false, DISK_UNKNOWN, &other), -EPERM);
	CHECK_INT(try_open(false, DISK_QCOW2, &other), -EPERM);
	CHECK_INT(try_open(false, DISK_RAW, &fd), 0);
	CHECK_INT(info.format, DISK_RAW);
	CHECK_INT(info.size, 2 * MIB);
}

static void what_was_a_qcow2_must_still_be_one(void)
{
	int fd = -1;

	make_file(2 * MIB, NULL);
	CHECK_INT(try_open(false, DISK_QCOW2, &fd), -EBADMSG);
	CHECK(strstr(e.msg, "is not a qcow2 image") != NULL);
}

static void what_is_no_disk_is_said(void)
{
	int fd = -1;

	make_file(0, NULL);
	CHECK_INT(try_open(false, DISK_UNKNOWN, &fd), -EINVAL);
	CHECK(strstr(e.msg, "is empty") != NULL);
	make_file(512, NULL);
	CHECK_INT(try_open(false, DISK_RAW, &fd), -EINVAL);
	CHECK(strstr(e.msg, "512 bytes") != NULL);
	(void)unlink(path);
	CHECK_INT(try_open(false, DISK_UNKNOWN, &fd), -ENOENT);
	CHECK(mkdir(path, 0700) == 0);
	CHECK_INT(try_open(false, DISK_UNKNOWN, &fd), -EISDIR);
	CHECK_INT(try_open(true, DISK_UNKNOWN, &fd), -EISDIR);
	CHECK(rmdir(path) == 0 && mkfifo(path, 0600) == 0);
	CHECK_INT(try_open(true, DISK_UNKNOWN, &fd), -EINVAL);
	CHECK(strstr(e.msg, "not a regular file") != NULL);
	(void)unlink(path);
}

struct pair {
	bool first_ro, second_ro;
	int result;
};

static void one_writes_or_many_read(void)
{
	static const struct pair pairs[] = {
		{ false, false, -EBUSY },
		{ false, true, -EBUSY },
		{ true, false, -EBUSY },
		{ true, true, 0 },
	};

	make_file(2 * MIB, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		_cleanup_close_ int a = -1, b = -1;
		const struct pair *p = &pairs[i];

		CHECK_INT(try_open(p->first_ro, DISK_RAW, &a), 0);
		CHECK_INT(try_open(p->second_ro, DISK_RAW, &b), 0);
		CHECK_INT(disk_lock(a, path, p->first_ro, &e), 0);
		CHECK_INT(disk_lock(b, path, p->second_ro, &e), p->result);
		/* Again, as before each run of a machine. */
		CHECK_INT(disk_lock(b, path, p->second_ro, &e), p->result);
	}
	(void)unlink(path);
}

static void a_lock_goes_with_its_last_descriptor(void)
{
	int a = -1, copy, b = -1;

	make_file(2 * MIB, NULL);
	CHECK_INT(try_open(false, DISK_RAW, &a), 0);
	CHECK_INT(try_open(false, DISK_RAW, &b), 0);
	copy = fcntl(a, F_DUPFD_CLOEXEC, 0);
	CHECK_INT(disk_lock(a, path, false, &e), 0);
	(void)close(a);
	CHECK_INT(disk_lock(b, path, false, &e), -EBUSY);
	(void)close(b);
	(void)close(copy);
	CHECK_INT(try_open(false, DISK_RAW, &b), 0);
	CHECK_INT(disk_lock(b, path, false, &e), 0);
	(void)close(b);
	(void)unlink(path);
}

int main(void)
{
	(void)snprintf(path, sizeof(path), "/tmp/volt-test-disk.%d", getpid());
	RUN(a_qcow2_is_known_by_its_header_and_all_else_is_raw);
	RUN(hostile_qcow2_headers_are_refused);
	RUN(a_header_that_is_cut_off_is_no_qcow2);
	RUN(images_of_other_programs_are_named);
	RUN(a_raw_disk_stays_raw_whatever_its_guest_wrote);
	RUN(what_was_a_qcow2_must_still_be_one);
	RUN(what_is_no_disk_is_said);
	RUN(one_writes_or_many_read);
	RUN(a_lock_goes_with_its_last_descriptor);
	(void)unlink(path);
	return tap_done();
}
