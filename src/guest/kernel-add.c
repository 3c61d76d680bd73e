/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "guest/image.h"
#include "guest/kernel-json.h"
#include "guest/modules.h"
#include "store/ingest.h"

/* A new kernel of Linux; the order of the steps is in kernel.c. */

static int make_name(const struct kernel_new *n, char **ret, struct volt_error *e)
{
	char *name;

	if (n->name)
		name = strdup(n->name);
	else if (asprintf(&name, "%s%s", n->prefix, n->image->release) < 0)
		name = NULL;
	if (!name)
		return fail_oom(e);
	for (char *at = n->name ? NULL : name; at && *at; at++)
		if (*at == '+' || *at == '~')
			*at = '-';
	if (!name_is_valid(name)) {
		int r = fail(e, EINVAL, "'%s' is not a name for a kernel", name);

		free(name);
		return r;
	}
	*ret = name;
	return 0;
}

/* A microvm without ACPI names its devices on the command line, and not every virtio_mmio
 * looks there (Debian's does not); the one that does has the name of its parent device in
 * it, built in or module. */
static bool finds_microvm_devices(const struct kernel_new *n)
{
	static const char mark[] = "virtio-mmio-cmdline";

	if (memmem(n->image->data, n->image->size, mark, sizeof(mark)))
		return true;
	for (size_t i = 0; i < n->modules->n; i++)
		if (strcmp(n->modules->v[i].name, "virtio_mmio") == 0 &&
		    memmem(n->modules->v[i].data, n->modules->v[i].size, mark,
			   sizeof(mark)))
			return true;
	return false;
}

static unsigned int find_abilities(const struct kernel_new *n)
{
	unsigned int bits = n->modules->abilities | (n->image->pvh ? KERNEL_PVH : 0);

	if (strcmp(n->image->arch, "x86_64") == 0 && !finds_microvm_devices(n))
		bits &= ~(unsigned int)KERNEL_MMIO;
	return bits;
}

static int begin_record(const struct kernel_new *n, struct kernel_record *k,
			struct volt_error *e)
{
	int r = make_name(n, &k->name, e);

	if (r < 0)
		return r;
	k->guest = KERNEL_LINUX;
	k->arch = n->image->arch;
	k->abilities = find_abilities(n);
	/* On s390x virtio devices are on channels, whose driver is always built in. */
	if (strcmp(k->arch, "s390x") != 0 && !(k->abilities & (KERNEL_PCI | KERNEL_MMIO)))
		return fail(e, ENOTSUP,
			    "the kernel has neither virtio_pci nor a virtio_mmio that "
			    "finds the devices of a microvm");
	k->modules = calloc(n->modules->n + 1, sizeof(*k->modules));
	return k->modules ? kernel_record_begin(k, n->image->release, n->source, e)
			  : fail_oom(e);
}

static int ingest_modules(struct ingest *g, const struct modules *m,
			  struct kernel_record *k, struct volt_error *e)
{
	for (size_t i = 0; i < m->n; i++) {
		struct kernel_module *to = &k->modules[i];
		int r = ingest_add(g, m->v[i].data, m->v[i].size, OBJECT_PLAIN,
				   &to->object, e);

		if (r < 0)
			return r;
		to->when = m->v[i].when;
		to->name = strdup(m->v[i].name);
		k->n_modules++;
		if (!to->name)
			return fail_oom(e);
		k->size += m->v[i].size;
	}
	return 0;
}

/* The initramfs is made from committed modules, so there are two commits. */
static int ingest_all(const struct kernels *ks, struct ingest *g,
		      const struct kernel_new *n, struct kernel_record *k,
		      struct volt_error *e)
{
	uint64_t size;
	int r = ingest_add(g, n->image->data, n->image->size, OBJECT_PLAIN, &k->image, e);

	k->size = n->image->size;
	if (r < 0 || (r = ingest_modules(g, n->modules, k, e)) < 0 ||
	    (r = ingest_commit(g, e)) < 0 ||
	    (r = initramfs_make(ks->store, g, ks->init, k, &size, e)) < 0)
		return r;
	k->size += size;
	return ingest_commit(g, e);
}

static int add_locked(const struct kernels *ks, int dirfd, const struct kernel_new *n,
		      struct kernel_record *k, struct volt_error *e)
{
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	int r = kernel_make_room(ks, dirfd, k->name, e);

	if (r < 0 || (r = ingest_begin(ks->store, &g, e)) < 0 ||
	    (r = ingest_all(ks, g, n, k, e)) < 0)
		return r;
	return kernel_put(ks, dirfd, k, e);
}

int kernel_add(const struct kernels *ks, const struct kernel_new *n, char **ret_name,
	       struct volt_error *e)
{
	_cleanup_(kernel_record_done) struct kernel_record k = { 0 };
	_cleanup_close_ int dirfd = -1, lock = -1;
	int r = begin_record(n, &k, e);

	if (r < 0)
		return r;
	dirfd = kernels_open(ks, true);
	if (dirfd < 0)
		return fail_code(e, dirfd, "make the directory of kernels");
	lock = kernels_lock(dirfd, e);
	if (lock < 0)
		return lock;
	r = add_locked(ks, dirfd, n, &k, e);
	if (r == 0 && ret_name)
		*ret_name = TAKE_PTR(k.name);
	return r;
}
