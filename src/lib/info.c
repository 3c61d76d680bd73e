/* SPDX-License-Identifier: Apache-2.0 */

#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "image/platform.h"
#include "lib/host.h"
#include "lib/profile.h"
#include "profile/versions.h"
#include "store/gc.h"

static json_t *host_info(void)
{
	const struct platform *p = platform_find(NULL);
	struct utsname u = { 0 };
	char os[128], cpu[128], memory[64];

	(void)uname(&u);
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:s}", "arch",
			 p ? p->arch : u.machine, "kernel", u.release, "os",
			 host_line("/etc/os-release", "PRETTY_NAME", os, sizeof(os)),
			 "cpu",
			 host_line("/proc/cpuinfo", "model name", cpu, sizeof(cpu)),
			 "cpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "memory",
			 host_line("/proc/meminfo", "MemTotal", memory, sizeof(memory)));
}

static json_t *accel_info(struct volt_ctx *ctx)
{
	char note[KVM_WHY_SIZE] = "";
	enum accel a = ACCEL_TCG;

	(void)accel_choose(ACCEL_AUTO, NULL, ctx->runfd, &a, note, NULL);
	return json_pack("{s:s, s:s}", "default", a == ACCEL_KVM ? "kvm" : "tcg", "note",
			 note);
}

static json_t *programs_info(struct volt_ctx *ctx)
{
	static const char *const names[] = { "passt", "skopeo", "buildah" };
	const struct profile_wish wish = { .arch = profile_arch_find(NULL) };
	const struct profiles host = { .rootfd = -1, .bindir = ctx->qemu_dir };
	_cleanup_(profile_freep) struct profile *p = NULL;
	json_t *j = json_object();
	char path[HOST_PATH_SIZE];

	if (profile_resolve(&host, &wish, &p, NULL) == 0) {
		_cleanup_free_ char *version = NULL;

		(void)profile_version(p, &version, NULL);
		(void)json_object_set_new(
			j, "qemu",
			json_pack("{s:s, s:s?}", "path", p->qemu, "version", version));
		if (p->virtiofsd)
			(void)json_object_set_new(j, "virtiofsd",
						  json_string(p->virtiofsd));
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (host_program(names[i], path))
			(void)json_object_set_new(j, names[i], json_string(path));
	return j;
}

/* Current versions. */
static json_t *profiles_info(struct volt_ctx *ctx)
{
	_cleanup_(profile_list_done) struct profile_list l = { 0 };
	json_t *j = json_array();
	struct profiles ps;

	if (ctx_profiles(ctx, &ps, NULL) < 0 || profile_list(&ps, &l, NULL) < 0)
		return j;
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].current)
			(void)json_array_append_new(
				j, json_pack("{s:s, s:s, s:s?}", "name", l.v[i].m->name,
					     "ref", l.v[i].ref, "qemu_version",
					     l.v[i].m->version));
	return j;
}

static int store_info(struct volt_ctx *ctx, json_t **ret, struct volt_error *e)
{
	struct store_usage u = { 0 };
	struct store *s;
	int r = ctx_store(ctx, &s, e);

	if (r == 0)
		r = store_usage(s, &u, e);
	if (r < 0)
		return r;
	*ret = store_usage_json(&u);
	return *ret ? 0 : fail_oom(e);
}

static int machines_info(struct volt_ctx *ctx, json_t **ret, struct volt_error *e)
{
	_cleanup_(machine_list_done) struct machine_list l = { 0 };
	json_t *j = json_object();
	int r = machine_list(ctx_env(ctx), &l, e);

	for (size_t i = 0; r == 0 && i < l.n; i++) {
		const char *status = status_text(l.v[i].status);
		json_int_t n = json_integer_value(json_object_get(j, status));

		(void)json_object_set_new(j, status, json_integer(n + 1));
	}
	*ret = j;
	return r;
}

int volt_info(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	json_t *store = NULL, *machines = NULL;
	int r = store_info(ctx, &store, e);

	if (r == 0)
		r = machines_info(ctx, &machines, e);
	if (r < 0) {
		json_decref(store);
		json_decref(machines);
		return r;
	}
	return answer(0,
		      json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}",
				"version", VERSION, "root", ctx->root, "run", ctx->run,
				"host", host_info(), "accel", accel_info(ctx), "programs",
				programs_info(ctx), "profiles", profiles_info(ctx),
				"store", store, "machines", machines),
		      ret, e);
}
