/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/wait.h>

#include "rootfs-lib.h"
#include "rootfs/volume.h"

#define MIB (1ull << 20)

static bool make(struct world *w, const char *name, uint64_t size, struct volume *ret)
{
	const struct volume_wish wish = { .name = name, .size = size };

	return fine(w, volume_create(w->f.root, &wish, ret, &w->f.e));
}

/* What volume_create() says to @name and @size. */
static int refused(struct world *w, const char *name, uint64_t size)
{
	const struct volume_wish wish = { .name = name, .size = size };
	_cleanup_(volume_done) struct volume v = { 0 };

	return volume_create(w->f.root, &wish, &v, &w->f.e);
}

static bool says(const struct world *w, const char *text)
{
	if (strstr(w->f.e.msg, text))
		return true;
	printf("# \"%s\" does not say \"%s\"\n", w->f.e.msg, text);
	return false;
}

static bool put_json(struct world *w, const char *name, const char *text)
{
	char path[256];
	_cleanup_close_ int fd = -1;

	(void)snprintf(path, sizeof(path), "volumes/%s/volume.json", name);
	fd = openat(w->f.root, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	return fd >= 0 && write_all(fd, text, strlen(text)) == 0;
}

static void a_volume_is_a_sparse_file_system_with_its_name_as_label(void)
{
	_cleanup_(volume_done) struct volume v = { 0 }, again = { 0 };
	_cleanup_world_ struct world w;
	_cleanup_close_ int fd = -1;
	uint8_t sector[512];
	struct stat st;

	CHECK(world_open(&w) && make(&w, "data", 0, &v));
	CHECK_INT(v.size, VOLUME_SIZE_DEFAULT);
	fd = openat(w.f.root, "volumes/data/disk.img", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &st) == 0);
	CHECK_INT(st.st_size, VOLUME_SIZE_DEFAULT);
	CHECK(st.st_blocks * 512 < (off_t)MIB);
	CHECK_INT(st.st_mode, S_IFREG | 0600);
	CHECK_INT(pread(fd, sector, sizeof(sector), 0), sizeof(sector));
	CHECK(memcmp(sector, "NVMTFS\x05", 7) == 0);
	CHECK(memmem(sector, sizeof(sector), v.uuid, 16));
	CHECK(memmem(sector, sizeof(sector), "data", 5));
	/* else Nanos takes it for a disk to boot from */
	CHECK(sector[510] != 0x55 || sector[511] != 0xaa);
	CHECK(fine(&w, volume_read(w.f.root, "data", &again, &w.f.e)));
	CHECK(memcmp(again.uuid, v.uuid, 16) == 0);
	CHECK_INT(again.created_at, v.created_at);
}

static void two_volumes_have_different_uuids(void)
{
	_cleanup_(volume_done) struct volume a = { 0 }, b = { 0 };
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && make(&w, NULL, 0, &a) && make(&w, NULL, 0, &b));
	CHECK(memcmp(a.uuid, b.uuid, 16) != 0);
	CHECK(strcmp(a.name, b.name) != 0);
	CHECK(strlen(a.name) > 0);
}

static void names_that_are_no_labels_are_refused(void)
{
	static const char *const bad[] = { "",        ".",   "..",   "a/b",     "-a",
					   ".hidden", "a b", "a\nb", "\xc3\xa4" };
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_world_ struct world w;

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(refused(&w, bad[i], 0), -EINVAL);
		CHECK(says(&w, "volume name '"));
	}
	CHECK_INT(refused(&w, "a23456789012345678901234567890xy", 0), -EINVAL);
	CHECK(says(&w, "has 32 bytes: it is the label of the volume's file system, which "
		       "holds 31"));
	CHECK(make(&w, "a23456789012345678901234567890x", 0, &v));
}

static void sizes_that_cannot_be_are_refused(void)
{
	static const uint64_t bad[] = { 1,
					MIB,
					VOLUME_SIZE_MIN - MIB,
					VOLUME_SIZE_MIN + 512,
					VOLUME_SIZE_MAX + MIB,
					UINT64_MAX };
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_world_ struct world w;

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(refused(&w, "v", bad[i]), -EINVAL);
		CHECK(says(&w, "between 4 MiB and 8 TiB, in whole MiB"));
	}
	CHECK(make(&w, "v", VOLUME_SIZE_MIN, &v));
}

static void a_name_that_is_taken_is_refused_and_stays_what_it_is(void)
{
	_cleanup_(volume_done) struct volume v = { 0 }, again = { 0 };
	_cleanup_world_ struct world w;

	CHECK(world_open(&w) && make(&w, "v", 8 * MIB, &v));
	CHECK_INT(refused(&w, "v", 0), -EEXIST);
	CHECK_STR(w.f.e.msg, "volume 'v' exists already");
	CHECK(fine(&w, volume_read(w.f.root, "v", &again, &w.f.e)));
	CHECK_INT(again.size, 8 * MIB);
	CHECK(memcmp(again.uuid, v.uuid, 16) == 0);
}

