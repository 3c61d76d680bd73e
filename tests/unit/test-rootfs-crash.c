/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/wait.h>

#include "crash-driver.h"
#include "rootfs/rootfs.h"
#include "tree-compare.h"

/* Theory of operation
 *
 * rootfs-writer makes an image, a hard-link tree, a disk and an overlay. Here it runs once for each of
 * its calls that write, and dies, or fails, at that call (tests/lib/crash-preload.c). After
 * each: what has its name is what a whole run makes, and doing it again succeeds and leaves
 * no temporary name. */

static struct world w;
static char hex[DIGEST_HEX_SIZE];
static char *const writer[] = { (char *)ROOTFS_WRITER, w.f.path, hex, NULL };
static struct start {
	char *data;
	ssize_t n;
	off_t size;
} image, disk, overlay; /* as a whole run makes them */
static long tree_names;

static bool run(int at, const char *how, struct crash_outcome *ret)
{
	return crash_run(writer, w.f.path, at, how, ret);
}

static bool clear(void)
{
	(void)unlinkat(w.f.root, "disk", 0);
	(void)unlinkat(w.f.root, "disk.tmp", 0);
	(void)unlinkat(w.f.root, "overlay", 0);
	(void)unlinkat(w.f.root, "overlay.tmp", 0);
	return remove_tree_at(w.f.root, "rootfs") == 0;
}

static void end(void)
{
}

static const char *made(const char *suffix)
{
	static char name[128];

	(void)snprintf(name, sizeof(name), "rootfs/%s%s", hex, suffix);
	return name;
}

/* Of a disk the first part, where its superblock and group descriptors are. */
#define COMPARED ((size_t)1 << 20)

static ssize_t read_start(const char *name, char **ret, off_t *ret_size)
{
	_cleanup_close_ int fd = openat(w.f.root, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret = malloc(COMPARED);
	*ret_size = st.st_size;
	return *ret ? read_full(fd, *ret, COMPARED) : -ENOMEM;
}

/* Absent, or the same as a whole run makes. */
static bool is_same_file(const char *name, const struct start *want)
{
	_cleanup_free_ char *data = NULL;
	off_t size = 0;
	ssize_t n = read_start(name, &data, &size);

	return n == -ENOENT || (n == want->n && size == want->size &&
				memcmp(data, want->data, (size_t)n) == 0);
}

static bool is_same_tree(const char *name)
{
	int fd = openat(w.f.root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? errno == ENOENT : count_names(fd) == tree_names;
}

static bool is_sound(void)
{
	return is_same_file(made(".erofs"), &image) && is_same_tree(made(".tree")) &&
	       is_same_file("rootfs/scratch-67108864.ext4", &disk) &&
	       is_same_file("disk", &disk) && is_same_file("overlay", &overlay);
}

/* Image, tree, empty disk and lock; nothing temporary. */
static bool is_done(void)
{
	return is_sound() && count_entries(&w.f, "rootfs") == 4 &&
	       count_entries(&w.f, ".") == 4;
}

static const struct crash_test test = { clear, end, run, is_sound, is_done, &w.f.e };

/* Not to share blocks or to set room aside on this file system is no failure. */
static bool said_no_space(const struct crash_outcome *o)
{
	if (strstr(o->call, "FICLONE") || strstr(o->call, "unlinkat"))
		return WIFEXITED(o->status);
	return crash_was_no_space(o);
}

static bool prepare(void)
{
	static char big[200000];
	struct crash_outcome o;

	memset(big, 'b', sizeof(big));
	if (!world_open_in(&w, fixture_open_fast) ||
	    !add_file(&w, "a/big", 0755, big, sizeof(big)) ||
	    !add_file(&w, "a/small", 0644, "small", 5) ||
	    !add_file(&w, "b/empty", 0600, "", 0) || !world_store(&w))
		return false;
	(void)digest_hex(&w.id, hex);
	if (!run(CRASH_NEVER, "", &o) || o.status != 0)
		return false;
	tree_names = count_names(
		openat(w.f.root, made(".tree"), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	image.n = read_start(made(".erofs"), &image.data, &image.size);
	disk.n = read_start("disk", &disk.data, &disk.size);
	overlay.n = read_start("overlay", &overlay.data, &overlay.size);
	return image.n > 0 && disk.n > 0 && overlay.n > 0;
}

static void a_whole_run_makes_everything(void)
{
	CHECK(prepare());
	CHECK(image.size > 200000 && disk.size == 64 << 20 && tree_names > 5);
	CHECK(is_done());
}

static void a3_killed_before_any_call_it_is_sound(void)
{
	CHECK_INT(crash_try_all(&test, "kill", crash_was_killed), 1);
}

static void a3_killed_in_the_middle_of_any_call_it_is_sound(void)
{
	CHECK_INT(crash_try_all(&test, "torn", crash_was_killed), 1);
}

static void a13_a_full_disk_at_any_call_is_one_clear_error(void)
{
	CHECK_INT(crash_try_all(&test, "28", said_no_space), 1);
}

/* The hard-link tree is left out: it is synced as a whole file system. */
static void files_are_synced_before_they_get_their_names(void)
{
	char *const files[] = { writer[0], writer[1], writer[2], (char *)"files", NULL };

	CHECK(clear());
	CHECK(crash_watch(files, w.f.path, "rootfs"));
}

int main(void)
{
	RUN(a_whole_run_makes_everything);
	RUN(files_are_synced_before_they_get_their_names);
	RUN(a3_killed_before_any_call_it_is_sound);
	RUN(a3_killed_in_the_middle_of_any_call_it_is_sound);
	RUN(a13_a_full_disk_at_any_call_is_one_clear_error);
	free(image.data);
	free(disk.data);
	free(overlay.data);
	world_close(&w);
	return tap_done();
}
