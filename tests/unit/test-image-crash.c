/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/strv.h"
#include "image/image.h"
#include "image/tree.h"
#include "store-lib.h"

/* Theory of operation
 *
 * image-writer does everything that writes for images. Here it runs once for each of its
 * calls that write, and dies, or fails, at that call (tests/lib/crash-preload.c). After
 * each: the store is sound, every name has its image with all its files, and doing it
 * again ends in the same state with nothing left over. */

#define LAST_CALL 2000 /* more than the writer makes */

struct outcome {
	int status;    /* of waitpid() */
	char err[600]; /* its stderr */
	char call[64]; /* "17 renameat2" */
};

/* The smallest thing that is an ELF program. */
static bool write_program(const struct fixture *f)
{
	Elf64_Ehdr h = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	Elf64_Phdr p = { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_align = 4096 };
	char bytes[sizeof(h) + sizeof(p)];

	memcpy(bytes, &h, sizeof(h));
	memcpy(bytes + sizeof(h), &p, sizeof(p));
	return write_file_atomic(f->root, "program", bytes, sizeof(bytes), 0755) == 0;
}

static void set_crash(const struct fixture *f, int n, const char *how)
{
	char at[16], log[128];

	(void)snprintf(at, sizeof(at), "%d", n);
	(void)snprintf(log, sizeof(log), "%s/call", f->path);
	(void)setenv("LD_PRELOAD", CRASH_PRELOAD, 1);
	(void)setenv("VOLT_CRASH_AT", at, 1);
	(void)setenv("VOLT_CRASH_HOW", how, 1);
	(void)setenv("VOLT_CRASH_LOG", log, 1);
	if (n == 0)
		(void)setenv("VOLT_CRASH_PUBLISHED", "objects:refs:names", 1);
}

static void read_text(int dirfd, const char *name, char *text, size_t size)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	(void)close(fd);
}

/* Runs the writer; at call @n it does @how. 0: no call, but the order of syncs is watched;
 * negative: without the preload library. */
static bool run_writer(const struct fixture *f, int n, const char *how, struct outcome *o)
{
	int err = openat(f->root, "err", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	posix_spawn_file_actions_t actions;
	char program[128];
	char *argv[] = { (char *)IMAGE_WRITER, (char *)f->path, program, NULL };
	pid_t pid = -1;

	(void)snprintf(program, sizeof(program), "%s/program", f->path);
	if (n >= 0)
		set_crash(f, n, how);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	if (posix_spawn(&pid, IMAGE_WRITER, &actions, NULL, argv, environ) != 0)
		pid = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)unsetenv("LD_PRELOAD");
	(void)unsetenv("VOLT_CRASH_PUBLISHED");
	(void)close(err);
	if (pid < 0 || waitpid(pid, &o->status, 0) != pid)
		return false;
	read_text(f->root, "err", o->err, sizeof(o->err));
	read_text(f->root, "call", o->call, sizeof(o->call));
	(void)unlinkat(f->root, "call", 0);
	return true;
}

static void print_bad(void *data, const char *object, const char *why)
{
	(void)data;
	printf("# %s: %s\n", object, why);
}

/* A name that is there has its image, whole. */
static bool name_is_sound(struct fixture *f, struct images *is, const char *name)
{
	_cleanup_(image_freep) struct image *img = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;
	int r = image_find(is, name, &img, &f->e);

	if (r == -ENOENT) /* no such name; or one without its image, which is not sound */
		return strstr(f->e.msg, "is not here") != NULL;
	if (r < 0 || tree_load(f->store, &img->tree, &t, &f->e) < 0)
		return false;
	for (uint32_t i = 0; i < t->n; i++)
		if (S_ISREG(t->v[i].mode) &&
		    !store_has(f->store, &t->v[i].object, OBJECT_EXEC))
			return false;
	return true;
}

