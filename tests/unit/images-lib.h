/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A root to pull into, and layouts to pull from. */
#include <dirent.h>
#include <errno.h>

#include "base/io.h"
#include "image-lib.h"
#include "image/images-internal.h"
#include "image/transfer.h"

struct world {
	struct fixture f;
	struct images *is;
	char layout[64]; /* a layout directory of the last image() */
	unsigned n;
};

static inline void world_close(struct world *w)
{
	images_close(w->is);
	fixture_close(&w->f);
}
#define _cleanup_world_ _cleanup_(world_close)

static inline bool world_open(struct world *w)
{
	*w = (struct world){ 0 };
	if (!fixture_open(&w->f))
		return false;
	ingest_end(TAKE_PTR(w->f.ingest)); /* would keep gc out */
	return images_open(w->f.root, w->f.store, &w->is, &w->f.e) == 0;
}

/* Writes a blob into the layout; the descriptor's text stays valid for four calls. */
static inline const char *blob(const struct world *w, const void *data, size_t size,
			       const char *type)
{
	static char text[4][300];
	static unsigned turn;
	char path[200], hex[DIGEST_HEX_SIZE];
	struct digest d;
	char *ret = text[turn++ % 4];

	if (sha256_bytes(data, size, &d) < 0)
		abort();
	(void)snprintf(path, sizeof(path), "%s/blobs/sha256", w->layout);
	(void)close(mkdir_open(path, 0755));
	(void)snprintf(path, sizeof(path), "%s/blobs/sha256/%s", w->layout,
		       digest_hex(&d, hex));
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || write_all(fd, data, size) < 0)
		abort();
	(void)snprintf(ret, 300,
		       "{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":%zu}",
		       type, hex, size);
	return ret;
}

static inline void file(const struct world *w, const char *name, const char *text)
{
	_cleanup_close_ int dir = open(w->layout, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (write_file_atomic(dir, name, text, strlen(text), 0644) < 0)
		abort();
}

/* A layout with one image: layers are tars, taken over. @diff replaces the first diff_id. */
static inline void image_of(struct world *w, struct tar *layers, size_t n,
			    const char *arch, const char *diff)
{
	char layer_text[2000] = "", diffs[2000] = "", config[3000], manifest[3000],
	     index[3000];
	size_t a = 0, b = 0;

	(void)snprintf(w->layout, sizeof(w->layout), "%s/layout%u", w->f.path, w->n++);
	for (size_t i = 0; i < n; i++) {
		char oci[DIGEST_OCI_SIZE];
		struct digest d;

		tar_end(&layers[i]);
		if (sha256_bytes(layers[i].v, layers[i].n, &d) < 0)
			abort();
		a += (size_t)snprintf(layer_text + a, sizeof(layer_text) - a, "%s%s",
				      a ? "," : "",
				      blob(w, layers[i].v, layers[i].n,
					   "application/vnd.oci.image.layer.v1.tar"));
		b += (size_t)snprintf(diffs + b, sizeof(diffs) - b, "%s\"%s\"",
				      b ? "," : "",
				      diff && i == 0 ? diff : digest_oci(&d, oci));
		tar_done(&layers[i]);
	}
	(void)snprintf(
		config, sizeof(config),
		"{\"architecture\":\"%s\",\"os\":\"linux\",\"created\":\"2024-01-0%uT00:00:00Z\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[%s]}}",
		arch, w->n, diffs);
	(void)snprintf(
		manifest, sizeof(manifest),
		"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":%s,\"layers\":[%s]}",
		blob(w, config, strlen(config),
		     "application/vnd.oci.image.config.v1+json"),
		layer_text);
	(void)snprintf(index, sizeof(index), "{\"schemaVersion\":2,\"manifests\":[%s]}",
		       blob(w, manifest, strlen(manifest),
			    "application/vnd.oci.image.manifest.v1+json"));
	file(w, "index.json", index);
	file(w, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
}

/* One layer with one file, so that different texts are different images. */
static inline int pull_text(struct world *w, const char *text, const char *name,
			    struct image **ret)
{
	struct tar tar = { 0 };
	char source[100];
	struct image *img;
	int r;

	TAR_TEXT(&tar, "file", text);
	image_of(w, &tar, 1, "amd64", NULL);
	(void)snprintf(source, sizeof(source), "oci:%s", w->layout);
	r = image_pull(w->is, source, NULL, &img, &w->f.e);
	if (r == 0 && name) {
		char hex[DIGEST_HEX_SIZE];

		r = image_tag(w->is, digest_hex(&img->config, hex), name, &w->f.e);
	}
	if (r == 0 && ret)
		*ret = img;
	else if (r == 0)
		image_free(img);
	return r;
}

static inline int count(const struct world *w, const char *dir)
{
	_cleanup_closedir_ DIR *d = NULL;
	int fd = openat(w->f.root, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	struct dirent *entry;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	d = fdopendir(fd);
	while (d && (entry = readdir(d)) != NULL)
		n += entry->d_name[0] != '.';
	return n;
}

static inline bool nothing_is_left(struct world *w)
{
	return count(w, "cas/objects") == 0 && count(w, "cas/staging") == 0 &&
	       count(w, "cas/refs/images") == 0 && count(w, "cas/refs/layers") == 0 &&
	       count(w, "images/names") == 0 && count(w, "images/staging") == 0;
}
