/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "base/digest.h"
#include "rootfs/nanos-klog.h"
#include "tap.h"
#include "tfs-disk.h"

/* A volume "vol": /a holds "hi\n", /d is empty, /l leads to /a. */
static const struct {
	size_t at;
	const char *hex;
} vector[] = {
	{ 0x000, "4e564d5446530501000102030405060708090a0b0c0d0e0f766f6c0005020101" },
	{ 0x200, "68690a" },
	{ 0x400, "4e564d5446530501027a7a938770726f6772616dc22f618809617267756d656e" },
	{ 0x420, "7473a2c161c1788808"
		 "6368696c6472656e93816192880a66696c656c656e6774" },
	{ 0x440, "68b0038765"
		 "7874656e74739181309386"
		 "6c656e677468b001866f6666736574b0" },
	{ 0x460, "01"
		 "8809616c6c6f6361746564b0018164"
		 "91059081"
		 "6c91880a6c696e6b74617267" },
	{ 0x480, "6574c22f6101" },
};

static void vector_init(struct disk *d)
{
	disk_init(d, 3);
	for (size_t i = 0; i < ARRAY_SIZE(vector); i++) {
		d->at = vector[i].at;
		for (const char *p = vector[i].hex; *p; p += 2) {
			char byte[] = { p[0], p[1], '\0' };

			put_byte(d, (unsigned int)strtoul(byte, NULL, 16));
		}
	}
}

static void the_test_vector_is_read(void)
{
	_cleanup_(disk_done) struct disk d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	json_auto_t *j = NULL, *want = NULL;
	struct volt_error e = { 0 };
	struct tfs_stat st;
	uint32_t node;
	char buf[8];

	vector_init(&d);
	CHECK_INT(open_disk(&d, &fs, &e), 0);
	CHECK_STR(tfs_label(fs), "vol");
	CHECK_INT(tfs_uuid(fs)[15], 15);
	CHECK_INT(tfs_n_children(fs, TFS_ROOT), 3);
	CHECK_STR(tfs_child(fs, TFS_ROOT, 2, NULL), "l");
	CHECK_INT(tfs_lookup(fs, "/l", true, &node, &e), 0);
	CHECK_INT(tfs_node_read(fs, node, 1, buf, sizeof(buf), &e), 2);
	CHECK(memcmp(buf, "i\n", 2) == 0);
	CHECK_INT(tfs_lookup(fs, "l", false, &node, &e), 0);
	tfs_stat(fs, node, &st);
	CHECK_STR(st.target, "/a");
	CHECK_INT(tfs_attributes(fs, &j, &e), 0);
	want = json_pack("{s:s, s:[s, s]}", "program", "/a", "arguments", "a", "x");
	CHECK(json_equal(j, want));
}

/* As Nanos' mkfs does: the tree first, with empty files, then what is in them; and what
 * the kernel appends: a changed attribute, a deleted name. */
