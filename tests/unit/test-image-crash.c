/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <sys/wait.h>

#include "base/io.h"
#include "crash-driver.h"
#include "image/image.h"
#include "image/tree.h"
#include "store-lib.h"

/* Theory of operation
 *
 * image-writer does everything that writes for images. Here it runs once for each of its
 * calls that write, and dies, or fails, at that call (tests/lib/crash-preload.c). After
 * each: the store is sound, every name has its image with all its files, and doing it
 * again ends in the same state with nothing left over. */

static struct fixture f;
static char program[128];
static char *const writer[] = { (char *)IMAGE_WRITER, f.path, program, NULL };

/* The smallest thing that is an ELF program. */
static bool write_program(void)
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
	(void)snprintf(program, sizeof(program), "%s/program", f.path);
	return write_file_atomic(f.root, "program", bytes, sizeof(bytes), 0755) == 0;
}

static bool begin(void)
{
	return fixture_open_fast(&f) && write_program();
}

static void end(void)
{
	fixture_close(&f);
}

static bool run(int at, const char *how, struct crash_outcome *ret)
{
	return crash_run(writer, f.path, at, how, ret);
}

static void print_bad(void *data, const char *object, const char *why)
{
	(void)data;
	printf("# %s: %s\n", object, why);
}

/* A name that is there has its image, whole. */
static bool name_is_sound(struct images *is, const char *name)
{
	_cleanup_(image_freep) struct image *img = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;
	int r = image_find(is, name, &img, &f.e);

	if (r == -ENOENT) /* no such name; or one without its image, which is not sound */
		return strstr(f.e.msg, "is not here") != NULL;
	if (r < 0 || tree_load(f.store, &img->tree, &t, &f.e) < 0)
		return false;
	for (uint32_t i = 0; i < t->n; i++)
		if (S_ISREG(t->v[i].mode) &&
		    !store_has(f.store, &t->v[i].object, OBJECT_EXEC))
			return false;
	return true;
}

/* What must hold whatever has happened to writers before. Also clears staging. */
static bool is_sound(void)
{
	_cleanup_(images_closep) struct images *is = NULL;

	return store_verify(f.store, print_bad, NULL, &f.e) == 0 &&
	       images_open(f.root, f.store, &is, &f.e) == 0 &&
	       name_is_sound(is, "kept") && name_is_sound(is, "gone") &&
	       name_is_sound(is, "also") && count_entries(&f, "images/staging") <= 0;
}

/* One image with two names and its one layer, and nothing else. */
static bool is_done(void)
{
	_cleanup_(images_closep) struct images *is = NULL;
	struct image_removed gone = { 0 };
	int r = images_open(f.root, f.store, &is, &f.e);

	if (r == 0)
		r = image_prune(is, false, &gone, &f.e);
	image_removed_done(&gone);
	return r == 0 && count_entries(&f, "images/names") == 2 &&
	       count_entries(&f, "cas/refs/images") == 1 &&
	       count_entries(&f, "cas/refs/layers") == 1 &&
	       count_entries(&f, "cas/staging") == 0 &&
	       count_entries(&f, "cas/objects") == 7;
}

static const struct crash_test test = { begin, end, run, is_sound, is_done, &f.e };

/* Or nothing was lost by it: what is temporary could not be removed, blocks not shared. */
static bool said_no_space(const struct crash_outcome *o)
{
	return (o->status == 0 && is_sound() && is_done()) || crash_was_no_space(o);
}

static void killed_at_any_call_names_have_whole_images(void)
{
	CHECK_INT(crash_try_all(&test, "kill", crash_was_killed), 1);
}

static void full_disk_at_any_call_is_one_clear_error(void)
{
	CHECK_INT(crash_try_all(&test, "28", said_no_space), 1);
}

/* No name before its image's ref is on the disk, no ref before its objects. */
static void order_of_syncs_survives_a_loss_of_power(void)
{
	bool good =
		begin() && crash_watch(writer, f.path, "objects:refs:names") && is_done();

	end();
	CHECK(good);
}

int main(void)
{
	RUN(order_of_syncs_survives_a_loss_of_power);
	RUN(killed_at_any_call_names_have_whole_images);
	RUN(full_disk_at_any_call_is_one_clear_error);
	return tap_done();
}
