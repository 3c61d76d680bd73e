/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "guest/nanos-kernel.h"
#include "image/platform.h"
#include "lib/internal.h"

static int kernels_open(struct volt_ctx *ctx, struct kernels *ret, struct volt_error *e)
{
	*ret = (struct kernels){ .rootfd = ctx->rootfd };
	return ctx_store(ctx, &ret->store, e);
}

/* volt's word for @arch, the host's for NULL. */
static int arch_word(const char *arch, const char **ret, struct volt_error *e)
{
	const struct platform *p = platform_find(arch);

	if (!p)
		return fail(e, EINVAL, "architecture '%s' is not known",
			    arch ? arch : "of this host");
	*ret = p->arch;
	return 0;
}

/* Where ops keeps releases of Nanos; NULL: nowhere. The caller frees. */
static char *ops_path(void)
{
	const char *ops = secure_getenv("OPS_HOME"), *home = secure_getenv("HOME");
	char *path;

	if (!ops || !ops[0])
		ops = home;
	if (!ops || ops[0] != '/' || asprintf(&path, "%s/.ops", ops) < 0)
		return NULL;
	return path;
}

static int import_linux(struct volt_ctx *ctx, struct kernels *ks, struct kernel_import *o,
			char **ret, struct volt_error *e)
{
	_cleanup_free_ char *init = NULL;
	const char *arch = NULL;
	int r;

	if ((r = arch_word(o->arch, &arch, e)) < 0 || (r = find_init(arch, &init, e)) < 0)
		return r;
	o->arch = arch;
	if (!o->source)
		o->source = "debian";
	ks->init = init;
	return kernel_import(ks, o, &ctx->log, ret, e);
}

static int import_nanos(struct volt_ctx *ctx, struct kernels *ks,
			const struct kernel_import *o, char **ret, struct volt_error *e)
{
	_cleanup_free_ char *ops = ops_path();
	struct nanos_import n = { .name = o->name, .source = o->source };
	int r;

	if (o->modules)
		return fail(e, EINVAL, "a Nanos kernel has no modules");
	if (o->arch && (r = arch_word(o->arch, &n.arch, e)) < 0)
		return r;
	ks->ops = ops;
	ks->log = &ctx->log;
	return nanos_kernel_import(ks, &n, ret, e);
}

int volt_kernel_import(struct volt_ctx *ctx, const char *options, char **ret,
		       struct volt_error *e)
{
	static const char *const known[] = { "name", "source", "modules",
					     "arch", "guest",  NULL };
	const char *guest = KERNEL_LINUX;
	struct kernel_import o = { 0 };
	_cleanup_free_ char *name = NULL;
	json_auto_t *j = NULL;
	struct kernels ks;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_string(j, "name", &o.name, e)) < 0 ||
	    (r = json_get_string(j, "source", &o.source, e)) < 0 ||
	    (r = json_get_string(j, "modules", &o.modules, e)) < 0 ||
	    (r = json_get_string(j, "arch", &o.arch, e)) < 0 ||
	    (r = json_get_string(j, "guest", &guest, e)) < 0 ||
	    (r = kernels_open(ctx, &ks, e)) < 0)
		return r;
	if (strcmp(guest, KERNEL_NANOS) == 0)
		r = import_nanos(ctx, &ks, &o, &name, e);
	else if (strcmp(guest, KERNEL_LINUX) == 0)
		r = import_linux(ctx, &ks, &o, &name, e);
	else
		r = fail(e, EINVAL,
			 "there are no kernels for '%s' guests, only for "
			 "linux and nanos",
			 guest);
	if (r == 0 && ret)
		*ret = TAKE_PTR(name);
	return r;
}

int volt_kernel_build(struct volt_ctx *ctx, const char *options, char **ret,
		      struct volt_error *e)
{
	static const char *const known[] = { "name", "arch", "source", "jobs", NULL };
	_cleanup_free_ char *init = NULL, *name = NULL, *config = NULL;
	struct kernel_build o = { 0 };
	json_auto_t *j = NULL;
	const char *arch = NULL;
	struct kernels ks;
	int64_t jobs = 0;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_string(j, "name", &o.name, e)) < 0 ||
	    (r = json_get_string(j, "source", &o.source, e)) < 0 ||
	    (r = json_get_int(j, "jobs", 1, 1024, &jobs, e)) < 0 ||
	    (r = json_get_string(j, "arch", &o.arch, e)) < 0 ||
	    (r = arch_word(o.arch, &arch, e)) < 0 ||
	    (r = kernel_build_check(arch, e)) < 0 ||
	    (r = find_init(arch, &init, e)) < 0 ||
	    (r = find_kernel_config(arch, &config, e)) < 0 ||
	    (r = kernels_open(ctx, &ks, e)) < 0)
		return r;
	o.arch = arch;
	o.config = config;
	o.jobs = (unsigned int)jobs;
	ks.init = init;
	r = kernel_build(&ks, &o, &ctx->log, &name, e);
	if (r == 0 && ret)
		*ret = TAKE_PTR(name);
	return r;
}