static void records_are_merged_in_order(void)
{
	_cleanup_(disk_done) struct disk r = { 0 }, d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	json_auto_t *j = NULL;
	struct volt_error e = { 0 };
	struct tfs_stat st;
	uint32_t node;

	disk_init(&d, 64);
	put_log(&d, 0, 1, "");
	put_link(&d, 1, 8);
	put_log(&d, 1, 8, NULL);
	disk_init(&r, 8);
	put_tuple(&r, 2);
	put_name(&r, "program"); /* 2 */
	put_text(&r, "/b");
	put_name(&r, "children"); /* 3 */
	put_tuple(&r, 2);         /* 4 */
	put_name(&r, "b");        /* 5 */
	put_tuple(&r, 0);         /* 6 */
	put_name(&r, "a");        /* 7 */
	put_tuple(&r, 0);         /* 8 */
	put_record(&d, &r);
	r.at = 0;
	put_again(&r, 6, 1);
	put_name(&r, "extents"); /* 9 */
	put_tuple(&r, 0);        /* 10 */
	put_record(&d, &r);
	r.at = 0;
	put_again(&r, 10, 1);
	put_extent(&r, "0", 20, 1);
	put_record(&d, &r);
	r.at = 0;
	put_again(&r, 6, 1);
	put_name(&r, "filelength");
	put_text(&r, "12");
	put_record(&d, &r);
	r.at = 0;
	put_again(&r, 4, 1); /* a is gone */
	put_header(&r, false, 0, 7);
	put_byte(&r, 0x80);
	put_record(&d, &r);
	r.at = 0;
	put_again(&r, 1, 1);
	put_header(&r, false, 0, 2);
	put_text(&r, "/c");
	put_byte(&d, 4);
	put_record(&d, &r);
	put_byte(&d, 1);
	memcpy(d.data + (size_t)20 * TFS_SECTOR, "hello, world", 12);

	CHECK_INT(open_disk(&d, &fs, &e), 0);
	CHECK_INT(tfs_n_children(fs, TFS_ROOT), 1);
	CHECK_INT(tfs_lookup(fs, "a", true, &node, &e), -ENOENT);
	CHECK_STR(e.msg, "'a' on the disk: No such file or directory");
	CHECK_INT(tfs_lookup(fs, "b", true, &node, &e), 0);
	tfs_stat(fs, node, &st);
	CHECK_INT(st.type, TFS_FILE);
	CHECK_INT(st.size, 12);
	CHECK_INT(tfs_attributes(fs, &j, &e), 0);
	CHECK_STR(json_string_value(json_object_get(j, "program")), "/c");
	CHECK_INT(json_object_size(j), 1);
}

static void a_record_may_be_split_over_extensions(void)
{
	_cleanup_(disk_done) struct disk r = { 0 }, d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct volt_error e = { 0 };
	char name[4];

	root_init(&r, 100);
	for (unsigned int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "%u", 99 - i);
		put_name(&r, name);
		put_tuple(&r, 0);
	}
	disk_init(&d, 64);
	put_log(&d, 0, 1, "");
	put_byte(&d, 2);
	put_varint(&d, r.at);
	put_varint(&d, 100);
	put_bytes(&d, r.data, 100);
	put_link(&d, 40, 1);
	put_log(&d, 40, 1, NULL);
	put_byte(&d, 3);
	put_varint(&d, 200);
	put_bytes(&d, r.data + 100, 200);
	put_byte(&d, 4);
	put_link(&d, 10, 1);
	put_log(&d, 10, 1, NULL);
	put_byte(&d, 3);
	put_varint(&d, r.at - 300);
	put_bytes(&d, r.data + 300, r.at - 300);
	put_byte(&d, 1);
	CHECK_INT(open_disk(&d, &fs, &e), 0);
	CHECK_INT(tfs_n_children(fs, TFS_ROOT), 100);
	CHECK_STR(tfs_child(fs, TFS_ROOT, 0, NULL), "0");
	CHECK_STR(tfs_child(fs, TFS_ROOT, 1, NULL), "1");
	CHECK_STR(tfs_child(fs, TFS_ROOT, 2, NULL), "10");
	CHECK_STR(tfs_child(fs, TFS_ROOT, 99, NULL), "99");
}