/* One of several at once; the exit status says whether it was the one that made it. */
static pid_t make_in_child(struct world *w)
{
	pid_t pid = fork();
	int r;

	if (pid != 0)
		return pid;
	r = refused(w, "v", 0);
	_exit(r == 0 ? 0 : r == -EEXIST ? 1 : 2);
}

static void of_several_that_make_one_name_one_does(void)
{
	_cleanup_world_ struct world w;
	int made = 0, status;
	pid_t pids[8];

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = make_in_child(&w);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		CHECK(waitpid(pids[i], &status, 0) == pids[i] && WIFEXITED(status));
		CHECK(WEXITSTATUS(status) < 2);
		made += WEXITSTATUS(status) == 0;
	}
	CHECK_INT(made, 1);
}

static int take(struct world *w, bool read_only, int *fd)
{
	_cleanup_(volume_done) struct volume v = { 0 };

	return volume_take(w->f.root, "v", read_only, &v, fd, &w->f.e);
}

static void one_writes_or_several_read(void)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_close_ int a = -1, b = -1;
	_cleanup_world_ struct world w;
	int writer = -1, none = -1;

	CHECK(world_open(&w) && make(&w, "v", 0, &v));
	CHECK(fine(&w, take(&w, false, &writer)));
	CHECK_INT(take(&w, false, &none), -EBUSY);
	CHECK_STR(w.f.e.msg, "volume 'v' is in use by another machine");
	CHECK_INT(take(&w, true, &none), -EBUSY);
	CHECK_STR(w.f.e.msg,
		  "volume 'v' is in use by another machine, which writes to it");
	CHECK(close(writer) == 0);
	CHECK(fine(&w, take(&w, true, &a)));
	CHECK(fine(&w, take(&w, true, &b)));
	CHECK_INT(take(&w, false, &none), -EBUSY);
	CHECK_INT(none, -1);
}

/* The machine's supervisor has it, QEMU a copy. */
static void a_lock_lasts_as_long_as_any_copy_of_the_descriptor(void)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_close_ int copy = -1;
	_cleanup_world_ struct world w;
	int writer = -1, none = -1;

	CHECK(world_open(&w) && make(&w, "v", 0, &v));
	CHECK(fine(&w, take(&w, false, &writer)));
	copy = fcntl(writer, F_DUPFD_CLOEXEC, 3);
	CHECK(copy >= 0 && close(writer) == 0);
	CHECK_INT(take(&w, false, &none), -EBUSY);
	CHECK_INT(volume_remove(w.f.root, "v", &w.f.e), -EBUSY);
	CHECK_STR(w.f.e.msg, "volume 'v' is in use by a machine that runs");
	CHECK(close(TAKE_FD(copy)) == 0);
	CHECK(fine(&w, volume_remove(w.f.root, "v", &w.f.e)));
	CHECK_INT(take(&w, true, &none), -ENOENT);
	CHECK_STR(w.f.e.msg, "no volume 'v'");
}

static void what_crashes_left_is_swept_and_never_listed(void)
{
	_cleanup_(volume_list_done) struct volume_list l = { 0 };
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_world_ struct world w;
	_cleanup_close_ int dir = -1;

	CHECK(world_open(&w));
	dir = mkdir_beneath(w.f.root, "volumes/.tmp-0123456789abcdef/x", 0700);
	CHECK(dir >= 0);
	CHECK(fine(&w, volume_list(w.f.root, NULL, &l, &w.f.e)));
	CHECK_INT(l.n, 0);
	CHECK(make(&w, "v", 0, &v));
	CHECK(faccessat(w.f.root, "volumes/.tmp-0123456789abcdef", F_OK, 0) < 0);
}

