/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each check looks at one thing that running a machine needs, by using it where that is
 * possible: a file that is there proves little. It says what it found and, unless all is
 * well, what to do.
 */

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/spawn.h"
#include "image/platform.h"
#include "lib/host.h"
#include "lib/profile.h"
#include "profile/versions.h"
#include "store/gc.h"

#define SPACE_LOW    (1ull << 30)
#define SPACE_NEEDED (100ull << 20)

struct doctor {
	struct volt_ctx *ctx;
	json_t *checks;
	int errors;
};

enum verdict {
	GOOD,
	WARNING,
	BAD
};

static void report(struct doctor *d, const char *check, enum verdict v, const char *found,
		   const char *advice)
{
	static const char *const words[] = { "ok", "warning", "error" };

	d->errors += v == BAD;
	(void)json_array_append_new(d->checks,
				    json_pack("{s:s, s:s, s:s, s:s}", "check", check,
					      "status", words[v], "found", found,
					      "advice", v == GOOD ? "" : advice));
}

static void check_kvm(struct doctor *d)
{
	struct kvm_verdict v = { 0 };
	struct volt_error e = { 0 };

	if (kvm_probe(d->ctx->runfd, true, &v, &e) < 0)
		report(d, "KVM", WARNING, e.msg, "machines are emulated, which is slow");
	else
		report(d, "KVM", v.usable ? GOOD : WARNING, v.why,
		       "machines are emulated meanwhile, which is slow but works");
}

/* What a profile is made of. Machines run from profiles alone, so with one that is here
 * (@missing is WARNING then) they do without. */
static void check_qemu(struct doctor *d, enum verdict missing)
{
	const struct profile_wish wish = { .arch = profile_arch_find(NULL) };
	const struct profiles host = { .rootfd = -1, .bindir = d->ctx->qemu_dir };
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_free_ char *version = NULL;
	struct volt_error e = { 0 };
	char found[256];

	if (profile_resolve(&host, &wish, &p, &e) < 0) {
		report(d, "QEMU", missing, e.msg, "apt install qemu-system-x86");
		return;
	}
	if (profile_version(p, &version, &e) < 0) {
		report(d, "QEMU", missing, e.msg, "it is there but does not run");
		return;
	}
	(void)snprintf(found, sizeof(found), "%s, version %s", p->qemu, version);
	report(d, "QEMU", GOOD, found, "");
	if (p->virtiofsd)
		report(d, "virtiofsd", GOOD, p->virtiofsd, "");
	else
		report(d, "virtiofsd", WARNING, "not found",
		       "volumes go through 9p, which is slower; apt install "
		       "qemu-system-common");
	if (p->uefi_code)
		report(d, "UEFI", GOOD, p->uefi_code, "");
	else
		report(d, "UEFI", WARNING, "not found",
		       "no disk can be booted; apt install ovmf");
}

/* The profile that a machine of this host's architecture gets. */
static int usual_profile(struct doctor *d, enum profile_name *ret, struct volt_error *e)
{
	struct profile_choice c = { .guest = profile_arch_find(NULL) };
	char note[KVM_WHY_SIZE];
	enum accel accel;
	int r;

	if (!c.guest)
		return fail(e, ENOTSUP, "this host's architecture is not known");
	c.host = c.guest;
	r = accel_choose(ACCEL_AUTO, NULL, d->ctx->runfd, &accel, note, e);
	c.kvm_usable = r == 0 && accel == ACCEL_KVM;
	return r < 0 ? r : profile_select(&c, ret, e);
}

/* Whether it is here. One that is not is no fault: it is made when it is needed. */
static bool check_profile(struct doctor *d)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_free_ char *ref = NULL;
	enum profile_name name = 0;
	struct volt_error e = { 0 };
	struct profiles ps;
	char found[320];
	int r;

	if ((r = ctx_profiles(d->ctx, &ps, &e)) == 0 &&
	    (r = usual_profile(d, &name, &e)) == 0 &&
	    (r = profile_find(&ps, profile_name_text(name), &ref, &e)) == 0)
		r = profile_read(&ps, ref, &m, &e);
	if (r == -ENOENT && !ref) {
		(void)snprintf(found, sizeof(found),
			       "'%s' is not here yet: it is made of this host's QEMU "
			       "when it is needed",
			       profile_name_text(name));
		report(d, "profile", GOOD, found, "");
		return false;
	}
	if (r == 0)
		(void)snprintf(found, sizeof(found), "%s%s%s", ref,
			       m->version ? ", version " : "",
			       m->version ? m->version : "");
	report(d, "profile", r < 0 ? BAD : GOOD, r < 0 ? e.msg : found,
	       "volt qemu rm --force what is broken, then volt qemu build it again");
	return r == 0;
}

static void check_program(struct doctor *d, const char *name, enum verdict otherwise,
			  const char *advice)
{
	char path[HOST_PATH_SIZE];
	const char *found = host_program(name, path);

	report(d, name, found ? GOOD : otherwise, found ? found : "not found", advice);
}

