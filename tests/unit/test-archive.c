/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's kernel and modules are packed in, and what volt packs for them. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ARCHIVE_NO_REDIRECT
#include "base/decompress.h"
#include "base/libarchive.h"
#include "base/macro.h"
#include "guest/cpio.h"
#include "tap.h"

/* cpio */

static void cpio_entries_are_as_the_kernel_reads_them(void)
{
	struct cpio c = { 0 };

	CHECK_INT(cpio_add(&c, "init", S_IFREG | 0755, "abcde", 5), 0);
	CHECK_INT(cpio_end(&c), 0);
	CHECK(memcmp(c.data,
		     "070701"
		     "00000001"
		     "000081ED"
		     "00000000"
		     "00000000"
		     "00000001"
		     "00000000"
		     "00000005"
		     "00000000"
		     "00000000"
		     "00000000"
		     "00000000"
		     "00000005"
		     "00000000"
		     "init\0",
		     115) == 0);
	CHECK(memcmp(c.data + 116,
		     "abcde\0\0\0"
		     "070701",
		     14) == 0);
	CHECK_INT(c.size % 4, 0);
	cpio_done(&c);
}

static void cpio_reads_back_whole(void)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	struct cpio c = { 0 };
	static char big[300000];

	memset(big, 'x', sizeof(big));
	CHECK_INT(cpio_add(&c, "modules", S_IFDIR | 0755, NULL, 0), 0);
	CHECK_INT(cpio_add(&c, "modules/a.ko", S_IFREG | 0644, big, sizeof(big)), 0);
	CHECK_INT(cpio_add(&c, "empty", S_IFREG | 0644, "", 0), 0);
	CHECK_INT(cpio_end(&c), 0);
	CHECK_INT(archive_read_support_format_cpio(a), ARCHIVE_OK);
	CHECK_INT(archive_read_open_memory(a, c.data, c.size), ARCHIVE_OK);
	CHECK_INT(archive_read_next_header(a, &entry), ARCHIVE_OK);
	CHECK_STR(archive_entry_pathname(entry), "modules");
	CHECK_INT(archive_read_next_header(a, &entry), ARCHIVE_OK);
	CHECK_STR(archive_entry_pathname(entry), "modules/a.ko");
	CHECK_INT(archive_entry_size(entry), sizeof(big));
	CHECK_INT(archive_read_next_header(a, &entry), ARCHIVE_OK);
	CHECK_INT(archive_entry_size(entry), 0);
	CHECK_INT(archive_read_next_header(a, &entry), ARCHIVE_EOF);
	CHECK_INT(archive_read_free(a), ARCHIVE_OK);
	cpio_done(&c);
}

/* Compression */

#define SIZE 64

/* libarchive knows these only as programs to run. */
static void no_program_of_the_host_unpacks(void)
{
	static const char texts[][SIZE] = { "LRZI\0\6", "\x89LZO\0\r\n\x1a\n",
					    "GRZipII\0\2\4:)" };

	for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
		char *copy = NULL;
		size_t size = 0;

		CHECK_INT(decompress(texts[k], SIZE, 100, &copy, &size), 0);
		CHECK_INT(size, SIZE);
		CHECK(copy && memcmp(copy, texts[k], SIZE) == 0);
		free(copy);
	}
}

/* What libarchive says where it was built without the codec. */
static int lacks_codec(struct archive *a, int code)
{
	(void)a;
	return code == ARCHIVE_FILTER_LZ4 ? ARCHIVE_WARN : ARCHIVE_OK;
}

static void nor_where_libarchive_lacks_a_codec(void)
{
	char *copy = NULL;
	size_t size = 0;
	struct archive_library own;

	CHECK_INT(archive_load(NULL), 0);
	own = archive_library;
	archive_library.archive_read_support_filter_by_code = lacks_codec;
	CHECK_INT(decompress("text", 4, 100, &copy, &size), -ENOTSUP);
	archive_library = own;
	CHECK(!copy);
}

int main(void)
{
	RUN(cpio_entries_are_as_the_kernel_reads_them);
	RUN(cpio_reads_back_whole);
	RUN(no_program_of_the_host_unpacks);
	RUN(nor_where_libarchive_lacks_a_codec);
	return tap_done();
}
