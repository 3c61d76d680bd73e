/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Everything happens in a work directory below qemu/, which is gone when it is done or has
 * failed, and is swept by the next build if this process was killed. Only when a QEMU has
 * been compiled and has started once do files go into the store, and then all of them by
 * the same way as those of any other profile.
 *
 * The program is linked dynamically. A static one would start 2 ms sooner, but Debian has no
 * static libslirp, and libraries are objects that all profiles of a host share.
 *
 * Two builds of one source by one compiler are the same bytes: configure is called by a
 * relative path, and nothing else of the work directory's name gets into a program.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "base/spawn.h"
#include "image/elf-closure.h"
#include "profile/host.h"
#include "profile/source-internal.h"
#include "profile/tree.h"

#define VERSION_MAX 32

/* A program: stripped, with its libraries */

static int strip(const struct source_build *b, const char *name, struct volt_error *e)
{
	char from[128], to[128];
	const char *const argv[] = { "strip", "-s", "-o", to, from, NULL };
	struct spawn s = SPAWN_INIT;
	int r;

	(void)snprintf(from, sizeof(from), "object/%s", name);
	(void)snprintf(to, sizeof(to), "result/bin/%s", name);
	s.argv = argv;
	s.cwd = b->work.fd;
	r = spawn_run(&s, 0, NULL, e);
	return r < 0 ? fail_in(e, r, "take what was compiled") : 0;
}

/* "QEMU emulator version 10.0.2 (…)", said by the program itself: so it starts. */
static int read_version(const char *program, struct host_files *p, struct volt_error *e)
{
	const char *const argv[] = { program, "--version", NULL };
	_cleanup_free_ char *out = NULL;
	struct spawn s = SPAWN_INIT;
	char version[VERSION_MAX];
	int r;

	s.argv = argv;
	r = spawn_run(&s, 4096, &out, e);
	if (r < 0)
		return fail_in(e, r, "start what was compiled");
	if (sscanf(out, "QEMU emulator version %31[0-9.]", version) != 1)
		return fail(e, EBADMSG, "what was compiled is no QEMU: it says '%.60s'",
			    out);
	if (!p->version)
		p->version = strdup(version);
	return p->version ? 0 : fail_oom(e);
}

static int add_program(const struct source_build *b, const struct profile_arch *arch,
		       struct host_files *p, struct volt_error *e)
{
	_cleanup_closure_ struct elf_closure c = { 0 };
	_cleanup_free_ char *path = NULL;
	char name[64];
	int r;

	(void)snprintf(name, sizeof(name), "qemu-system-%s", arch->qemu);
	if (asprintf(&path, "%s/result/bin/%s", b->work.path, name) < 0) {
		path = NULL;
		return fail_oom(e);
	}
	if ((r = strip(b, name, e)) < 0 || (r = read_version(path, p, e)) < 0 ||
	    (r = elf_closure_read(path, "/qemu", "", &c, e)) < 0 ||
	    (r = host_files_add(p, "bin", name, NULL, e)) < 0)
		return r;
	if (strv_add(&p->guests, arch->qemu) < 0)
		return fail_oom(e);
	return host_files_add_libraries(p, &c, e);
}

/* Firmware is the host's: Debian's sources leave it out, and what it holds is for guests of
 * any QEMU. */
static int add_firmware(const struct source_build *b, const char *name,
			struct host_files *p, struct volt_error *e)
{
	const struct host_place *place = host_place_find(name);

	if (!place)
		return fail(e, ENOTSUP, "it is not known where a host has firmware '%s'",
			    name);
	for (size_t i = 0; i < ARRAY_SIZE(place->paths) && place->paths[i]; i++)
		if (access(place->paths[i], R_OK) == 0)
			return host_files_add(p, "firmware", name, place->paths[i], e);
	return fail(e, ENOENT, "no '%s', which profile '%s' needs: install package '%s'",
		    place->paths[0], b->name, place->package);
}

static int check_firmware(const struct source_build *b, struct volt_error *e)
{
	_cleanup_host_files_ struct host_files none = { 0 };
	int r = 0;

	strv_foreach(name, b->recipe.firmware.v)
		r = r ?: add_firmware(b, *name, &none, e);
	return r;
}

/* What it can */

