/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/wait.h>

#include "rootfs/rootfs.h"
#include "rootfs/tinyvol.h"
#include "tree-compare.h"

#define META ".virtfs_metadata"

static bool add_samples(struct world *w)
{
	const struct tree_entry others[] = {
		{ .path = "", .mode = S_IFDIR | 0711, .uid = 3 },
		{ .path = "dev/sd",
		  .mode = S_IFBLK | 0660,
		  .rdev_major = 259,
		  .rdev_minor = 70000,
		  .gid = 6 },
		{ .path = "dev/null",
		  .mode = S_IFCHR | 0666,
		  .rdev_major = 1,
		  .rdev_minor = 3 },
		{ .path = "fifo", .mode = S_IFIFO | 0600, .uid = UINT32_MAX - 1 },
		{ .path = "sock", .mode = S_IFSOCK | 0755, .gid = 2 },
		{ .path = "link", .mode = S_IFLNK | 0777, .target = "../../etc/passwd" },
		{ .path = "empty-dir", .mode = S_IFDIR | 01777 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!add_entry(w, &others[i]))
			return false;
	return add_file(w, "etc/hostname", 0640, "volt\n", 5) &&
	       add_file(w, "etc/same", 0600, "volt\n", 5) &&
	       add_file(w, "bin/su", 04755, "#!su\n", 5) &&
	       add_file(w, "bin/plain", 0755, "#!sh\n", 5) &&
	       add_file(w, "empty", 0, "", 0) &&
	       fine(w, tree_builder_link(w->b, "usr/hard", "bin/su", &w->f.e)) &&
	       fine(w, tree_builder_link(w->b, "usr/empty", "empty", &w->f.e));
}

static int make(struct world *w)
{
	return rootfs_tinyvol(w->f.root, w->f.store, &w->id, &w->f.e);
}

/* What QEMU would find for an entry, read as it reads it. */
static bool read_attributes(int dir, const char *path, struct tree_entry *ret)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *text = NULL;
	char meta[8192];
	int uid, gid, mode, rdev = 0;

	if (path[0] == '\0')
		(void)strcpy(meta, META "_root");
	else
		(void)snprintf(meta, sizeof(meta), "%.*s" META "/%s",
			       slash ? (int)(slash + 1 - path) : 0, path,
			       slash ? slash + 1 : path);
	if (read_file_at(dir, meta, 4096, &text, NULL) < 0)
		return false;
	if (sscanf(text, "virtfs.uid=%d\nvirtfs.gid=%d\nvirtfs.mode=%d\nvirtfs.rdev=%d\n",
		   &uid, &gid, &mode, &rdev) < 3)
		return false;
	ret->uid = (uint32_t)uid;
	ret->gid = (uint32_t)gid;
	ret->mode = (uint32_t)mode;
	ret->rdev_major = major((unsigned)rdev);
	ret->rdev_minor = minor((unsigned)rdev);
	return true;
}

static bool same_metadata(const struct world *w, int dir)
{
	for (uint32_t i = 0; i < w->t->n; i++) {
		const struct tree_entry *f = &w->t->v[i];
		struct tree_entry got = { 0 };

		if (!read_attributes(dir, f->path, &got))
			return differs(f, "metadata file");
		if (got.uid != f->uid || got.gid != f->gid || got.mode != f->mode ||
		    got.rdev_major != f->rdev_major || got.rdev_minor != f->rdev_minor)
			return differs(f, "metadata");
	}
	return true;
}

static void every_attribute_is_where_qemu_looks_for_it(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int dir = -1;

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	dir = make(&w);
	CHECK(fine(&w, dir));
	CHECK(same_metadata(&w, dir));
}

