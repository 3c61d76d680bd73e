/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "image/layer-read.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct layer_limits limits = {
	.blob = { .max_bytes = 8 << 20, .max_ratio = 100, .ratio_from = 1 << 20 },
	.max_content = 8 << 20,
	.max_entries = 10000,
	.max_memory = 32 << 20,
	.min_free_disk = 1,
};

/* A store for the contents, removed at the end. */
static struct {
	char path[32];
	int root;
	struct store *store;
} world = { .path = "/tmp/volt-fuzz-XXXXXX", .root = -1 };

static void world_close(void)
{
	_cleanup_close_ int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	store_close(world.store);
	(void)close(world.root);
	(void)remove_tree_at(tmp, world.path + strlen("/tmp/"));
}

static void world_open(void)
{
	if (!mkdtemp(world.path))
		abort();
	world.root = open(world.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (world.root < 0 || store_open(world.root, &world.store, NULL) < 0 ||
	    atexit(world_close) != 0)
		abort();
}

/* What is taken as a layer can be written and read back. */
static void use(const struct layer *l)
{
	_cleanup_(layer_freep) struct layer *again = NULL;
	char *bytes;
	size_t size;

	if (layer_encode(l, &bytes, &size, NULL) < 0)
		abort();
	if (layer_decode(bytes, size, &again, NULL) < 0 || again->tree->n != l->tree->n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_close_ int fd = memfd_create("layer", MFD_CLOEXEC);
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	_cleanup_(layer_freep) struct layer *l = NULL;
	struct layer_input in = { .fd = fd, .limits = &limits };
	struct volt_error e = { 0 };
	struct blob_sums sums;

	if (world.root < 0)
		world_open();
	if (fd < 0 || pwrite_all(fd, data, size, 0) < 0 ||
	    ingest_begin(world.store, &g, NULL) < 0)
		abort();
	in.ingest = g;
	in.disk = world.root;
	if (layer_read(&in, &l, &sums, &e) == 0) {
		if (sums.blob_size != size)
			abort();
		use(l);
	} else if (!e.code || !e.msg[0] || strchr(e.msg, '\n')) {
		abort();
	}
	return 0;
}
