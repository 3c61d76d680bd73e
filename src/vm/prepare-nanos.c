/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/prepare-nanos.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/json.h"
#include "base/path.h"
#include "net/user.h"
#include "rootfs/overlay.h"
#include "rootfs/tfs-read.h"
#include "store/sha256.h"
#include "vm/internal.h"
#include "vm/machine-internal.h"
#include "vm/nanos-record.h"
#include "vm/nanos-volumes.h"

#define ROOM (1ull << 30) /* for what the guest writes; a hole until then */

void nanos_disk_done(struct nanos_disk *d)
{
	closep(&d->base);
	json_decref(d->attributes);
	*d = (struct nanos_disk)NANOS_DISK_INIT;
}

int nanos_find_kernel(const struct vm_env *env, const struct spec *s,
		      struct nanos_kernel **ret, struct volt_error *e)
{
	const struct kernels ks = { .rootfd = env->rootfd, .store = env->store };
	_cleanup_(nanos_kernel_freep) struct nanos_kernel *k = NULL;

	TRY(nanos_kernel_open(&ks, s->kernel, s->arch, &k, e));
	if (s->nanos.boot == BOOT_DIRECT && !k->pvh)
		return fail(e, ENOTSUP,
			    "QEMU cannot start kernel '%s' by itself: use --boot bios",
			    k->name);
	if (s->nanos.boot == BOOT_BIOS && k->boot_img < 0)
		return fail(e, ENOENT,
			    "kernel '%s' came without a boot sector (boot.img)", k->name);
	if (s->nanos.boot == BOOT_UEFI && k->uefi_loader < 0)
		return fail(e, ENOENT, "kernel '%s' came without a UEFI loader", k->name);
	*ret = TAKE_PTR(k);
	return 0;
}

/* --- the base --- */

/* What a base is made with. */
struct making {
	const struct vm_env *env;
	const struct spec *s;
	struct nanos_kernel *kernel;
	struct strv nameservers;
	struct nanos_mounts mounts;
	struct nanos_wish wish;
	struct nanos_plan *plan;
	struct nanos_klib klibs[SPEC_KLIBS_MAX];
	size_t n_klibs;
};

static void making_done(struct making *k)
{
	nanos_plan_free(k->plan);
	nanos_kernel_free(k->kernel);
	strv_done(&k->nameservers);
	nanos_mounts_done(&k->mounts);
	while (k->n_klibs > 0)
		closep(&k->klibs[--k->n_klibs].fd);
}

static bool has_copy_of_kernel(const struct spec *s)
{
	return s->nanos.boot != BOOT_DIRECT || s->nanos.klibs.n > 0;
}

static int make_wish(struct making *k, struct volt_error *e)
{
	const struct spec *s = k->s;

	/* Every machine's network is the same inside. */
	if (s->network == NET_USER && strv_add(&k->nameservers, NET_RESOLVER) < 0)
		return fail_oom(e);
	TRY(nanos_mounts_make(s, &k->mounts, e));
	k->wish = (struct nanos_wish){ .args = &s->process.args,
				       .env = &s->process.env,
				       .cwd = s->process.cwd,
				       .full = s->nanos.full,
				       .arch = s->arch,
				       .hostname = s->hostname,
				       .mount_points = &k->mounts.points,
				       .links = k->mounts.links,
				       .n_links = k->mounts.n_links,
				       .nameservers = &k->nameservers };
	return 0;
}

static int make_plan(struct making *k, struct volt_error *e)
{
	_cleanup_close_ int lease = lease_take(k->env->store, e);
	_cleanup_(tree_freep) struct tree *t = NULL;
	uint64_t least;
	int r;

	if (lease < 0)
		return lease;
	TRY(tree_load(k->env->store, &k->s->image.tree, &t, e));
	r = nanos_plan_make(t, k->env->store, &k->wish, &k->plan, e);
	if (r < 0)
		return fail_in(e, r, "image '%s'", k->s->image.name);
	least = nanos_plan_memory(k->plan);
	if (k->s->memory < least)
		return fail(e, EINVAL,
			    "memory of %" PRIu64 " MiB is too little for image '%s' as a "
			    "Nanos guest: it needs %" PRIu64 " MiB",
			    k->s->memory >> 20, k->s->image.name,
			    (least + (1u << 20) - 1) >> 20);
	return 0;
}

static int open_klibs(struct making *k, struct volt_error *e)
{
	strv_foreach(name, k->s->nanos.klibs.v) {
		int fd = nanos_klib_open(k->kernel, *name, e);

		if (fd < 0)
			return fd;
		k->klibs[k->n_klibs++] = (struct nanos_klib){ *name, fd };
	}
	return 0;
}

