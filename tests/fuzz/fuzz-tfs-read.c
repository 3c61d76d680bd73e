/* SPDX-License-Identifier: Apache-2.0 */
/* A disk of Nanos, any bytes: what is opened can be walked, shown and read. */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/nanos-klog.h"
#include "rootfs/tfs-read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct span {
	const uint8_t *data;
	size_t size;
};

static ssize_t read_span(void *data, void *buf, size_t size, uint64_t at)
{
	const struct span *s = data;
	size_t n = at >= s->size ? 0 : s->size - (size_t)at;

	n = n < size ? n : size;
	if (n > 0)
		memcpy(buf, s->data + at, n);
	return (ssize_t)n;
}

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void read_file(const struct tfs *fs, uint32_t node, uint64_t size)
{
	static const uint64_t offsets[] = { 0, 511, 4096, UINT64_MAX };
	uint8_t buf[5000];

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		uint64_t left = offsets[i] < size ? size - offsets[i] : 0;
		ssize_t n = tfs_node_read(fs, node, offsets[i], buf, sizeof(buf), NULL);

		expect(n == (ssize_t)(left < sizeof(buf) ? left : sizeof(buf)));
	}
	(void)tfs_node_read(fs, node, size - 1, buf, sizeof(buf), NULL);
}

/* A path leads to its file; names are sorted, each once. */
static void look_at(const struct tfs *fs, uint32_t node)
{
	char path[PATH_MAX];
	struct tfs_stat st;
	uint32_t found;

	tfs_stat(fs, node, &st);
	tfs_path(fs, node, path);
	expect(tfs_lookup(fs, path, false, &found, NULL) == 0 && found == node);
	(void)tfs_lookup(fs, path, true, &found, NULL);
	if (st.type == TFS_FILE && st.size > 0)
		read_file(fs, node, st.size);
	for (uint32_t i = 0; i < tfs_n_children(fs, node); i++) {
		const char *name = tfs_child(fs, node, i, &found);

		expect(*name && !strchr(name, '/') && found > 0);
		expect(i == 0 || strcmp(tfs_child(fs, node, i - 1, NULL), name) < 0);
	}
}

static void look_into(const struct byte_source *from, const struct nanos_extent *x)
{
	_cleanup_(tfs_closep) struct tfs *fs = NULL;
	json_auto_t *j = NULL;
	struct tfs_usage u;
	struct volt_error e = { 0 };

	if (tfs_open(from, x->at, x->size, &fs, &e) < 0) {
		expect(e.code != 0 && e.msg[0] != '\0');
		return;
	}
	tfs_usage(fs, &u);
	expect(u.free <= u.size + TFS_SECTOR && u.largest_free <= u.free);
	expect(u.log_end < x->at + u.size + TFS_SECTOR);
	for (uint32_t i = 0; i < u.directories + u.files + u.links + u.specials; i++)
		look_at(fs, i);
	if (tfs_attributes(fs, &j, NULL) >= 0) {
		_cleanup_free_ char *text = json_dumps(j, 0);

		expect(text != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = { data, size };
	const struct byte_source from = { read_span, &s };
	struct nanos_parts p;
	struct nanos_klog k;

	if (nanos_disk_find(&from, size, &p, NULL) < 0)
		return 0;
	if (p.klog)
		(void)nanos_klog_read(&from, p.klog, &k, NULL);
	if (p.bootfs.size > 0)
		look_into(&from, &p.bootfs);
	look_into(&from, &p.root);
	return 0;
}
