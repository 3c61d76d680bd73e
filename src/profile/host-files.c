/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * A profile gets its binaries, what those and their modules need by ELF, and the firmware of
 * the table. Nothing is run: what a binary is and which modules it knows stands in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "base/strv.h"
#include "image/elf-closure.h"
#include "profile/host.h"
#include "profile/machine.h"
#include "profile/manifest.h"

#define BINARY_MAX  ((size_t)512 << 20)
#define VERSION_MAX 32

struct finder {
	const char *root;
	enum profile_name name;
	const struct log *log;
	struct host_files *f;
	struct strv missing; /* packages of guests that are not installed */
};

/* --- one file --- */

/* 1: a file is at @path, and @ret names it. 0: there is none. */
static int at_root(const struct finder *s, const char *path, char **ret)
{
	_cleanup_free_ char *full = NULL;
	struct stat st;

	if (asprintf(&full, "%s%s", s->root, path) < 0) {
		full = NULL;
		return -ENOMEM;
	}
	if (stat(full, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	*ret = TAKE_PTR(full);
	return 1;
}

/* --- what ELF files need --- */

static int add_module(struct finder *s, const char *name, const char *arch_dir,
		      const struct profile_arch *guest, struct volt_error *e)
{
	_cleanup_closure_ struct elf_closure c = { 0 };
	_cleanup_free_ char *found = NULL;
	char path[PATH_MAX];
	int r;

	(void)snprintf(path, sizeof(path), "/usr/lib/%s/qemu/%s.so", arch_dir, name);
	r = at_root(s, path, &found);
	if (r < 0)
		return fail_oom(e);
	if (r == 0)
		return fail(
			e, ENOENT,
			"no '%s%s', which qemu-system-%s needs: install package '%s' again",
			s->root, path, guest->qemu, guest->package);
	r = elf_closure_read_library(found, s->root, &c, e);
	if (r == 0)
		r = host_files_add(s->f, "lib/qemu", path_base(path), found, e);
	return r == 0 ? host_files_add_libraries(s->f, &c, e) : r;
}

/* A binary has the names of the modules it was built with, each a string of its own. */
static bool has_string(const char *data, size_t size, const char *text)
{
	char bounded[128];
	size_t n = strlen(text) + 2;

	if (n > sizeof(bounded))
		return false;
	bounded[0] = '\0';
	memcpy(bounded + 1, text, n - 1);
	return memmem(data, size, bounded, n) != NULL;
}

/* "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)". */
static int read_version(struct host_files *f, const char *data, size_t size)
{
	static const char before[] = "QEMU emulator version ";
	const char *at = memmem(data, size, before, sizeof(before) - 1);
	size_t n = 0, left;

	if (!at || f->version)
		return 0;
	at += sizeof(before) - 1;
	left = size - (size_t)(at - data);
	while (n < left && n < VERSION_MAX && at[n] && strchr("0123456789.", at[n]))
		n++;
	if (n == 0)
		return 0;
	f->version = strndup(at, n);
	return f->version ? 0 : -ENOMEM;
}

static int add_modules(struct finder *s, const struct elf_closure *c,
		       const struct profile_arch *guest, struct volt_error *e)
{
	_cleanup_free_ char *data = NULL;
	const char *module;
	size_t size;
	int r = read_file_at(AT_FDCWD, c->v[0].host, BINARY_MAX, &data, &size);

	if (r < 0)
		return fail_code(e, r, "read '%s'", c->v[0].host);
	if (read_version(s->f, data, size) < 0)
		return fail_oom(e);
	for (size_t i = 0; r == 0 && (module = host_module(s->name, i)); i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "%s%s", module,
			       module[strlen(module) - 1] == '-' ? guest->qemu : "");
		if (has_string(data, size, name))
			r = add_module(s, name, elf_multiarch(&c->v[0].file), guest, e);
	}
	return r;
}

/* --- a guest --- */

static int note_missing(struct finder *s, const struct profile_arch *guest)
{
	strv_foreach(package, s->missing.v)
		if (strcmp(*package, guest->package) == 0)
			return 0;
	return strv_add(&s->missing, guest->package);
}

static int add_guest(struct finder *s, const struct profile_arch *guest,
		     struct volt_error *e)
{
	_cleanup_closure_ struct elf_closure c = { 0 };
	_cleanup_free_ char *found = NULL;
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/usr/bin/qemu-system-%s", guest->qemu);
	r = at_root(s, path, &found);
	if (r == 0)
		r = note_missing(s, guest);
	if (r < 0)
		return fail_oom(e);
	if (!found)
		return 0;
	r = elf_closure_read(found, "/qemu", s->root, &c, e);
	if (r == 0)
		r = host_files_add(s->f, "bin", path_base(path), found, e);
	if (r == 0)
		r = host_files_add_libraries(s->f, &c, e);
	if (r == 0)
		r = add_modules(s, &c, guest, e);
	if (r < 0)
		return fail_in(e, r, "take '%s'", found);
	return strv_add(&s->f->guests, guest->qemu) < 0 ? fail_oom(e) : 0;
}

static int no_guest(const struct finder *s, struct volt_error *e)
{
	char packages[256] = "";
	size_t at = 0;

	for (size_t i = 0; i < s->missing.n && at < sizeof(packages); i++)
		at += (size_t)snprintf(packages + at, sizeof(packages) - at, "%s'%s'",
				       i > 0 ? ", " : "", s->missing.v[i]);
	return fail(e, ENOENT,
		    "no QEMU for profile '%s' in '%s/usr/bin': install package %s",
		    profile_name_text(s->name), s->root, packages);
}

static int add_guests(struct finder *s, struct volt_error *e)
{
	const struct profile_arch *guest;
	int r;

	for (size_t i = 0; (guest = host_guest(s->name, i)); i++) {
		size_t n = s->f->guests.n;

		r = add_guest(s, guest, e);
		if (r < 0)
			return r;
		if (s->f->guests.n == n)
			log_line(s->log, LOG_WARNING,
				 "profile '%s' cannot run guests of '%s': package '%s' "
				 "is not installed",
				 profile_name_text(s->name), guest->name, guest->package);
	}
	return s->f->guests.n > 0 ? 0 : no_guest(s, e);
}

/* --- firmware --- */

static bool has_guest(const struct finder *s, const char *guest)
{
	strv_foreach(there, s->f->guests.v)
		if (!guest || strcmp(*there, guest) == 0)
			return true;
	return false;
}

/* 1: here it is, 0: it is missing. */
static int find_firmware(const struct finder *s, const char *name, char **ret)
{
	const struct host_place *place = host_place_find(name);
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(place->paths) && place->paths[i] && r == 0; i++)
		r = at_root(s, place->paths[i], ret);
	return r;
}