static void what_volume_json_should_not_say_is_refused(void)
{
#define REST "\"size\":4194304,\"labels\":{},\"created_at\":\"2026-01-01T00:00:00Z\""
#define UUID "\"uuid\":\"00000000-0000-4000-8000-000000000000\","
#define HEAD "{\"version\":1,\"name\":\"v\","
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "volume 'v': " },
		{ "[]", "not a JSON object" },
		{ "{}", "a volume of 0 bytes" },
		{ HEAD UUID "\"more\":1," REST "}", "more" },
		{ "{\"version\":2,\"name\":\"v\"," UUID REST "}", "'version'" },
		{ "{\"name\":\"v\"," UUID REST "}", "'version'" },
		{ "{\"version\":1,\"name\":\"../x\"," UUID REST "}", "'name' is '../x'" },
		{ HEAD REST "}", "'uuid' '' is none" },
		{ HEAD "\"uuid\":\"zz\"," REST "}", "'uuid' 'zz' is none" },
		{ HEAD "\"uuid\":\"00000000-0000-4000-8000-00000000000G\"," REST "}",
		  "is none" },
		{ HEAD "\"uuid\":\"0000000000004000-8000-000000000000----\"," REST "}",
		  "is none" },
		{ HEAD UUID "\"size\":-1,\"labels\":{}}", "'size'" },
		{ HEAD UUID "\"size\":1,\"labels\":{}}", "a volume of 1 bytes" },
		{ HEAD UUID "\"size\":4194304,\"labels\":{\"a\":1},\"created_at\":"
			    "\"2026-01-01T00:00:00Z\"}",
		  "label 'a'" },
		{ HEAD UUID "\"size\":4194304,\"created_at\":\"soon\"}", "'created_at'" },
	};
	_cleanup_(volume_list_done) struct volume_list l = { 0 };
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_world_ struct world w;
	int fd = -1;

	CHECK(world_open(&w) && make(&w, "v", VOLUME_SIZE_MIN, &v));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct volume none = { 0 };

		CHECK(put_json(&w, "v", bad[i].text));
		CHECK(volume_read(w.f.root, "v", &none, &w.f.e) < 0);
		CHECK(says(&w, bad[i].why) && says(&w, "volume 'v': "));
		CHECK(take(&w, true, &fd) < 0);
	}
	CHECK(fine(&w, volume_list(w.f.root, NULL, &l, &w.f.e)));
	CHECK_INT(l.n, 0);
	/* It can be got rid of all the same. */
	CHECK(fine(&w, volume_remove(w.f.root, "v", &w.f.e)));
}

static void a_disk_that_is_not_the_volume_s_is_not_opened(void)
{
	_cleanup_(volume_done) struct volume v = { 0 };
	_cleanup_world_ struct world w;
	int fd = -1;

	CHECK(world_open(&w) && make(&w, "v", 0, &v));
	CHECK(truncate(world_path(&w, "volumes/v/disk.img"), 512) == 0);
	CHECK_INT(take(&w, false, &fd), -EBADMSG);
	CHECK(says(&w, "is not a file of 1073741824 bytes"));
	CHECK(unlink(world_path(&w, "volumes/v/disk.img")) == 0);
	CHECK(symlink("/etc/passwd", world_path(&w, "volumes/v/disk.img")) == 0);
	CHECK_INT(take(&w, true, &fd), -ELOOP);
	CHECK(unlink(world_path(&w, "volumes/v/disk.img")) == 0);
	CHECK(mkfifo(world_path(&w, "volumes/v/disk.img"), 0600) == 0);
	CHECK_INT(take(&w, true, &fd), -EBADMSG);
	CHECK_INT(fd, -1);
}

static void volumes_are_listed_by_name(void)
{
	static const char *const names[] = { "b", "lock", "a", "c" };
	_cleanup_(volume_list_done) struct volume_list l = { 0 };
	_cleanup_world_ struct world w;

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_(volume_done) struct volume v = { 0 };

		CHECK(make(&w, names[i], 0, &v));
	}
	CHECK(fine(&w, volume_list(w.f.root, NULL, &l, &w.f.e)));
	CHECK_INT(l.n, 4);
	CHECK_STR(l.v[0].name, "a");
	CHECK_STR(l.v[1].name, "b");
	CHECK_STR(l.v[3].name, "lock");
}

static void a_uuid_has_one_form(void)
{
	uint8_t uuid[16];
	char text[UUID_TEXT_SIZE];

	CHECK(uuid_parse("00112233-4455-6677-8899-aabbccddeeff", uuid) == 0);
	CHECK_INT(uuid[15], 0xff);
	CHECK_STR(uuid_text(uuid, text), "00112233-4455-6677-8899-aabbccddeeff");
	CHECK_INT(uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", uuid), -EINVAL);
	CHECK_INT(uuid_parse("00112233-4455-6677-8899-aabbccddeef", uuid), -EINVAL);
	CHECK_INT(uuid_parse("0 112233-4455-6677-8899-aabbccddeeff", uuid), -EINVAL);
	CHECK(uuid_random(uuid) == 0);
	CHECK_INT(uuid[6] >> 4, 4);
	CHECK_INT(uuid[8] >> 6, 2);
}

int main(void)
{
	RUN(a_volume_is_a_sparse_file_system_with_its_name_as_label);
	RUN(two_volumes_have_different_uuids);
	RUN(names_that_are_no_labels_are_refused);
	RUN(sizes_that_cannot_be_are_refused);
	RUN(a_name_that_is_taken_is_refused_and_stays_what_it_is);
	RUN(of_several_that_make_one_name_one_does);
	RUN(one_writes_or_several_read);
	RUN(a_lock_lasts_as_long_as_any_copy_of_the_descriptor);
	RUN(what_crashes_left_is_swept_and_never_listed);
	RUN(what_volume_json_should_not_say_is_refused);
	RUN(a_disk_that_is_not_the_volume_s_is_not_opened);
	RUN(volumes_are_listed_by_name);
	RUN(a_uuid_has_one_form);
	return tap_done();
}