static void holes_and_what_was_never_written_read_as_zeros(void)
{
	_cleanup_(disk_done) struct disk r = { 0 }, d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct volt_error e = { 0 };
	char buf[8 * TFS_SECTOR];
	uint32_t node;

	root_init(&r, 1);
	put_file(&r, "f", 7 * TFS_SECTOR + 3, 3);
	put_extent(&r, "4", 30, 1);
	put_extent(&r, "1", 20, 2);
	put_name(&r, "6"); /* reserved only */
	put_tuple(&r, 4);
	put_name(&r, "offset");
	put_number(&r, 40);
	put_name(&r, "length");
	put_text(&r, "1");
	put_name(&r, "allocated");
	put_number(&r, 4);
	put_name(&r, "uninited");
	put_bytes(&r, "\x81", 2);
	disk_of(&d, &r);
	memset(d.data + (size_t)20 * TFS_SECTOR, 'a', (size_t)TFS_SECTOR * 2);
	memset(d.data + (size_t)30 * TFS_SECTOR, 'b', TFS_SECTOR);
	memset(d.data + (size_t)40 * TFS_SECTOR, 'c', (size_t)TFS_SECTOR * 4);
	CHECK_INT(open_disk(&d, &fs, &e), 0);
	CHECK_INT(tfs_lookup(fs, "/f", true, &node, &e), 0);
	memset(buf, 'x', sizeof(buf));
	CHECK_INT(tfs_node_read(fs, node, 0, buf, sizeof(buf), &e), 7 * TFS_SECTOR + 3);
	for (size_t i = 0; i < 7 * TFS_SECTOR + 3; i++) {
		size_t sector = i / TFS_SECTOR;

		CHECK_INT(buf[i], sector == 1 || sector == 2 ? 'a'
				  : sector == 4              ? 'b'
							     : '\0');
	}
	CHECK_INT(tfs_node_read(fs, node, 3 * TFS_SECTOR - 1, buf, 2, &e), 2);
	CHECK(memcmp(buf, "a\0", 2) == 0);
	CHECK_INT(tfs_node_read(fs, node, 7 * TFS_SECTOR + 3, buf, 2, &e), 0);
}

static void hard_links_are_one_file(void)
{
	_cleanup_(disk_done) struct disk r = { 0 }, d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct volt_error e = { 0 };
	struct tfs_stat st;
	uint32_t a, b;

	root_init(&r, 2);
	put_file(&r, "b", 1, 1); /* 5 */
	put_extent(&r, "0", 20, 1);
	put_name(&r, "a");
	put_again(&r, 5, 0);
	disk_of(&d, &r);
	CHECK_INT(open_disk(&d, &fs, &e), 0);
	CHECK_INT(tfs_lookup(fs, "/a", true, &a, &e), 0);
	CHECK_INT(tfs_lookup(fs, "/b", true, &b, &e), 0);
	CHECK_INT(a, b);
	tfs_stat(fs, a, &st);
	CHECK_INT(st.links, 2);
}

static void put_symlink(struct disk *r, const char *name, const char *target)
{
	put_name(r, name);
	put_tuple(r, 1);
	put_name(r, "linktarget");
	put_text(r, target);
}

static void links_are_followed_inside_and_never_for_ever(void)
{
	_cleanup_(disk_done) struct disk r = { 0 }, d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct volt_error e = { 0 };
	uint32_t f, node;

	root_init(&r, 6);
	put_symlink(&r, "loop", "loop");
	put_symlink(&r, "out", "../../../../d/f");
	put_symlink(&r, "dir", "d");
	put_symlink(&r, "gone", "/x");
	put_symlink(&r, "grow", "grow/x");
	put_name(&r, "d");
	put_tuple(&r, 1);
	put_name(&r, "children");
	put_tuple(&r, 1);
	put_file(&r, "f", 0, 0);
	disk_of(&d, &r);
	CHECK_INT(open_disk(&d, &fs, &e), 0);
	CHECK_INT(tfs_lookup(fs, "/d/f", true, &f, &e), 0);
	CHECK_INT(tfs_lookup(fs, "dir//./f", false, &node, &e), 0);
	CHECK_INT(node, f);
	CHECK_INT(tfs_lookup(fs, "/out", true, &node, &e), 0);
	CHECK_INT(node, f);
	CHECK_INT(tfs_lookup(fs, "/d/../..", true, &node, &e), 0);
	CHECK_INT(node, TFS_ROOT);
	CHECK_INT(tfs_lookup(fs, "/loop", true, &node, &e), -ELOOP);
	CHECK_INT(tfs_lookup(fs, "/grow", true, &node, &e), -ELOOP);
	CHECK_INT(tfs_lookup(fs, "/loop", false, &node, &e), 0);
	CHECK_INT(tfs_lookup(fs, "/gone", true, &node, &e), -ENOENT);
	CHECK_INT(tfs_lookup(fs, "/d/f/x", true, &node, &e), -ENOTDIR);
}