static int add_firmware(struct finder *s, const char *name, struct volt_error *e)
{
	const struct host_place *place = host_place_find(name);
	_cleanup_free_ char *found = NULL;
	int r;

	if (!place)
		return fail(e, ENOTSUP, "it is not known where a host has firmware '%s'",
			    name);
	r = find_firmware(s, name, &found);
	if (r < 0)
		return fail_oom(e);
	if (r == 0)
		return fail(e, ENOENT,
			    "no '%s%s', which profile '%s' needs: install package '%s'",
			    s->root, place->paths[0], profile_name_text(s->name),
			    place->package);
	return host_files_add(s->f, "firmware", name, found, e);
}

/* For the machines that start a kernel which is given to QEMU. */
static int add_machines(struct finder *s, struct volt_error *e)
{
	int r = 0;

	for (size_t i = 0; i < machine_rows_n && host_boots_kernels(s->name); i++) {
		const struct machine_row *row = &machine_rows[i];
		const struct profile_arch *arch = profile_arch_find(row->arch);

		if (!arch || !has_guest(s, arch->qemu))
			continue;
		for (size_t k = 0;
		     k < ARRAY_SIZE(row->firmware) && row->firmware[k] && r == 0; k++)
			r = add_firmware(s, row->firmware[k], e);
		if (r < 0)
			return r;
		if (row->kind == MACHINE_MICROVM)
			s->f->capabilities |= PROFILE_CAN_MICROVM;
	}
	return 0;
}

static bool is_wanted(const struct finder *s, const struct host_extra *row)
{
	return (row->profiles & (1u << s->name)) && has_guest(s, row->guest);
}

/* Without one of its files an ability is none, and the others are not wanted. */
static int find_abilities(struct finder *s, struct volt_error *e)
{
	unsigned int given = 0, lacking = 0;
	const struct host_extra *row;

	for (size_t i = 0; (row = host_extra_row(i)); i++) {
		_cleanup_free_ char *found = NULL;

		if (!is_wanted(s, row))
			continue;
		given |= row->gives;
		if (!(row->optional & (1u << s->name)))
			continue;
		if (find_firmware(s, row->name, &found) < 0)
			return fail_oom(e);
		if (!found && !(row->gives & lacking))
			log_line(s->log, LOG_WARNING,
				 "profile '%s' is made without ability '%s': package "
				 "'%s' is not installed",
				 profile_name_text(s->name),
				 profile_capability_text(row->gives),
				 host_place_find(row->name)->package);
		if (!found)
			lacking |= row->gives;
	}
	s->f->capabilities |= given & ~lacking;
	return 0;
}

static int add_extras(struct finder *s, struct volt_error *e)
{
	const struct host_extra *row;
	int r = find_abilities(s, e);

	for (size_t i = 0; r == 0 && (row = host_extra_row(i)); i++)
		if (is_wanted(s, row) && !(row->gives & ~s->f->capabilities))
			r = add_firmware(s, row->name, e);
	if (r == 0 && s->name == PROFILE_KVM_UEFI &&
	    !(s->f->capabilities & PROFILE_CAN_UEFI))
		return fail(e, ENOTSUP,
			    "profile '%s': UEFI firmware for guests of '%s' is not known",
			    profile_name_text(s->name), s->f->guests.v[0]);
	return r;
}

/* --- all of it --- */

static int by_path(const void *a, const void *b)
{
	const struct host_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void find_done(struct finder *s)
{
	strv_done(&s->missing);
}

int host_files_find(const char *root, enum profile_name name, const struct log *log,
		    struct host_files *ret, struct volt_error *e)
{
	_cleanup_host_files_ struct host_files f = { .capabilities =
							     host_capabilities(name) };
	_cleanup_(find_done) struct finder s = { root, name, log, &f, { 0 } };
	int r = add_guests(&s, e);

	if (r == 0)
		r = add_machines(&s, e);
	if (r == 0)
		r = add_extras(&s, e);
	if (r < 0)
		return r;
	qsort(f.v, f.n, sizeof(*f.v), by_path);
	*ret = f;
	f = (struct host_files){ 0 };
	return 0;
}
