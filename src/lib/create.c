/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: from a wish to a machine
 *
 * The image is found (or pulled), its root file system made if it is not cached, the wish
 * completed from the image's config, the machine made, and a ref of kind "machines"
 * written that keeps the image's objects alive. The order matters twice.
 *
 * The ref comes after the machine: whoever sees a ref without its machine may then be sure
 * that the machine was removed, and removes the ref (refs_sweep()). So a supervisor that
 * removes its own machine needs to know nothing of the store. And ref_write() fails if an
 * object is gone, so an image that somebody removed in between is noticed.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/strv.h"
#include "image/image.h"
#include "image/platform.h"
#include "image/transfer.h"
#include "lib/internal.h"
#include "rootfs/rootfs.h"
#include "store/ref.h"
#include "vm/nanos-volumes.h"
#include "vm/prepare-nanos.h"
#include "vm/prepare.h"
#include "vm/qemu.h"
#include "vm/signals.h"

int transport_from(const json_t *options, struct image_transport *t, struct volt_error *e)
{
	const json_t *tls = json_object_get(options, "tls_verify");
	int r;

	*t = (struct image_transport){ 0 };
	if (tls && !json_is_boolean(tls))
		return fail(e, EINVAL, "'tls_verify' is not a boolean");
	if (tls)
		t->tls_verify = json_is_true(tls) ? "true" : "false";
	r = json_get_string(options, "authfile", &t->authfile, e);
	return r < 0 ? r : json_get_string(options, "creds", &t->creds, e);
}

/* The image a wish names, pulled as "pull" of @options says. */
static int image_for(struct volt_ctx *ctx, const char *ref, const char *arch,
		     const json_t *options, struct image **ret, struct volt_error *e)
{
	struct image_pull pull = { .arch = arch };
	const char *policy = "missing";
	struct images *is;
	int r;

	if ((r = json_get_string(options, "pull", &policy, e)) < 0 ||
	    (r = image_policy_parse(policy, &pull.policy, e)) < 0 ||
	    (r = transport_from(options, &pull.transport, e)) < 0 ||
	    (r = ctx_images(ctx, &is, e)) < 0)
		return r;
	return image_pull(is, ref, &pull, ret, e);
}

/* Without a wish for an architecture the machine is what its image is for. */
static int choose_arch(struct volt_ctx *ctx, struct spec *s, const struct image *img,
		       struct volt_error *e)
{
	const struct platform *host = platform_find(NULL), *wish = NULL;
	int r;

	if (s->arch) {
		wish = platform_find(s->arch);
		if (!wish)
			return fail(e, EINVAL, "architecture '%s' is not known", s->arch);
		if (*img->arch && strcmp(img->arch, wish->arch) != 0)
			return fail(e, EINVAL, "image '%s' is for %s, not %s",
				    s->image.ref, img->arch, wish->arch);
		free(s->arch);
		s->arch = strdup(wish->arch);
	} else if (*img->arch || host) {
		s->arch = strdup(*img->arch ? img->arch : host->arch);
	} else {
		return fail(e, EINVAL,
			    "image '%s' does not say what it is for: name it "
			    "with --arch",
			    s->image.ref);
	}
	if (!s->arch)
		return fail_oom(e);
	r = s->guest == GUEST_NANOS ? nanos_check_arch(s->arch, e)
				    : qemu_check_arch(s->arch, e);
	if (r < 0)
		return fail_in(e, r, "image '%s'", s->image.ref);
	if (!wish && host && strcmp(s->arch, host->arch) != 0)
		log_line(&ctx->log, LOG_WARNING,
			 "image '%s' is for %s: emulating that on this %s host",
			 s->image.ref, s->arch, host->arch);
	return 0;
}

static int complete(struct volt_ctx *ctx, struct spec *s, const struct image *img,
		    struct volt_error *e)
{
	char id[DIGEST_HEX_SIZE];
	int r;

	r = choose_arch(ctx, s, img, e);
	if (r < 0)
		return r;
	s->image.digest = img->manifest;
	s->image.config = img->config;
	s->image.tree = img->tree;
	if (!s->image.name) {
		s->image.name = strdup(img->name      ? img->name
				       : img->names.n ? img->names.v[0]
						      : digest_hex(&img->config, id));
		if (!s->image.name)
			return fail_oom(e);
	}
	return process_make(s, img, e);
}