static void attributes_that_contain_themselves_are_refused(void)
{
	_cleanup_(disk_done) struct disk r = { 0 }, d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct volt_error e = { 0 };
	json_t *j = NULL;

	disk_init(&r, 1);
	put_tuple(&r, 2);
	put_name(&r, "children");
	put_tuple(&r, 0);
	put_name(&r, "x"); /* 4 */
	put_tuple(&r, 1);  /* 5 */
	put_name(&r, "y");
	put_again(&r, 5, 0);
	disk_of(&d, &r);
	CHECK_INT(open_disk(&d, &fs, &e), 0);
	CHECK_INT(tfs_attributes(fs, &j, &e), -EFBIG);
	CHECK_STR(e.msg, "the file system's attributes have no end");
}

/* As the kernel leaves it. */
static void what_the_root_has_as_a_directory_is_no_attribute(void)
{
	_cleanup_(disk_done) struct disk r = { 0 }, d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	json_auto_t *j = NULL;
	struct volt_error e = { 0 };

	disk_init(&r, 1);
	put_tuple(&r, 4);
	put_name(&r, "children");
	put_tuple(&r, 0);
	put_name(&r, "..");
	put_again(&r, 1, 0);
	put_name(&r, "mtime");
	put_number(&r, 1);
	put_name(&r, "program");
	put_text(&r, "/a");
	disk_of(&d, &r);
	CHECK_INT(open_disk(&d, &fs, &e), 0);
	CHECK_INT(tfs_attributes(fs, &j, &e), 0);
	CHECK_INT(json_object_size(j), 1);
}

static void attributes_keep_their_types(void)
{
	_cleanup_(disk_done) struct disk r = { 0 }, d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	json_auto_t *j = NULL, *want = NULL;
	struct volt_error e = { 0 };

	disk_init(&r, 1);
	put_tuple(&r, 6);
	put_name(&r, "children");
	put_tuple(&r, 0);
	put_name(&r, "debug");
	put_bytes(&r, "\x81", 2);
	put_name(&r, "n");
	put_bytes(&r, "\xb1\x07", 2);
	put_name(&r, "big");
	put_number(&r, UINT64_MAX);
	put_name(&r, "odd\x01");
	put_text(&r, "\xc3\xa4\xff\xed\xa0\x80");
	put_name(&r, "v");
	put_vector(&r, 2);
	put_byte(&r, 0x80);
	put_text(&r, "");
	disk_of(&d, &r);
	CHECK_INT(open_disk(&d, &fs, &e), 0);
	CHECK_INT(tfs_attributes(fs, &j, &e), 0);
	want = json_pack("{s:b, s:i, s:s, s:s, s:[n, s]}", "debug", 1, "n", -7, "big",
			 "18446744073709551615", "odd\x01",
			 "\xc3\xa4\\xff\\xed\\xa0\\x80", "v", "");
	CHECK(json_equal(j, want));
}

static void free_room_is_what_nothing_has(void)
{
	_cleanup_(disk_done) struct disk r = { 0 }, d = { 0 };
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	struct volt_error e = { 0 };
	struct tfs_usage u;

	root_init(&r, 1);
	put_file(&r, "f", 1, 1);
	put_extent(&r, "0", 30, 4);
	disk_of(&d, &r);
	CHECK_INT(open_disk(&d, &fs, &e), 0);
	tfs_usage(fs, &u);
	CHECK_INT(u.free, (64 - 1 - 8 - 4) * TFS_SECTOR);
	CHECK_INT(u.largest_free, 30 * TFS_SECTOR);
	CHECK_INT(u.n_log, 2);
	CHECK_INT(u.log[1].at, TFS_SECTOR);
	CHECK_INT(u.records, 1);
	CHECK_INT(u.directories + u.files, 2);
	CHECK_INT(d.data[u.log_end], 1);
	CHECK_INT(u.log_end + u.log_left, 9 * TFS_SECTOR);
}