static unsigned int capabilities(const struct recipe *r)
{
	static const struct {
		const char *feature, *device, *firmware;
		unsigned int gives;
	} rows[] = {
		{ "kvm", NULL, NULL, PROFILE_CAN_KVM },
		{ "tcg", NULL, NULL, PROFILE_CAN_TCG },
		{ "tpm", NULL, NULL, PROFILE_CAN_TPM },
		{ "vnc", NULL, NULL, PROFILE_CAN_VNC },
		{ NULL, "MICROVM", NULL, PROFILE_CAN_MICROVM },
		{ NULL, "VHOST_USER_FS", NULL, PROFILE_CAN_VIRTIOFS },
		{ NULL, NULL, "OVMF_CODE.fd", PROFILE_CAN_UEFI },
		{ NULL, NULL, "AAVMF_CODE.fd", PROFILE_CAN_UEFI },
	};
	unsigned int can = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if ((!rows[i].feature || recipe_has_feature(r, rows[i].feature)) &&
		    (!rows[i].device || recipe_has_device(r, rows[i].device)) &&
		    (!rows[i].firmware || recipe_has_firmware(r, rows[i].firmware)))
			can |= rows[i].gives;
	return can;
}

/* What KVM alone runs must be the host's own. */
static int check_host(const struct source_build *b, struct volt_error *e)
{
	const struct profile_arch *host = profile_arch_find(NULL);

	if (!host)
		return fail(e, ENOTSUP, "this host's architecture is not known");
	for (size_t i = 0; i < b->recipe.n_targets; i++) {
		const struct profile_arch *guest = b->recipe.targets[i].arch;

		if (!recipe_has_feature(&b->recipe, "tcg") &&
		    !profile_arch_runs_on(guest, host))
			return fail(e, ENOTSUP,
				    "the recipe of '%s' is for KVM on %s, and this host "
				    "is %s",
				    b->name, guest->name, host->name);
	}
	return 0;
}

/* All of it */

static int collect(const struct source_build *b, int result, struct host_files *p,
		   struct volt_error *e)
{
	_cleanup_close_ int bin = mkdir_beneath(result, "bin", 0700);
	int r = bin < 0 ? fail_code(e, bin, "make a directory for the result") : 0;

	for (size_t i = 0; i < b->recipe.n_targets && r == 0; i++)
		r = add_program(b, b->recipe.targets[i].arch, p, e);
	strv_foreach(name, b->recipe.firmware.v)
		r = r ?: add_firmware(b, *name, p, e);
	return r;
}

static int keep(const struct profiles *ps, const struct source_build *b,
		struct profile_manifest **ret, struct volt_error *e)
{
	_cleanup_close_ int result = mkdir_beneath(b->work.fd, "result", 0700);
	_cleanup_host_files_ struct host_files p = { .capabilities =
							     capabilities(&b->recipe) };
	int r;

	if (result < 0)
		return fail_code(e, result, "make a directory for the result");
	r = collect(b, result, &p, e);
	if (r < 0)
		return r;
	log_line(b->log, 6, "storing QEMU %s", p.version);
	return host_files_store(&p, ps, b->name, result, ret, e);
}

static int open_workdir(const struct profiles *ps, struct workdir *w,
			struct volt_error *e)
{
	int fd = trees_open(ps, e);

	return fd < 0 ? fd : workdir_open(fd, ".work-lock", w, e);
}

static void build_done(struct source_build *b)
{
	workdir_done(&b->work);
	recipe_done(&b->recipe);
}

/* What can be known to fail is looked at before anything is downloaded. */
static int build(const struct profiles *ps, struct source_build *b,
		 struct profile_manifest **ret, struct volt_error *e)
{
	int r;

	if ((r = recipe_read(b->o->recipe, &b->recipe, e)) < 0 ||
	    (r = check_host(b, e)) < 0 || (r = source_check_packages(b, e)) < 0 ||
	    (r = check_firmware(b, e)) < 0 || (r = open_workdir(ps, &b->work, e)) < 0 ||
	    (r = source_get(b, e)) < 0 || (r = source_compile(b, e)) < 0)
		return r;
	return keep(ps, b, ret, e);
}

int profile_build_source(const struct profiles *ps, enum profile_name name,
			 const struct profile_source *o, struct profile_manifest **ret,
			 struct volt_error *e)
{
	_cleanup_(build_done) struct source_build b = { .o = o,
							.log = ps->log,
							.name = profile_name_text(name),
							.work = WORKDIR_INIT };
	int r = build(ps, &b, ret, e);

	return r < 0 ? fail_in(e, r, "build '%s' from source", b.name) : 0;
}