/* All that decides what is on the disk, in words. */
static int key_of(const struct making *k, struct digest *ret, struct volt_error *e)
{
	char plan[DIGEST_HEX_SIZE], kernel[DIGEST_HEX_SIZE] = "";
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return fail_oom(e);
	if (has_copy_of_kernel(k->s))
		(void)digest_hex(&k->kernel->digest, kernel);
	(void)fprintf(f, "%d %s %s %s %llu", TFS_LAYOUT_VERSION,
		      digest_hex(nanos_plan_digest(k->plan), plan),
		      spec_boot_text(k->s->nanos.boot), kernel, ROOM);
	strv_foreach(name, k->s->nanos.klibs.v)
		(void)fprintf(f, " %s", *name);
	if (fclose(f) != 0 || sha256_bytes(text, size, ret) < 0)
		return fail_oom(e);
	return 0;
}

static int open_base(const struct making *k, struct nanos_disk *d, struct volt_error *e)
{
	static const enum nanos_boot boots[] = {
		[BOOT_DIRECT] = NANOS_DIRECT,
		[BOOT_BIOS] = NANOS_BIOS,
		[BOOT_UEFI] = NANOS_UEFI,
	};
	struct nanos_disk_input in = { .boot = boots[k->s->nanos.boot],
				       .arch = k->s->arch,
				       .kernel = k->kernel->kernel,
				       .boot_img = k->kernel->boot_img,
				       .uefi_loader = k->kernel->uefi_loader,
				       .klibs = k->klibs,
				       .n_klibs = k->n_klibs };
	struct digest key;

	TRY(key_of(k, &key, e));
	nanos_base_name(&k->s->image.tree, &key, d->name);
	nanos_plan_input(k->plan, &in.root);
	in.root.room = ROOM;
	d->base = nanos_base_make(k->env->rootfd, k->env->store, d->name, &in, e);
	return d->base < 0 ? d->base : 0;
}

/* --- the machine's own record --- */

/* Both network helpers give the guest these. Told, it need not ask, which takes a program's
 * start a while. */
static json_t *address_json(void)
{
	return json_pack("{s:s, s:s, s:s}", "ipaddr", NET_ADDRESS, "netmask",
			 "255.255.255.0", "gateway", NET_GATEWAY);
}

static int put(json_t *j, const char *key, json_t *value)
{
	return json_object_set_new(j, key, value);
}

/* What is volt's stands over what was wished; only the network may be another. */
static json_t *more_attributes(const struct spec *s, const struct nanos_mounts *m)
{
	json_t *j =
		s->nanos.attributes ? json_deep_copy(s->nanos.attributes) : json_object();
	int bad = j ? 0 : -1;

	if (j && s->network == NET_USER && !json_object_get(j, "en1") &&
	    !json_object_get(j, "ipaddr"))
		bad |= put(j, "en1", address_json());
	bad |= put(j, "debug_exit", json_true());
	if (s->nanos.klibs.n)
		bad |= put(j, "klibs", json_string("bootfs"));
	if (s->read_only)
		bad |= put(j, "readonly_rootfs", json_true());
	if (m->attribute)
		bad |= json_object_set(j, "mounts", m->attribute);
	if (bad) {
		json_decref(j);
		return NULL;
	}
	return j;
}

int nanos_disk_plan(const struct vm_env *env, const struct spec *s,
		    struct nanos_disk *ret, struct volt_error *e)
{
	_cleanup_(making_done) struct making k = { .env = env, .s = s };
	_cleanup_(nanos_disk_done) struct nanos_disk d = NANOS_DISK_INIT;
	json_auto_t *more = NULL;

	TRY(nanos_find_kernel(env, s, &k.kernel, e));
	TRY(make_wish(&k, e));
	more = more_attributes(s, &k.mounts);
	TRY(make_plan(&k, e));
	TRY(open_klibs(&k, e));
	TRY(open_base(&k, &d, e));
	d.kernel = k.kernel->digest;
	d.kernel_matters = has_copy_of_kernel(s);
	d.attributes = more ? nanos_plan_attributes(&k.wish, k.plan, more) : NULL;
	if (!d.attributes)
		return fail_oom(e);
	*ret = d;
	d = (struct nanos_disk)NANOS_DISK_INIT;
	return 0;
}

/* --- the overlay --- */

/* First of all, so that an overlay has never none. */
static int write_record(const struct machine *m, const struct nanos_disk *d,
			struct volt_error *e)
{
	struct nanos_record k = { .kernel = d->kernel,
				  .kernel_matters = d->kernel_matters };

	(void)snprintf(k.base, sizeof(k.base), "%s", d->name);
	TRY(nanos_disk_identify(d->base, &k.id, e));
	TRY(nanos_record_keep(m->dirfd, d->base, e));
	return nanos_record_write(m->dirfd, &k, e);
}