static void put_partition(struct disk *d, unsigned int i, unsigned int type,
			  uint32_t first, uint32_t n)
{
	d->at = 446 + i * 16;
	put_bytes(d, "\x80\0\0", 4);
	d->at--;
	put_bytes(d, "\0\0\0\0\0", 5);
	d->data[446 + i * 16 + 4] = (uint8_t)type;
	d->at = 446 + i * 16 + 8;
	for (unsigned int k = 0; k < 4; k++)
		put_byte(d, first >> 8 * k & 0xff);
	for (unsigned int k = 0; k < 4; k++)
		put_byte(d, n >> 8 * k & 0xff);
	d->data[510] = 0x55;
	d->data[511] = 0xaa;
}

static void partitions_are_found_as_the_kernel_does(void)
{
	_cleanup_(disk_done) struct disk d = { 0 };
	struct byte_source from = disk_source(&d);
	struct volt_error e = { 0 };
	struct nanos_parts p;

	disk_init(&d, 64);
	put_partition(&d, 0, 0x83, 9, 0);
	put_partition(&d, 1, 0x83, 9, 1);
	CHECK_INT(nanos_disk_find(&from, d.size, &p, &e), 0);
	CHECK_INT(p.klog, 512);
	CHECK_INT(p.bootfs.size, 0);
	CHECK_INT(p.root.at, 9 * 512);
	CHECK_INT(p.root.size, 55 * 512); /* its entry's count is not used */
	put_partition(&d, 0, 0xef, 16, 2);
	put_partition(&d, 1, 0x83, 18, 10);
	put_partition(&d, 2, 0x83, 28, 4);
	CHECK_INT(nanos_disk_find(&from, d.size, &p, &e), 0);
	CHECK_INT(p.klog, 8 * 512);
	CHECK_INT(p.esp.at, 16 * 512);
	CHECK_INT(p.bootfs.at, 18 * 512);
	CHECK_INT(p.bootfs.size, 10 * 512);
	CHECK_INT(p.root.at, 28 * 512);
	put_partition(&d, 2, 0x83, 64, 4);
	CHECK_INT(nanos_disk_find(&from, d.size, &p, &e), -EBADMSG);
	CHECK(strstr(e.msg, "for the root lies outside"));
	put_partition(&d, 1, 0x83, 60, 10);
	CHECK_INT(nanos_disk_find(&from, d.size, &p, &e), -EBADMSG);
	CHECK(strstr(e.msg, "for booting lies outside"));
	memset(d.data, 0, 512);
	CHECK_INT(nanos_disk_find(&from, d.size, &p, &e), -ENOTSUP);
	CHECK_STR(e.msg, "it is neither a disk of Nanos nor a volume");
}

static void a_crash_log_has_code_and_text(void)
{
	_cleanup_(disk_done) struct disk d = { 0 };
	struct byte_source from = disk_source(&d);
	struct volt_error e = { 0 };
	struct nanos_klog k;

	disk_init(&d, 9);
	CHECK_INT(nanos_klog_read(&from, 512, &k, &e), 0);
	CHECK_INT(k.code, 0);
	d.at = 512;
	put_bytes(&d,
		  "KLOG\x01\x02\0\0\0\0\0\0\xfe\xff\xff\xff"
		  "boom\n",
		  21);
	CHECK_INT(nanos_klog_read(&from, 512, &k, &e), 1);
	CHECK_INT(k.boot_id, 0x201);
	CHECK_INT(k.code, -2);
	CHECK_STR(k.text, "boom\n");
	memset(d.data + 528, 'x', 4080);
	CHECK_INT(nanos_klog_read(&from, 512, &k, &e), 1);
	CHECK_INT(strlen(k.text), 4080);
}

int main(void)
{
	RUN(the_test_vector_is_read);
	RUN(records_are_merged_in_order);
	RUN(a_record_may_be_split_over_extensions);
	RUN(holes_and_what_was_never_written_read_as_zeros);
	RUN(hard_links_are_one_file);
	RUN(links_are_followed_inside_and_never_for_ever);
	RUN(attributes_that_contain_themselves_are_refused);
	RUN(what_the_root_has_as_a_directory_is_no_attribute);
	RUN(attributes_keep_their_types);
	RUN(free_room_is_what_nothing_has);
	RUN(partitions_are_found_as_the_kernel_does);
	RUN(a_crash_log_has_code_and_text);
	return tap_done();
}