static bool is_object(const struct world *w, int dir, const char *path, const char *kind)
{
	struct stat a, b;

	return fstatat(dir, path, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(w->f.root, object_path(&tree_find(w->t, path)->object, kind), &b,
		       AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino;
}

static void a2_content_is_linked_and_modes_of_objects_stay(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int dir = -1;
	struct stat st;

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	dir = make(&w);
	CHECK(fine(&w, dir));
	CHECK(is_object(&w, dir, "etc/hostname", ""));
	CHECK(is_object(&w, dir, "etc/same", ""));
	CHECK(is_object(&w, dir, "bin/su", ".x"));
	CHECK(is_object(&w, dir, "usr/hard", ".x"));
	CHECK(fstatat(dir, "bin/su", &st, 0) == 0 && st.st_mode == (S_IFREG | 0555));
	CHECK(fstatat(dir, "etc/same", &st, 0) == 0 && st.st_mode == (S_IFREG | 0444));
}

static void a11_what_is_no_file_is_a_file_to_the_host(void)
{
	static const char *const paths[] = { "dev/sd", "dev/null", "fifo", "sock",
					     "link" };
	_cleanup_world_ struct world w;
	_cleanup_close_ int dir = -1;
	_cleanup_free_ char *target = NULL;
	struct stat st, other;

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	dir = make(&w);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		CHECK(fstatat(dir, paths[i], &st, AT_SYMLINK_NOFOLLOW) == 0);
		CHECK(S_ISREG(st.st_mode));
	}
	CHECK(read_file_at(dir, "link", 100, &target, NULL) == 0);
	CHECK_STR(target, "../../etc/passwd");
	CHECK(fstatat(dir, "empty-dir", &st, 0) == 0 && S_ISDIR(st.st_mode));
	CHECK(fstatat(dir, "empty", &st, 0) == 0);
	CHECK(fstatat(dir, "usr/empty", &other, 0) == 0 && st.st_ino == other.st_ino);
}

static bool store_is_sound(struct world *w)
{
	return store_verify(w->f.store, NULL, NULL, &w->f.e) == 0;
}

static void a1_making_it_again_never_touches_the_store(void)
{
	_cleanup_world_ struct world w;
	int dir;

	CHECK(world_open(&w) && add_samples(&w) && world_store(&w));
	for (int i = 0; i < 3; i++) {
		/* What a crash might leave: links to objects under the temporary name. */
		char tmp[128], hex[DIGEST_HEX_SIZE];

		(void)snprintf(tmp, sizeof(tmp), "rootfs/%s.tree.tmp",
			       digest_hex(&w.id, hex));
		CHECK(i == 0 || mkdirat(w.f.root, tmp, 0700) == 0);
		dir = make(&w);
		CHECK(fine(&w, dir));
		(void)close(dir);
		CHECK(store_is_sound(&w));
		CHECK_INT(rootfs_evict(w.f.root, &w.id, &w.f.e), 0);
		CHECK(store_is_sound(&w));
	}
}

static void a6_names_that_leave_the_tree_are_refused(void)
{
	static const struct tree_entry root = { .path = "",
						.mode = S_IFDIR,
						.hardlink = TREE_NONE };
	static const struct tree_entry bad[] = {
		{ .path = "../x", .mode = S_IFREG, .hardlink = TREE_NONE },
		{ .path = "..", .mode = S_IFDIR, .hardlink = TREE_NONE },
		{ .path = "/etc", .mode = S_IFREG, .hardlink = TREE_NONE },
		{ .path = "a/b", .mode = S_IFREG, .hardlink = TREE_NONE },
		{ .path = "x", .mode = S_IFREG, .hardlink = 7 },
		{ .path = "x", .mode = S_IFREG, .hardlink = 0 },
	};
	_cleanup_world_ struct world w;

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tree_entry v[] = { root, bad[i] };
		const struct tree t = { .v = v, .n = 2 };
		_cleanup_close_ int dir = -1;
		char name[16];

		(void)snprintf(name, sizeof(name), "t%zu", i);
		CHECK(mkdirat(w.f.root, name, 0700) == 0);
		dir = openat(w.f.root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK_INT(tinyvol_fill_9p(&t, w.f.store, dir, &w.f.e), -EBADMSG);
		CHECK(strncmp(w.f.e.msg, "broken tree: ", 13) == 0);
	}
	CHECK_INT(count_entries(&w.f, "."), 1 + ARRAY_SIZE(bad));
}

static void names_that_qemu_needs_are_refused(void)
{
	static const char *const names[] = { META, META "_root", "a/" META };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_world_ struct world w;

		CHECK(world_open(&w) && add_file(&w, names[i], 0644, "x", 1) &&
		      world_store(&w));
		CHECK_INT(make(&w), -EINVAL);
		CHECK(strstr(w.f.e.msg, "QEMU's 9p server needs this name itself"));
		CHECK_INT(count_entries(&w.f, "rootfs"), 1);
	}
}