static int append_record(const struct nanos_disk *d, uint64_t size, struct tfs_patch *ret,
			 struct volt_error *e)
{
	const struct byte_source from = byte_source_fd(&d->base);
	struct nanos_parts parts = { 0 };
	int r = nanos_disk_find(&from, size, &parts, e);

	if (r == 0)
		r = tfs_append(d->base, parts.root.at, d->attributes, ret, e);
	if (r == -E2BIG)
		return fail(e, E2BIG,
			    "arguments, environment and attributes are too long together "
			    "for a Nanos guest: %u KiB is the most",
			    TFS_RECORD_ROOM >> 10);
	return r < 0 ? fail_in(e, r, "'%s'", d->name) : 0;
}

int nanos_disk_make(const struct machine *m, const struct nanos_disk *d,
		    struct volt_error *e)
{
	_cleanup_(tfs_patch_done) struct tfs_patch patch = { 0 };
	struct overlay_wish w = { .base = d->base, .patches = &patch, .n_patches = 1 };
	struct stat st;
	int r;

	if (fstat(d->base, &st) < 0)
		return fail_errno(e, "look at '%s'", d->name);
	w.size = (uint64_t)st.st_size;
	TRY(append_record(d, w.size, &patch, e));
	TRY(write_record(m, d, e));
	r = overlay_make(m->dirfd, NANOS_DISK_NAME, &w, e);
	return r < 0 ? fail_in(e, r, "make the machine's disk") : 0;
}

/* Where both are gone, its own and the cache's, it is made again: the same plan gives the same
 * bytes, by the same name. What it would be by another name is another disk. */
static int base_again(const struct machine *m, const struct spec *s,
		      const struct nanos_record *k, struct volt_error *e)
{
	_cleanup_(nanos_disk_done) struct nanos_disk now = NANOS_DISK_INIT;
	int fd = nanos_record_open(m->dirfd, m->env->rootfd, k, e);

	if (fd != -ENOENT)
		return fd;
	TRY(nanos_disk_plan(m->env, s, &now, e));
	if (strcmp(now.name, k->base) != 0)
		return fail(e, ESTALE,
			    "machine '%s' wrote to a disk that is gone, and would not be "
			    "made the same today: remove it and make it anew",
			    s->name);
	TRY(nanos_record_check(k, now.base, e));
	TRY(nanos_record_keep(m->dirfd, now.base, e));
	return TAKE_FD(now.base);
}

static int check_kernel(const struct spec *s, const struct nanos_record *d,
			const struct nanos_kernel *k, struct volt_error *e)
{
	if (!d->kernel_matters || digest_equal(&d->kernel, &k->digest))
		return 0;
	return fail(
		e, ESTALE,
		"machine '%s' has another kernel on its disk than '%s': remove it and "
		"make it anew, or name the one it was made with by --kernel",
		s->name, k->name);
}

/* 1: there was one. */
static int open_disk(const struct machine *m, const struct spec *s,
		     const struct nanos_kernel *k, struct prepared *p,
		     struct volt_error *e)
{
	_cleanup_close_ int fd =
		open_beneath(m->dirfd, NANOS_DISK_NAME, O_RDWR | O_CLOEXEC, 0);
	struct nanos_record record = { 0 };
	int base;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fail_code(e, fd, "open the machine's disk");
	TRY(nanos_record_read(m->dirfd, &record, e));
	TRY(check_kernel(s, &record, k, e));
	base = base_again(m, s, &record, e);
	if (base < 0)
		return base;
	p->root = base;
	p->upper = TAKE_FD(fd);
	return 1;
}

/* Where its maker was killed. Another start may be as far: the lock comes later. */
static int new_disk(const struct machine *m, const struct spec *s, struct volt_error *e)
{
	_cleanup_(nanos_disk_done) struct nanos_disk d = NANOS_DISK_INIT;
	int r;

	TRY(nanos_disk_plan(m->env, s, &d, e));
	r = nanos_disk_make(m, &d, e);
	return r == -EEXIST ? 0 : r;
}

int prepare_nanos(const struct machine *m, const struct spec *s, struct prepared *p,
		  struct volt_error *e)
{
	_cleanup_(nanos_kernel_freep) struct nanos_kernel *k = NULL;
	int r;

	TRY(nanos_find_kernel(m->env, s, &k, e));
	r = open_disk(m, s, k, p, e);
	if (r == 0)
		r = new_disk(m, s, e);
	else if (r == 1)
		r = 0;
	if (r == 0 && p->upper < 0)
		r = open_disk(m, s, k, p, e);
	if (r < 0)
		return r;
	p->given.pins.kernel = TAKE_PTR(k->name);
	p->given.pins.kernel_image = k->digest;
	if (s->nanos.boot == BOOT_DIRECT)
		p->kernel = TAKE_FD(k->kernel);
	return nanos_volumes_open(m, s, &p->given.volumes, e);
}