static void check_kernel(struct doctor *d)
{
	struct volt_error e = { 0 };

	if (kernel_check(d->ctx, NULL, NULL, &e) < 0)
		report(d, "kernel", BAD, e.msg,
		       "volt kernel import (Debian's), or volt kernel build (boots "
		       "faster)");
	else
		report(d, "kernel", GOOD, "there is a default one", "");
}

static void check_nanos(struct doctor *d)
{
	_cleanup_free_ char *found = NULL;
	struct volt_error e = { 0 };
	int r = nanos_kernel_find(d->ctx, &found, &e);

	report(d, "Nanos kernel", r < 0 ? WARNING : GOOD, r < 0 ? e.msg : found,
	       "only --guest nanos needs one; volt kernel import --guest nanos DIR");
}

/* Tried in a child: a process that has made one cannot go back. */
static void check_namespaces(struct doctor *d)
{
	const char *const argv[] = { "unshare", "--user", "--map-root-user", "true",
				     NULL };
	struct spawn s = SPAWN_INIT;
	struct volt_error e = { 0 };

	s.argv = argv;
	if (spawn_run(&s, 4096, NULL, &e) == 0)
		report(d, "user namespaces", GOOD, "can be made", "");
	else
		report(d, "user namespaces", WARNING, e.msg,
		       "passt does not start without, nor do users' read-only volumes; see "
		       "kernel.unprivileged_userns_clone and user.max_user_namespaces");
}

static void check_space(struct doctor *d)
{
	unsigned long long left;
	struct statvfs f;
	char found[320];

	if (fstatvfs(d->ctx->rootfd, &f) < 0) {
		report(d, "disk space", WARNING, strerrordesc_np(errno), d->ctx->root);
		return;
	}
	left = (unsigned long long)f.f_bavail * f.f_frsize;
	(void)snprintf(found, sizeof(found), "%.1f GB free for '%.200s'",
		       (double)left / 1e9, d->ctx->root);
	report(d, "disk space",
	       left < SPACE_NEEDED ? BAD
	       : left < SPACE_LOW  ? WARNING
				   : GOOD,
	       found, "volt system prune --all frees what nothing needs");
}

struct damage {
	int n;
	char first[256];
};

static void note_damage(void *data, const char *object, const char *why)
{
	struct damage *bad = data;

	if (bad->n++ == 0)
		(void)snprintf(bad->first, sizeof(bad->first), "%s: %s", object, why);
}

/* All of it is read and hashed: nothing less finds a flipped bit. */
static void check_store(struct doctor *d)
{
	struct damage bad = { 0 };
	struct store_usage u = { 0 };
	struct volt_error e = { 0 };
	char found[300];
	struct store *s;
	int r = ctx_store(d->ctx, &s, &e);

	if (r == 0)
		r = store_verify(s, note_damage, &bad, &e);
	if (r == 0)
		r = store_usage(s, &u, &e);
	if (r < 0) {
		report(d, "store", BAD, e.msg, "");
		return;
	}
	(void)snprintf(found, sizeof(found), "%llu objects, %.1f MB, all undamaged",
		       (unsigned long long)u.objects, (double)u.bytes / 1e6);
	if (bad.n > 0)
		(void)snprintf(found, sizeof(found), "%d damaged, the first: %s", bad.n,
			       bad.first);
	report(d, "store", bad.n > 0 ? BAD : GOOD, found,
	       "remove the images that need it (volt rmi) and pull them again");
}

static void check_run(struct doctor *d)
{
	struct statfs f;
	char found[320];

	(void)snprintf(found, sizeof(found), "'%.200s'", d->ctx->run);
	if (fstatfs(d->ctx->runfd, &f) < 0 || f.f_type != 0x01021994 /* TMPFS_MAGIC */)
		report(d, "run directory", geteuid() == 0 ? GOOD : WARNING, found,
		       "it is on a disk: what is left in it by a crash survives a "
		       "restart of the host, and is then removed by the next command");
	else
		report(d, "run directory", GOOD, found, "");
}

int volt_doctor(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	struct doctor d = { .ctx = ctx, .checks = json_array() };

	if (!d.checks)
		return fail_oom(e);
	check_kvm(&d);
	check_qemu(&d, check_profile(&d) && !ctx->qemu_dir ? WARNING : BAD);
	check_kernel(&d);
	check_nanos(&d);
	check_program(&d, "passt", WARNING,
		      "ports go through QEMU's own network, which is slower; apt install "
		      "passt");
	check_program(&d, "skopeo", BAD, "no image can be fetched; apt install skopeo");
	check_program(&d, "buildah", WARNING,
		      "no Containerfile can be built; apt install buildah");
	check_program(&d, "swtpm", WARNING,
		      "disks boot with --no-tpm only; apt install swtpm");
	check_namespaces(&d);
	check_space(&d);
	check_store(&d);
	check_run(&d);
	return answer(d.errors, d.checks, ret, e);
}