static void free_list(struct kernel **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		kernel_free(v[i]);
	free(v);
}

static json_t *kernel_json(const struct kernel *k)
{
	bool nanos = strcmp(k->guest, KERNEL_NANOS) == 0;
	char hex[DIGEST_HEX_SIZE];

	return json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:I, s:b, s:s?, s:s}", "name",
			 k->name, "guest", k->guest, "arch", k->arch, "version",
			 k->release, "source", k->source, "size", (json_int_t)k->size,
			 "default", k->is_default, "created_at", k->created_at, "digest",
			 digest_hex(nanos ? &k->digest : &k->image, hex));
}

int volt_kernel_list(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	json_auto_t *list = json_array();
	struct kernel **v = NULL;
	struct kernels ks;
	size_t n = 0;
	int r = kernels_open(ctx, &ks, e);

	if (r == 0)
		r = kernel_list(&ks, &ctx->log, &v, &n, e);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (json_array_append_new(list, kernel_json(v[i])) < 0)
			r = fail_oom(e);
	free_list(v, n);
	return answer(r, TAKE_PTR(list), ret, e);
}

/* A machine that names the kernel could not be started without it. */
static int check_unused(struct volt_ctx *ctx, const char *name, struct volt_error *e)
{
	_cleanup_(machine_list_done) struct machine_list l = { 0 };
	int r = machine_list(ctx_env(ctx), &l, e);

	for (size_t i = 0; r == 0 && i < l.n; i++) {
		_cleanup_(machine_closep) struct machine *m = NULL;
		const struct spec *s;

		if (machine_open(ctx_env(ctx), l.v[i].id, &m, NULL) < 0 ||
		    machine_spec(m, &s, NULL) < 0)
			continue;
		if (s->kernel && strcmp(s->kernel, name) == 0)
			return fail(e, EBUSY, "kernel '%s' is what machine '%s' boots",
				    name, s->name);
	}
	return r;
}

int volt_kernel_remove(struct volt_ctx *ctx, const char *name, struct volt_error *e)
{
	struct kernels ks;
	int r = kernels_open(ctx, &ks, e);

	if (r == 0)
		r = check_unused(ctx, name, e);
	return r < 0 ? r : kernel_remove(&ks, name, e);
}

int volt_kernel_default(struct volt_ctx *ctx, const char *name, struct volt_error *e)
{
	struct kernels ks;
	int r = kernels_open(ctx, &ks, e);

	return r < 0 ? r : kernel_set_default(&ks, name, e);
}

int kernel_check(struct volt_ctx *ctx, const char *name, const char *arch,
		 struct volt_error *e)
{
	_cleanup_(kernel_freep) struct kernel *k = NULL;
	_cleanup_free_ char *init = NULL;
	struct kernels ks;
	int r;

	if ((r = arch_word(arch, &arch, e)) < 0 || (r = find_init(arch, &init, e)) < 0 ||
	    (r = kernels_open(ctx, &ks, e)) < 0)
		return r;
	ks.init = init;
	return kernel_open(&ks, name, arch, &k, e);
}

int nanos_kernel_check(struct volt_ctx *ctx, const char *name, const char *arch,
		       struct volt_error *e)
{
	_cleanup_(nanos_kernel_freep) struct nanos_kernel *k = NULL;
	_cleanup_free_ char *ops = ops_path();
	struct kernels ks;
	int r;

	if ((r = arch_word(arch, &arch, e)) < 0 || (r = kernels_open(ctx, &ks, e)) < 0)
		return r;
	ks.ops = ops;
	ks.log = &ctx->log;
	return nanos_kernel_open(&ks, name, arch, &k, e);
}

int nanos_kernel_find(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	_cleanup_(nanos_kernel_freep) struct nanos_kernel *k = NULL;
	_cleanup_free_ char *ops = ops_path(), *path = NULL;
	struct kernels ks;
	int r = kernels_open(ctx, &ks, e);

	if (r < 0)
		return r;
	r = nanos_kernel_open(&ks, NULL, "x86_64", &k, e);
	ks.ops = ops;
	if (r == -ENOENT)
		r = nanos_ops_find(&ks, &path, e);
	if (r < 0)
		return r;
	if (k)
		r = asprintf(ret, "there is a default one, Nanos %s", k->version);
	else
		r = asprintf(ret, "'%s', imported when it is first needed", path);
	return r < 0 ? fail_oom(e) : 0;
}