static void few_metadata_files_serve_many_names(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int dir = -1;
	char path[32];

	CHECK(world_open(&w));
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(path, sizeof(path), "d%d/%d", i % 7, i);
		CHECK(add_file(&w, path, i % 2 ? 0644 : 0600, "x", 1));
	}
	CHECK(world_store(&w));
	dir = make(&w);
	CHECK(fine(&w, dir) && same_metadata(&w, dir));
	CHECK_INT(count_names(
			  openat(dir, META "/" META, O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
		  3); /* two modes and the directories */
}

static void more_sets_of_attributes_than_are_pooled_work(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int dir = -1;
	char path[32];

	CHECK(world_open(&w));
	for (unsigned i = 0; i < 700; i++) {
		const struct tree_entry f = { .path = path,
					      .mode = S_IFREG | 0644,
					      .uid = i };

		(void)snprintf(path, sizeof(path), "%u", i);
		CHECK(add_entry(&w, &f));
	}
	CHECK(world_store(&w));
	dir = make(&w);
	CHECK(fine(&w, dir) && same_metadata(&w, dir));
}

/* ext4 allows 65,000 links. */
static void a12_running_out_of_links_is_no_failure(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int dir = -1;
	char path[32];

	CHECK(world_open(&w));
	for (int i = 0; i < 65100; i++) {
		(void)snprintf(path, sizeof(path), "d/%d", i);
		CHECK(add_file(&w, path, 0644, "x", 1));
	}
	CHECK(world_store(&w));
	dir = make(&w);
	CHECK(fine(&w, dir) && same_metadata(&w, dir));
	CHECK(store_is_sound(&w));
}

static bool is_shared(const struct tree_entry *f)
{
	unsigned bits = f->mode & 07555;

	return S_ISREG(f->mode) && f->size > 0 &&
	       (geteuid() != 0 || (f->uid == 0 && f->gid == 0 && f->n_xattrs == 0 &&
				   (bits == 0444 || bits == 0555)));
}

/* Makes the tree what a host can show of it. */
static void expect_shared_modes(struct tree *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (is_shared(&t->v[i]))
			t->v[i].mode = S_IFREG | (t->v[i].mode & 0111 ? 0555 : 0444);
}

static bool times_are_kept(const struct world *w, int dir)
{
	for (uint32_t i = 0; i < w->t->n; i++) {
		const struct tree_entry *f = &w->t->v[i];
		struct stat st;

		if (fstatat(dir, f->path[0] ? f->path : ".", &st, AT_SYMLINK_NOFOLLOW) <
		    0)
			return differs(f, strerror(errno));
		if (!is_shared(f) && st.st_mtim.tv_sec != f->mtime)
			return differs(f, "mtime");
	}
	return true;
}

static bool add_xattr_sample(struct world *w)
{
	static const struct tree_xattr x = { "user.color", "blue", 4 };
	struct tree_entry f = { .path = "coloured",
				.mode = S_IFREG | 0644,
				.size = 5,
				.mtime = 1500000000,
				.xattrs = &x,
				.n_xattrs = 1 };

	return fine(w, ingest_add(w->g, "volt\n", 5, OBJECT_PLAIN, &f.object, &w->f.e)) &&
	       add_entry(w, &f);
}

static void a_host_tree_made_by_root_has_what_the_image_has(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int dir = -1;

	CHECK(world_open(&w) && add_samples(&w) && add_xattr_sample(&w) &&
	      world_store(&w));
	dir = rootfs_tinyvol_host(w.f.root, w.f.store, &w.id, &w.f.e);
	CHECK(fine(&w, dir));
	CHECK(times_are_kept(&w, dir));
	CHECK(is_object(&w, dir, "bin/plain", ".x"));
	CHECK(!is_object(&w, dir, "bin/su", ".x"));
	expect_shared_modes(w.t);
	CHECK(same_tree(&w, dir, COMPARE_OWNER | COMPARE_XATTRS | COMPARE_SETID));
	CHECK(store_is_sound(&w));
}

static bool add_user_samples(struct world *w)
{
	const struct tree_entry link = { .path = "link",
					 .mode = S_IFLNK | 0777,
					 .target = "a/file" };
	const struct tree_entry shut = { .path = "shut", .mode = S_IFDIR };

	return add_file(w, "a/file", 0600, "1", 1) &&
	       add_file(w, "a/run", 0755, "2", 1) && add_file(w, "empty", 0640, "", 0) &&
	       add_entry(w, &link) && add_entry(w, &shut);
}

static bool user_can_make_one(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int dir = -1;

	if (!world_open(&w) || !add_user_samples(&w) || !world_store(&w))
		return false;
	dir = rootfs_tinyvol_host(w.f.root, w.f.store, &w.id, &w.f.e);
	if (!fine(&w, dir) || !is_object(&w, dir, "a/file", "") ||
	    !is_object(&w, dir, "a/run", ".x"))
		return false;
	expect_shared_modes(w.t);
	((struct tree_entry *)tree_find(w.t, "shut"))->mode |= 0700;
	if (!same_tree(&w, dir, 0))
		return false;
	closep(&dir);
	dir = -1;
	return fine(&w, rootfs_evict(w.f.root, &w.id, &w.f.e));
}

static void a_user_gets_a_host_tree_of_links(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		_exit(user_can_make_one() ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
}

int main(void)
{
	RUN(every_attribute_is_where_qemu_looks_for_it);
	RUN(a2_content_is_linked_and_modes_of_objects_stay);
	RUN(a11_what_is_no_file_is_a_file_to_the_host);
	RUN(a1_making_it_again_never_touches_the_store);
	RUN(a6_names_that_leave_the_tree_are_refused);
	RUN(names_that_qemu_needs_are_refused);
	RUN(few_metadata_files_serve_many_names);
	RUN(more_sets_of_attributes_than_are_pooled_work);
	RUN_IF(geteuid() == 0, "needs root",
	       a_host_tree_made_by_root_has_what_the_image_has);
	RUN(a_user_gets_a_host_tree_of_links);
	RUN(a12_running_out_of_links_is_no_failure);
	return tap_done();
}