/* What must hold whatever has happened to writers before. Also clears staging. */
static bool is_sound(struct fixture *f)
{
	_cleanup_(images_closep) struct images *is = NULL;

	return store_verify(f->store, print_bad, NULL, &f->e) == 0 &&
	       images_open(f->root, f->store, &is, &f->e) == 0 &&
	       name_is_sound(f, is, "kept") && name_is_sound(f, is, "gone") &&
	       name_is_sound(f, is, "also") && count_entries(f, "images/staging") <= 0;
}

/* One image with two names and its one layer, and nothing else. */
static bool is_done(struct fixture *f)
{
	_cleanup_(images_closep) struct images *is = NULL;
	struct image_removed gone = { 0 };
	int r = images_open(f->root, f->store, &is, &f->e);

	if (r == 0)
		r = image_prune(is, false, &gone, &f->e);
	image_removed_done(&gone);
	return r == 0 && count_entries(f, "images/names") == 2 &&
	       count_entries(f, "cas/refs/images") == 1 &&
	       count_entries(f, "cas/refs/layers") == 1 &&
	       count_entries(f, "cas/staging") == 0 &&
	       count_entries(f, "cas/objects") == 7;
}

/* 1: it has gone through without reaching call @n. */
static int try_call(int n, const char *how, bool (*expected)(const struct outcome *o))
{
	_cleanup_fixture_ struct fixture f;
	struct outcome o;

	if (!fixture_open_fast(&f) || !write_program(&f) || !run_writer(&f, n, how, &o))
		return -1;
	if (!o.call[0]) { /* there is no such call */
		if (o.status != 0 || !is_done(&f))
			printf("# at the end: status %x, '%s', '%s'\n", o.status, o.err,
			       f.e.msg);
		return o.status == 0 && is_done(&f) ? 1 : -1;
	}
	if (!expected(&o) || !is_sound(&f) || (o.status == 0 && !is_done(&f))) {
		printf("# at call %s: status %x, '%s', '%s'\n", o.call, o.status, o.err,
		       f.e.msg);
		return -1;
	}
	if (!run_writer(&f, -1, "", &o) || o.status != 0 || !is_sound(&f) ||
	    !is_done(&f)) {
		printf("# again after call %s: status %x, '%s', '%s'\n", o.call, o.status,
		       o.err, f.e.msg);
		return -1;
	}
	return 0;
}

static int try_all(const char *how, bool (*expected)(const struct outcome *o))
{
	int n, r = 0;

	for (n = 1; n < LAST_CALL && r == 0; n++)
		r = try_call(n, how, expected);
	printf("# %d calls\n", n - 2);
	return r;
}

static bool was_killed(const struct outcome *o)
{
	return WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGKILL;
}

/* Or nothing was lost by it (what is temporary could not be removed, blocks not shared):
 * then try_call() finds everything done. */
static bool said_no_space(const struct outcome *o)
{
	if (!WIFEXITED(o->status))
		return false;
	return WEXITSTATUS(o->status) == 0 ||
	       (WEXITSTATUS(o->status) == 1 && strstr(o->err, "No space left on device"));
}

static void killed_at_any_call_names_have_whole_images(void)
{
	CHECK_INT(try_all("kill", was_killed), 1);
}

static void full_disk_at_any_call_is_one_clear_error(void)
{
	CHECK_INT(try_all("28", said_no_space), 1);
}

/* No name before its image's ref is on the disk, no ref before its objects. */
static void order_of_syncs_survives_a_loss_of_power(void)
{
	_cleanup_fixture_ struct fixture f;
	struct outcome o;

	CHECK(fixture_open_fast(&f));
	CHECK(write_program(&f));
	CHECK(run_writer(&f, 0, "kill", &o));
	if (o.status != 0)
		printf("# %s\n", o.err);
	CHECK_INT(o.status, 0);
	CHECK(is_done(&f));
}

int main(void)
{
	RUN(order_of_syncs_survives_a_loss_of_power);
	RUN(killed_at_any_call_names_have_whole_images);
	RUN(full_disk_at_any_call_is_one_clear_error);
	return tap_done();
}
