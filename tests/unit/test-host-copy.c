/* SPDX-License-Identifier: Apache-2.0 */
#include "rootfs-lib.h"
#include "rootfs/host-copy.h"
#include "rootfs/tfs-read.h"

/* A directory of the host's, below the world's root, and a copy of it. */
struct copied {
	struct world w;
	int dir, disk;
	struct tfs *fs;
};

static bool open_copied(struct copied *c)
{
	*c = (struct copied){ .dir = -1, .disk = -1 };
	if (!world_open(&c->w))
		return false;
	c->dir = mkdir_beneath(c->w.f.root, "host", 0700);
	c->disk = world_file(&c->w, "disk");
	return c->dir >= 0 && c->disk >= 0;
}

static void close_copied(struct copied *c)
{
	tfs_close(c->fs);
	closep(&c->dir);
	closep(&c->disk);
	world_close(&c->w);
}

static bool put_text(int dir, const char *name, const char *text)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd >= 0 && write_all(fd, text, strlen(text)) == 0;
}

static int copy(struct copied *c, const char *name, bool file)
{
	return host_copy(world_path(&c->w, name), file, ".0", c->disk, &c->w.f.e);
}

static bool open_fs(struct copied *c)
{
	const struct byte_source from = byte_source_fd(&c->disk);
	struct stat st;

	return fstat(c->disk, &st) == 0 &&
	       fine(&c->w, tfs_open(&from, 0, (uint64_t)st.st_size, &c->fs, &c->w.f.e));
}

static bool holds(const struct copied *c, const char *path, const char *text)
{
	char found[64] = "";
	uint32_t node;

	return tfs_lookup(c->fs, path, false, &node, NULL) == 0 &&
	       tfs_node_read(c->fs, node, 0, found, sizeof(found) - 1, NULL) >= 0 &&
	       strcmp(found, text) == 0;
}

static bool says(const struct copied *c, const char *text)
{
	if (strstr(c->w.f.e.msg, text))
		return true;
	printf("# \"%s\" does not say \"%s\"\n", c->w.f.e.msg, text);
	return false;
}

static void a_directory_is_copied_with_its_links_and_without_devices(void)
{
	_cleanup_(close_copied) struct copied c;
	_cleanup_close_ int sub = -1;
	struct tfs_stat st;
	uint32_t node;

	CHECK(open_copied(&c));
	sub = mkdir_beneath(c.dir, "sub/\xff odd", 0700);
	CHECK(sub >= 0 && put_text(sub, "a\nb", "one") && put_text(c.dir, "empty", ""));
	CHECK(symlinkat("/etc/passwd", c.dir, "link") == 0);
	CHECK(mkfifoat(c.dir, "fifo", 0600) == 0);
	CHECK(fine(&c.w, copy(&c, "host", false)) && open_fs(&c));
	CHECK_STR(tfs_label(c.fs), ".0");
	CHECK(holds(&c, "/sub/\xff odd/a\nb", "one") && holds(&c, "/empty", ""));
	CHECK(tfs_lookup(c.fs, "/link", false, &node, NULL) == 0);
	tfs_stat(c.fs, node, &st);
	CHECK_INT(st.type, TFS_LINK);
	CHECK_STR(st.target, "/etc/passwd");
	CHECK_INT(tfs_lookup(c.fs, "/fifo", false, &node, NULL), -ENOENT);
	CHECK_INT(tfs_n_children(c.fs, TFS_ROOT), 3);
}

static void a_single_file_is_alone_in_its_copy(void)
{
	_cleanup_(close_copied) struct copied c;

	CHECK(open_copied(&c) && put_text(c.dir, "a", "one") &&
	      put_text(c.dir, "b", "two"));
	CHECK(fine(&c.w, copy(&c, "host/a", true)) && open_fs(&c));
	CHECK_INT(tfs_n_children(c.fs, TFS_ROOT), 1);
	CHECK(holds(&c, "/" HOST_COPY_FILE, "one"));
}

static void what_is_not_what_it_was_is_refused(void)
{
	_cleanup_(close_copied) struct copied c;

	CHECK(open_copied(&c) && put_text(c.dir, "a", "one"));
	CHECK_INT(copy(&c, "host", true), -ENOTSUP);
	CHECK(says(&c, "/host': it is not a regular file any more"));
	CHECK(copy(&c, "host/a", false) < 0);
	CHECK(says(&c, "copy '"));
	CHECK_INT(copy(&c, "gone", false), -ENOENT);
	CHECK(says(&c, "/gone': open it: No such file or directory"));
}

static void an_empty_directory_is_a_file_system(void)
{
	_cleanup_(close_copied) struct copied c;

	CHECK(open_copied(&c) && fine(&c.w, copy(&c, "host", false)) && open_fs(&c));
	CHECK_INT(tfs_n_children(c.fs, TFS_ROOT), 0);
}

int main(void)
{
	RUN(a_directory_is_copied_with_its_links_and_without_devices);
	RUN(a_single_file_is_alone_in_its_copy);
	RUN(what_is_not_what_it_was_is_refused);
	RUN(an_empty_directory_is_a_file_system);
	return tap_done();
}
