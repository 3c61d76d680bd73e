/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/path.h"
#include "guest/kernel.h"
#include "profile/profile.h"
#include "profile/versions.h"
#include "rootfs/rootfs.h"
#include "rootfs/scratch.h"
#include "vm/internal.h"
#include "vm/machine-internal.h"
#include "vm/prepare-nanos.h"

#define UPPER_NAME "upper.img"

void prepared_done(struct prepared *p)
{
	closep(&p->kernel);
	closep(&p->initramfs);
	closep(&p->root);
	closep(&p->upper);
	handover_done(&p->given);
	*p = (struct prepared)PREPARED_INIT;
}

static int find_linux(const struct vm_env *env, const struct spec *s, struct pins *pins,
		      struct kernel **ret, struct volt_error *e)
{
	const struct profile_arch *arch = profile_arch_find(s->arch);
	struct kernels ks = { .rootfd = env->rootfd,
			      .store = env->store,
			      .init = env->init };

	if (!arch) {
		(void)fail(e, ENOTSUP, "architecture '%s' is not known", s->arch);
		return -ENOTSUP;
	}
	TRY(kernel_open(&ks, s->kernel, arch->name, ret, e));
	pins->kernel = strdup((*ret)->name);
	pins->kernel_image = (*ret)->image;
	pins->initramfs = (*ret)->initramfs;
	return pins->kernel ? 0 : fail_oom(e);
}

static int find_nanos(const struct vm_env *env, const struct spec *s, struct pins *pins,
		      struct volt_error *e)
{
	_cleanup_(nanos_kernel_freep) struct nanos_kernel *k = NULL;

	TRY(nanos_find_kernel(env, s, &k, e));
	pins->kernel = TAKE_PTR(k->name);
	pins->kernel_image = k->digest;
	return 0;
}

/* What is known of the kernel of a guest that has one of volt's. */
static int find_kernel(const struct vm_env *env, const struct spec *s, struct pins *pins,
		       struct volt_error *e)
{
	_cleanup_(kernel_freep) struct kernel *k = NULL;

	if (s->guest == GUEST_LINUX)
		return find_linux(env, s, pins, &k, e);
	return s->guest == GUEST_NANOS ? find_nanos(env, s, pins, e) : 0;
}

/* The version of profile @name that @lock wants: it need not be the current one. What others
 * wrote may be called as they like, so content decides. The caller frees; NULL: none. */
