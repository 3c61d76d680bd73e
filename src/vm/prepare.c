/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/prepare.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/path.h"
#include "guest/kernel.h"
#include "profile/profile.h"
#include "rootfs/rootfs.h"
#include "rootfs/scratch.h"
#include "vm/internal.h"
#include "vm/machine-internal.h"

#define UPPER_NAME "upper.img"

void prepared_done(struct prepared *p)
{
	closep(&p->kernel);
	closep(&p->initramfs);
	closep(&p->root);
	closep(&p->upper);
	*p = (struct prepared)PREPARED_INIT;
}

static int open_kernel(const struct machine *m, const struct spec *s, struct prepared *p,
		       struct volt_error *e)
{
	const struct profile_arch *arch = profile_arch_find(s->arch);
	struct kernels ks = { .rootfd = m->env->rootfd,
			      .store = m->env->store,
			      .init = m->env->init };
	_cleanup_(kernel_freep) struct kernel *k = NULL;

	if (!arch)
		return fail(e, ENOTSUP, "architecture '%s' is not known", s->arch);
	TRY(kernel_open(&ks, s->kernel, arch->name, &k, e));
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

int machine_prepare(struct machine *m, struct prepared *ret, struct volt_error *e)
{
	_cleanup_(prepared_done) struct prepared p = PREPARED_INIT;
	const struct spec *s;

	if (!m->env->store)
		return fail(e, EINVAL, "starting a machine needs the store");
	TRY(machine_spec(m, &s, e));
	TRY(s->guest == GUEST_DISK ? prepare_disk(s, &p, e) : prepare_linux(m, s, &p, e));
	p.rootfs = clock_monotonic();
	*ret = p;
	p = (struct prepared)PREPARED_INIT;
	return 0;
}