static int write_ref(struct volt_ctx *ctx, const char *id, const struct image *img,
		     struct volt_error *e)
{
	json_auto_t *ref =
		json_pack("{s:i, s:{}, s:[]}", "version", 1, "objects", "lists");
	int r = ref ? image_pin(ctx->images, img, ref, e) : fail_oom(e);

	return r < 0 ? r : ref_write(ctx->store, "machines", id, ref, e);
}

/* A machine whose image went away while it was made is none. */
static int make(struct volt_ctx *ctx, struct spec *s, const struct image *img,
		const struct nanos_disk *disk, struct machine **ret, struct volt_error *e)
{
	_cleanup_(machine_closep) struct machine *m = NULL;
	int r = machine_create(ctx_env(ctx), s, &m, e);

	if (r < 0)
		return r;
	r = write_ref(ctx, machine_id(m), img, e);
	if (r < 0)
		(void)fail_in(e, r, "image '%s'", s->image.ref);
	else if (s->guest == GUEST_NANOS)
		r = nanos_disk_make(m, disk, e);
	if (r < 0) {
		(void)machine_remove(m, true, NULL);
		return r;
	}
	*ret = TAKE_PTR(m);
	return 0;
}

/* What fails early and cheaply fails before anything is pulled. */
static int check_name(struct volt_ctx *ctx, const char *name, const json_t *options,
		      struct volt_error *e)
{
	_cleanup_(machine_closep) struct machine *m = NULL;
	bool replace = false;

	(void)json_get_bool(options, "replace", &replace, NULL);
	if (!name || replace || find_named(ctx, name, &m) < 0)
		return 0;
	return fail(e, EEXIST,
		    "the name '%s' is in use by machine %.12s; remove it, take another "
		    "name, or use --replace",
		    name, machine_id(m));
}

/* What an image that is here already is for, when nobody said; NULL: not known yet. */
static const char *arch_of_image(struct volt_ctx *ctx, const struct spec *s,
				 struct image **img)
{
	struct images *is;

	if (s->arch)
		return s->arch;
	if (ctx_images(ctx, &is, NULL) < 0 || image_find(is, s->image.ref, img, NULL) < 0)
		return NULL;
	return *(*img)->arch ? (*img)->arch : NULL;
}

/* "start": what would keep it from being started is said before anything is pulled. */
static int check_startable(struct volt_ctx *ctx, const struct spec *s,
			   const json_t *options, struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	const char *policy = json_string_value(json_object_get(options, "pull"));
	bool start = false;
	int r;

	r = json_get_bool(options, "start", &start, e);
	if (r < 0 || !start || (policy && strcmp(policy, "never") == 0))
		return r;
	return (s->guest == GUEST_NANOS ? nanos_kernel_check : kernel_check)(
		ctx, s->kernel, arch_of_image(ctx, s, &img), e);
}

/* "lock": what it names, and nothing else, is what this machine is for. */
static int check_lock(struct volt_ctx *ctx, const struct spec *s, struct volt_error *e)
{
	struct pins pins = { 0 };
	int r;

	if (!s->lock)
		return 0;
	r = ctx_start_env(ctx, s->guest == GUEST_LINUX ? s->arch : NULL, e);
	if (r == 0)
		r = prepare_pins(ctx_env(ctx), s, &pins, e);
	if (r == 0)
		r = lock_compare(s->lock, s, &pins, e);
	pins_done(&pins);
	return r;
}

/* What the image asks for and one program alone cannot have is said. */
static void say_what_is_left_out(struct volt_ctx *ctx, const struct spec *s)
{
	const char *user = s->process.user;

	if (s->guest != GUEST_NANOS)
		return;
	if (!spec_user_is_root(user))
		log_line(&ctx->log, LOG_WARNING,
			 "image '%s' asks for user '%s': a Nanos guest has root alone",
			 s->image.ref, user);
	if (s->process.stop_signal != SIGTERM)
		log_line(
			&ctx->log, LOG_WARNING,
			"image '%s' asks to be stopped by %s: a Nanos guest gets SIGTERM",
			s->image.ref, signal_name(s->process.stop_signal));
}

/* The shared root file system: so that what is wrong with it is said before there is a
 * machine, or one is replaced. */
