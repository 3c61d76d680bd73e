/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "guest/cpio.h"
#include "guest/kernel-json.h"
#include "store/ingest.h"
#include "store/sha256.h"

#define INIT_MAX   (16u << 20)
#define MODULE_MAX (64u << 20)
#define ORDER_MAX  16384 /* what init reads of it */

const char *initramfs_name(const struct digest *d, char name[static INITRAMFS_NAME_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	(void)snprintf(name, INITRAMFS_NAME_SIZE, "initramfs-%.12s", digest_hex(d, hex));
	return name;
}

static int add_module(struct store *s, struct cpio *c, const struct kernel_module *m,
		      struct volt_error *e)
{
	_cleanup_free_ char *data = NULL;
	char path[160];
	size_t size;
	int r = store_read(s, &m->object, MODULE_MAX, &data, &size, e);

	if (r < 0)
		return fail_in(e, r, "module '%s'", m->name);
	(void)snprintf(path, sizeof(path), "modules/%s.ko", m->name);
	return cpio_add(c, path, S_IFREG | 0644, data, size) < 0 ? fail_oom(e) : 0;
}

static int add_modules(struct store *s, struct cpio *c, const struct kernel_record *k,
		       struct volt_error *e)
{
	char order[ORDER_MAX];
	size_t n = 0;

	if (k->n_modules == 0)
		return 0;
	if (cpio_add(c, "modules", S_IFDIR | 0755, NULL, 0) < 0)
		return fail_oom(e);
	for (size_t i = 0; i < k->n_modules; i++) {
		const struct kernel_module *m = &k->modules[i];
		int r = add_module(s, c, m, e);

		if (r < 0)
			return r;
		n += (size_t)snprintf(order + n, sizeof(order) - n, "%s %s.ko\n", m->when,
				      m->name);
		if (n >= sizeof(order))
			return fail(e, E2BIG, "too many modules for an initramfs");
	}
	return cpio_add(c, "modules/order", S_IFREG | 0644, order, n) < 0 ? fail_oom(e)
									  : 0;
}

static int fill(struct store *s, struct cpio *c, const char *init,
		struct kernel_record *k, struct volt_error *e)
{
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r = read_file_at(AT_FDCWD, init, INIT_MAX, &data, &size);

	if (r < 0)
		return fail_code(e, r, "read volt's init '%s'", init);
	r = sha256_bytes(data, size, &k->init);
	if (r < 0)
		return fail_code(e, r, "hash volt's init");
	if (cpio_add(c, "init", S_IFREG | 0755, data, size) < 0)
		return fail_oom(e);
	r = add_modules(s, c, k, e);
	if (r < 0)
		return r;
	return cpio_end(c) < 0 ? fail_oom(e) : 0;
}

int initramfs_make(struct store *s, struct ingest *g, const char *init,
		   struct kernel_record *k, uint64_t *ret_size, struct volt_error *e)
{
	_cleanup_(cpio_done) struct cpio c = { 0 };
	int r = fill(s, &c, init, k, e);

	if (r < 0)
		return r;
	*ret_size = c.size;
	return ingest_add(g, c.data, c.size, OBJECT_PLAIN, &k->initramfs, e);
}