static char *find_locked(const struct profiles *from, const char *name,
			 const json_t *lock)
{
	_cleanup_(profile_list_done) struct profile_list l = { 0 };
	struct digest wanted;
	char *ref = NULL;

	if (from->bindir || !lock_profile(lock, &wanted) ||
	    profile_list(from, &l, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < l.n && !ref; i++)
		if (strcmp(l.v[i].m->name, name) == 0 &&
		    digest_equal(&l.v[i].m->digest, &wanted))
			ref = strdup(l.v[i].ref);
	return ref;
}

static int resolve(const struct profiles *from, struct profile_wish *wish,
		   const json_t *lock, struct profile **ret, struct volt_error *e)
{
	_cleanup_free_ char *given =
		lock ? find_locked(from, profile_name_text(wish->name), lock) : NULL;

	wish->given = given;
	return profile_resolve(from, wish, ret, e);
}

static bool boots_by_uefi(const struct spec *s)
{
	return s->guest == GUEST_DISK ||
	       (s->guest == GUEST_NANOS && s->nanos.boot == BOOT_UEFI);
}

static int find_profile(const struct vm_env *env, const struct spec *s, enum accel accel,
			struct profile **ret, struct volt_error *e)
{
	const struct profile_choice choice = {
		.mode = accel == ACCEL_KVM ? PROFILE_HYBRID_KVM : PROFILE_HYBRID_EMULATED,
		.os = boots_by_uefi(s)          ? PROFILE_OS_UEFI
		      : s->guest == GUEST_NANOS ? PROFILE_OS_NANOS
						: PROFILE_OS_LINUX,
		.guest = profile_arch_find(s->arch),
		.host = profile_arch_find(NULL),
	};
	const struct profiles from = { .rootfd = env->rootfd,
				       .store = env->store,
				       .bindir = env->qemu_dir,
				       .log = env->log };
	struct profile_wish wish = { .arch = choice.guest };

	if (boots_by_uefi(s))
		wish.need = PROFILE_CAN_UEFI;
	if (s->guest == GUEST_DISK)
		wish.need |= PROFILE_CAN_VNC;

	if (!choice.guest || !choice.host)
		return fail(e, ENOTSUP, "architecture '%s' is not known",
			    s->arch ? s->arch : "of this host");
	TRY(profile_select(&choice, &wish.name, e));
	return resolve(&from, &wish, s->lock, ret, e);
}

/* Where KVM may yet be given up for emulation, the profile for that, too, if it is to be had. A
 * lock is of one profile. */
static int find_profiles(const struct vm_env *env, const struct spec *s,
			 struct handover *h, struct volt_error *e)
{
	char note[KVM_WHY_SIZE];
	enum accel accel;
	int r;

	TRY(accel_choose(s->accel, s->arch, env->runfd, &accel, note, e));
	TRY(find_profile(env, s, accel, accel == ACCEL_KVM ? &h->kvm : &h->emulate, e));
	if (accel == ACCEL_KVM && s->accel == ACCEL_AUTO && !s->lock)
		(void)find_profile(env, s, ACCEL_TCG, &h->emulate, NULL);
	r = handover_pin(h, handover_profile(h, accel));
	return r < 0 ? fail_oom(e) : 0;
}

int prepare_pins(const struct vm_env *env, const struct spec *s, struct pins *ret,
		 struct volt_error *e)
{
	_cleanup_(handover_done) struct handover h = HANDOVER_INIT;

	TRY(find_kernel(env, s, &h.pins, e));
	TRY(find_profiles(env, s, &h, e));
	return pins_copy(&h.pins, ret) < 0 ? fail_oom(e) : 0;
}

int prepare_check(const struct vm_env *env, const struct spec *s, struct volt_error *e)
{
	_cleanup_(handover_done) struct handover h = HANDOVER_INIT;

	TRY(find_kernel(env, s, &h.pins, e));
	return find_profiles(env, s, &h, e);
}

static int open_kernel(const struct machine *m, const struct spec *s, struct prepared *p,
		       struct volt_error *e)
{
	_cleanup_(kernel_freep) struct kernel *k = NULL;

	TRY(find_linux(m->env, s, &p->given.pins, &k, e));
	p->abilities = k->abilities;
	p->kernel = openat(m->env->rootfd, k->image_path, O_RDONLY | O_CLOEXEC);
	if (p->kernel < 0)
		return fail_errno(e, "open kernel '%s'", k->name);
	if (!k->initramfs_path)
		return 0;
	p->initramfs = openat(m->env->rootfd, k->initramfs_path, O_RDONLY | O_CLOEXEC);
	return p->initramfs < 0 ? fail_errno(e, "open the initramfs of '%s'", k->name)
				: 0;
}

/* A machine that is kept keeps what it writes, on a disk of its own; one that is removed
 * when it ends writes to memory. */
static int open_upper(const struct machine *m, const struct spec *s, struct prepared *p,
		      struct volt_error *e)
{
	int r;

	if (s->rm || s->read_only)
		return 0;
	if (!(p->abilities & KERNEL_EXT4)) {
		log_line(
			m->env->log, 4,
			"machine '%s': its kernel has no ext4: what it writes is kept in "
			"memory only",
			s->name);
		return 0;
	}
	r = scratch_make(m->env->rootfd, SCRATCH_SIZE_DEFAULT, m->dirfd, UPPER_NAME, e);
	if (r < 0 && r != -EEXIST)
		return r;
	p->upper = open_beneath(m->dirfd, UPPER_NAME, O_RDWR | O_CLOEXEC, 0);
	return p->upper < 0 ? fail_code(e, p->upper, "open '%s'", UPPER_NAME) : 0;
}

/* What boots by itself needs nothing but its disk. */
static int prepare_disk(const struct spec *s, struct prepared *p, struct volt_error *e)
{
	struct disk_info info;

	return disk_open(s->disk.path, s->read_only, s->disk.format, &p->root, &info, e);
}

static int prepare_linux(const struct machine *m, const struct spec *s,
			 struct prepared *p, struct volt_error *e)
{
	TRY(open_kernel(m, s, p, e));
	p->root = rootfs_erofs(m->env->rootfd, m->env->store, &s->image.tree, e);
	if (p->root < 0)
		return fail_in(e, p->root, "root file system of '%s'", s->image.name);
	return open_upper(m, s, p, e);
}

static int prepare_guest(const struct machine *m, const struct spec *s,
			 struct prepared *p, struct volt_error *e)
{
	if (s->guest == GUEST_DISK)
		return prepare_disk(s, p, e);
	return s->guest == GUEST_NANOS ? prepare_nanos(m, s, p, e)
				       : prepare_linux(m, s, p, e);
}

int machine_prepare(struct machine *m, struct prepared *ret, struct volt_error *e)
{
	_cleanup_(prepared_done) struct prepared p = PREPARED_INIT;
	const struct spec *s;

	if (!m->env->store)
		return fail(e, EINVAL, "starting a machine needs the store");
	TRY(machine_spec(m, &s, e));
	TRY(prepare_guest(m, s, &p, e));
	TRY(find_profiles(m->env, s, &p.given, e));
	if (s->lock)
		TRY(lock_compare(s->lock, s, &p.given.pins, e));
	p.rootfs = clock_monotonic();
	*ret = p;
	p = (struct prepared)PREPARED_INIT;
	return 0;
}