static int make_root(struct volt_ctx *ctx, const struct spec *s, struct nanos_disk *disk,
		     struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (s->guest == GUEST_NANOS) {
		/* The first one may yet have to be imported. */
		r = nanos_kernel_check(ctx, s->kernel, s->arch, e);
		return r < 0 ? r : nanos_disk_plan(ctx_env(ctx), s, disk, e);
	}
	fd = rootfs_erofs(ctx->rootfd, ctx->store, &s->image.tree, e);
	return fd < 0 ? fd : 0;
}

static int create(struct volt_ctx *ctx, struct spec *s, const json_t *options,
		  struct volt_machine *vm, struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	_cleanup_(nanos_disk_done) struct nanos_disk disk = NANOS_DISK_INIT;
	int r;

	if ((r = check_name(ctx, s->name, options, e)) < 0 ||
	    (r = check_startable(ctx, s, options, e)) < 0 ||
	    (r = image_for(ctx, s->image.ref, s->arch, options, &img, e)) < 0 ||
	    (r = complete(ctx, s, img, e)) < 0 || (r = check_lock(ctx, s, e)) < 0)
		return r;
	vm->resolved = clock_monotonic();
	say_what_is_left_out(ctx, s);
	r = s->guest == GUEST_NANOS ? nanos_volumes_look(s, e) : 0;
	if (r == 0)
		r = make_root(ctx, s, &disk, e);
	if (r == 0 && s->guest == GUEST_NANOS)
		r = nanos_volumes_make(ctx_env(ctx), s, e);
	if (r == 0)
		r = replace_named(ctx, s, options, e);
	return r < 0 ? r : make(ctx, s, img, &disk, &vm->m, e);
}

/* A machine that boots a disk has no image: nothing of it is in the store. What the disk is
 * is seen here, once and for all. */
static int create_disk(struct volt_ctx *ctx, struct spec *s, const json_t *options,
		       struct volt_machine *vm, struct volt_error *e)
{
	const struct platform *arch = platform_find(s->arch);
	const struct machine_row *row;
	struct disk_info info = { 0 };
	_cleanup_close_ int fd = -1;
	int r;

	if ((r = check_name(ctx, s->name, options, e)) < 0 ||
	    (r = disk_open(s->disk.path, s->read_only, s->disk.format, &fd, &info, e)) <
		    0)
		return r;
	if (!arch)
		return fail(e, EINVAL, "the architecture of this host is not known");
	r = qemu_uefi_machine(arch->arch, &row, e);
	if (r < 0)
		return r;
	s->disk.format = info.format;
	if (!s->arch && !(s->arch = strdup(arch->arch)))
		return fail_oom(e);
	vm->resolved = clock_monotonic();
	r = replace_named(ctx, s, options, e);
	return r < 0 ? r : machine_create(ctx_env(ctx), s, &vm->m, e);
}

int volt_machine_create(struct volt_ctx *ctx, const char *spec, const char *options,
			struct volt_machine **ret, struct volt_error *e)
{
	static const char *const known[] = { "pull",  "replace", "tls_verify", "authfile",
					     "creds", "start",   "lock",       NULL };
	_cleanup_(volt_machine_freep) struct volt_machine *vm = calloc(1, sizeof(*vm));
	_cleanup_(spec_freep) struct spec *s = NULL;
	json_auto_t *wish = NULL, *o = NULL;
	int r;

	if (!vm)
		return fail_oom(e);
	vm->ctx = ctx;
	if ((r = json_parse(spec, strlen(spec), "the spec", &wish, e)) < 0 ||
	    (r = document_parse(options, known, &o, e)) < 0 ||
	    (r = spec_parse(wish, SPEC_WISH, &s, e)) < 0 ||
	    (r = s->guest == GUEST_DISK ? create_disk(ctx, s, o, vm, e)
					: create(ctx, s, o, vm, e)) < 0)
		return r;
	if (ret)
		*ret = TAKE_PTR(vm);
	return 0;
}

/* Refs of machines that are gone. A ref is written after its machine: one that is seen
 * before its machine is looked for, and then has none, never gets one again. */
int refs_sweep(struct volt_ctx *ctx, struct volt_error *e)
{
	_cleanup_strv_ struct strv names = { 0 };
	char path[DIGEST_HEX_SIZE + 16];
	int r;

	r = ref_list(ctx->store, "machines", &names, e);
	if (r < 0)
		return r;
	strv_foreach(name, names.v) {
		(void)snprintf(path, sizeof(path), "machines/%.64s", *name);
		if (faccessat(ctx->rootfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
		    errno != ENOENT)
			continue;
		r = ref_remove(ctx->store, "machines", *name, e);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}
