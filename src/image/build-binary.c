/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * The layer is an ordinary gzipped tar with everything that varies left out: owner 0:0,
 * time 0, sorted names, modes 0755 and 0644. The config has no time either. So the same
 * program and libraries give the same digests, here and elsewhere. The layer then takes
 * the way of any other: it is read back, checked, and becomes a tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "base/libarchive.h"
#include "base/path.h"
#include "image/build.h"
#include "image/elf-closure.h"
#include "image/import.h"
#include "image/tree-builder.h"
#include "store/sha256.h"

#define LAYER_NAME   "layer"
#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* --- the layer --- */

struct item {
	const char *path; /* relative */
	const char *host; /* NULL: a directory */
	unsigned mode;
};

struct items {
	struct item *v;
	size_t n;
	struct tree_arena *arena;
};

static void items_done(struct items *t)
{
	free(t->v);
	tree_arena_free(t->arena);
}

static int add_item(struct items *t, const char *path, size_t n, const char *host,
		    unsigned mode)
{
	struct item *v = reallocarray(t->v, t->n + 1, sizeof(*v));
	char *copy = tree_arena_alloc(t->arena, n + 1);

	if (v)
		t->v = v;
	if (!v || !copy)
		return -ENOMEM;
	memcpy(copy, path, n);
	copy[n] = '\0';
	t->v[t->n++] = (struct item){ copy, host, mode };
	return 0;
}

/* A file and the directories above it; doubles go later. */
static int add_file(struct items *t, const char *image, const char *host)
{
	const char *path = image + 1;

	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
		if (add_item(t, path, (size_t)(p - path), NULL, 0755) < 0)
			return -ENOMEM;
	return add_item(t, path, strlen(path), host, 0755);
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int c = tree_path_compare(x->path, y->path);

	return c != 0 ? c : (x->host != NULL) - (y->host != NULL);
}

/* The program, its libraries, and the directories that any program may count on. */
static int collect(const struct elf_closure *c, struct items *t, struct volt_error *e)
{
	static const struct {
		const char *name;
		unsigned mode;
	} dirs[] = { { "dev", 0755 }, { "etc", 0755 },  { "proc", 0555 }, { "run", 0755 },
		     { "sys", 0555 }, { "tmp", 01777 }, { "var", 0755 } };
	size_t out = 0;

	if (tree_arena_new(&t->arena) < 0)
		return fail_oom(e);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		const char *name = dirs[i].name;

		if (add_item(t, name, strlen(name), NULL, dirs[i].mode) < 0)
			return fail_oom(e);
	}
	for (size_t i = 0; i < c->n; i++)
		if (add_file(t, c->v[i].image, c->v[i].host) < 0)
			return fail_oom(e);
	qsort(t->v, t->n, sizeof(*t->v), compare_items);
	for (size_t i = 0; i < t->n; i++) {
		if (out > 0 && strcmp(t->v[out - 1].path, t->v[i].path) == 0) {
			if (t->v[i].host || t->v[out - 1].host)
				return fail(e, EINVAL,
					    "'/%s' would be a directory and a file",
					    t->v[i].path);
			t->v[out - 1].mode |= t->v[i].mode;
			continue;
		}
		t->v[out++] = t->v[i];
	}
	t->n = out;
	return 0;
}

static int write_failed(struct archive *a, struct volt_error *e)
{
	int code = archive_errno(a);

	if (code > 0)
		return fail_code(e, -code, "write the layer");
	return fail(e, EIO, "write the layer: %s", archive_error_string(a));
}

static int copy_content(struct archive *a, int fd, uint64_t size)
{
	_cleanup_free_ char *buf = malloc((size_t)256 << 10);

	if (!buf)
		return -ENOMEM;
	while (size > 0) {
		size_t want = size < (size_t)256 << 10 ? size : (size_t)256 << 10;
		ssize_t n = read_full(fd, buf, want);

		if (n < 0)
			return (int)n;
		if ((size_t)n < want)
			return -ENODATA; /* it shrinks while we read */
		if (archive_write_data(a, buf, want) != (la_ssize_t)want)
			return archive_errno(a) > 0 ? -archive_errno(a) : -EIO;
		size -= want;
	}
	return 0;
}

static int write_item(struct archive *a, struct archive_entry *entry,
		      const struct item *item, struct volt_error *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st = { 0 };
	int r;

	if (item->host) {
		fd = open(item->host, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &st) < 0)
			return fail_errno(e, "open '%s'", item->host);
	}
	(void)archive_entry_clear(entry);
	archive_entry_set_pathname(entry, item->path);
	archive_entry_set_filetype(entry, item->host ? AE_IFREG : AE_IFDIR);
	archive_entry_set_perm(entry, (mode_t)item->mode);
	archive_entry_set_size(entry, st.st_size);
	archive_entry_set_mtime(entry, 0, 0);
	if (archive_write_header(a, entry) != ARCHIVE_OK)
		return write_failed(a, e);
	r = item->host ? copy_content(a, fd, (uint64_t)st.st_size) : 0;
	return r < 0 ? fail_code(e, r, "copy '%s'", item->host) : 0;
}

static int write_items(struct archive *a, int fd, const struct items *t,
		       struct volt_error *e)
{
	struct archive_entry *entry;
	int r = 0;

	if (archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
	    archive_write_add_filter_gzip(a) != ARCHIVE_OK ||
	    archive_write_set_options(a, "gzip:!timestamp,gzip:compression-level=6") !=
		    ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(a, fd) != ARCHIVE_OK)
		return write_failed(a, e);
	entry = archive_entry_new();
	if (!entry)
		return fail_oom(e);
	for (size_t i = 0; r == 0 && i < t->n; i++)
		r = write_item(a, entry, &t->v[i], e);
	archive_entry_free(entry);
	if (r == 0 && archive_write_close(a) != ARCHIVE_OK)
		return write_failed(a, e);
	return r;
}

/* Makes the layer among the import's blobs. */
static int write_layer(struct import *im, const struct elf_closure *c, struct digest *ret,
		       struct volt_error *e)
{
	_cleanup_(items_done) struct items t = { 0 };
	_cleanup_close_ int fd = openat(im->staging.dir, LAYER_NAME,
					O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct archive *a;
	char hex[DIGEST_HEX_SIZE];
	int r;

	if (fd < 0)
		return fail_errno(e, "make a layer");
	if ((r = archive_load(e)) < 0 || (r = collect(c, &t, e)) < 0)
		return r;
	a = archive_write_new();
	if (!a)
		return fail_oom(e);
	r = write_items(a, fd, &t, e);
	(void)archive_write_free(a);
	if (r < 0)
		return r;
	r = sha256_fd(fd, ret);
	if (r < 0)
		return fail_code(e, r, "read the layer");
	if (renameat(im->staging.dir, LAYER_NAME, im->blobs, digest_hex(ret, hex)) < 0)
		return fail_errno(e, "move the layer");
	return 0;
}

/* --- the documents --- */

static json_t *list_json(const char *const *v)
{
	json_t *j = json_array();

	for (; j && v && *v; v++) {
		if (json_array_append_new(j, json_string(*v)) < 0) {
			json_decref(j);
			return NULL;
		}
	}
	return j;
}

/* PATH comes first, unless it is given. */
static json_t *env_json(const char *const *env)
{
	json_t *j = list_json(env);

	for (size_t i = 0; env && env[i]; i++)
		if (strncmp(env[i], "PATH=", 5) == 0)
			return j;
	if (j && json_array_insert_new(j, 0, json_string(DEFAULT_PATH)) < 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static int add_labels(json_t *config, const char *const *labels, struct volt_error *e)
{
	json_t *j;

	if (!labels || !*labels)
		return 0;
	j = json_object();
	if (json_object_set_new(config, "Labels", j) < 0)
		return fail_oom(e);
	for (; *labels; labels++) {
		const char *eq = strchr(*labels, '=');
		size_t n = eq ? (size_t)(eq - *labels) : strlen(*labels);
		_cleanup_free_ char *key = strndup(*labels, n);

		if (n == 0)
			return fail(e, EINVAL, "label '%s' has no name", *labels);
		if (!key ||
		    json_object_set_new(j, key, json_string(eq ? eq + 1 : "")) < 0)
			return fail(e, EINVAL, "label '%s' is not UTF-8", *labels);
	}
	return 0;
}

static bool port_is_valid(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);

	return *s >= '0' && *s <= '9' && n > 0 && n <= 65535 &&
	       (strcmp(end, "/tcp") == 0 || strcmp(end, "/udp") == 0 || *end == '\0');
}

static int add_ports(json_t *config, const char *const *ports, struct volt_error *e)
{
	json_t *j;

	if (!ports || !*ports)
		return 0;
	j = json_object();
	if (json_object_set_new(config, "ExposedPorts", j) < 0)
		return fail_oom(e);
	for (; *ports; ports++) {
		_cleanup_free_ char *key = NULL;

		if (!port_is_valid(*ports))
			return fail(e, EINVAL, "'%s' is no port", *ports);
		if (asprintf(&key, "%s%s", *ports, strchr(*ports, '/') ? "" : "/tcp") <
		    0) {
			key = NULL;
			return fail_oom(e);
		}
		if (json_object_set_new(j, key, json_object()) < 0)
			return fail_oom(e);
	}
	return 0;
}

static int make_run_config(const struct image_binary *b, const char *program,
			   json_t **ret, struct volt_error *e)
{
	const char *const self[] = { program, NULL };
	json_auto_t *j = json_pack(
		"{s:o, s:o}", "Entrypoint",
		list_json(b->entrypoint && *b->entrypoint ? b->entrypoint : self), "Env",
		env_json(b->env));
	int r = 0;

	if (!j)
		return fail(e, EINVAL, "its command or environment is not UTF-8");
	if (b->cmd && *b->cmd)
		r = json_object_set_new(j, "Cmd", list_json(b->cmd));
	if (r == 0 && b->workdir)
		r = json_object_set_new(j, "WorkingDir", json_string(b->workdir));
	if (r == 0 && b->user)
		r = json_object_set_new(j, "User", json_string(b->user));
	if (r < 0)
		return fail(e, EINVAL, "its command, directory or user is not UTF-8");
	r = add_labels(j, b->labels, e);
	if (r == 0)
		r = add_ports(j, b->ports, e);
	if (r == 0)
		*ret = TAKE_PTR(j);
	return r;
}

static char *canonical(const json_t *j)
{
	return j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

static int make_config(const struct image_binary *b, const struct elf_closure *c,
		       const struct blob_sums *sums, char **ret, struct volt_error *e)
{
	const struct platform *p = c->platform;
	char diff[DIGEST_OCI_SIZE];
	json_auto_t *j = NULL;
	json_t *run = NULL;
	int r = make_run_config(b, c->v[0].image, &run, e);

	if (r < 0)
		return r;
	j = json_pack("{s:s, s:s, s:o, s:{s:s, s:[s]}, s:[{s:s}]}", "architecture",
		      p->oci_arch, "os", "linux", "config", run, "rootfs", "type",
		      "layers", "diff_ids", digest_oci(&sums->diff, diff), "history",
		      "created_by", "volt build --binary");
	if (j && p->oci_variant &&
	    json_object_set_new(j, "variant", json_string(p->oci_variant)) < 0)
		return fail_oom(e);
	*ret = canonical(j);
	return *ret ? 0 : fail_oom(e);
}

static char *make_manifest(const char *config, const struct blob_sums *sums)
{
	char config_digest[DIGEST_OCI_SIZE], layer[DIGEST_OCI_SIZE];
	json_auto_t *j = NULL;
	struct digest d;

	if (sha256_bytes(config, strlen(config), &d) < 0)
		return NULL;
	j = json_pack("{s:i, s:s, s:{s:s, s:s, s:I}, s:[{s:s, s:s, s:I}]}",
		      "schemaVersion", 2, "mediaType", MEDIA_OCI_MANIFEST, "config",
		      "mediaType", MEDIA_OCI_CONFIG, "digest",
		      digest_oci(&d, config_digest), "size", (json_int_t)strlen(config),
		      "layers", "mediaType", MEDIA_OCI_LAYER "+gzip", "digest",
		      digest_oci(&sums->blob, layer), "size",
		      (json_int_t)sums->blob_size);
	return canonical(j);
}

/* --- all of it --- */

static int check_request(const struct image_binary *b, const struct elf_closure *c,
			 struct volt_error *e)
{
	const struct platform *is = c->platform;
	const struct platform *wanted = b->arch ? platform_find(b->arch) : is;

	if (b->workdir && b->workdir[0] != '/')
		return fail(e, EINVAL, "working directory '%s' is not absolute",
			    b->workdir);
	if (!wanted)
		return fail(e, EINVAL, "architecture '%s' is not known", b->arch);
	if (strcmp(is->oci_arch, wanted->oci_arch) != 0)
		return fail(e, EINVAL, "'%s' is a program for %s, not for %s", b->path,
			    is->arch, wanted->arch);
	return 0;
}

static int build(struct import *im, const struct image_binary *b,
		 const struct elf_closure *c, struct volt_error *e)
{
	_cleanup_free_ char *config = NULL;
	struct blob_sums sums;
	struct digest blob;
	char *manifest;
	int r = write_layer(im, c, &blob, e);

	if (r == 0)
		r = import_unpack(im, &blob, &sums, e);
	if (r < 0)
		return r;
	r = make_config(b, c, &sums, &config, e);
	if (r < 0)
		return r;
	manifest = make_manifest(config, &sums);
	if (!manifest)
		return fail_oom(e);
	r = import_set_manifest(im, manifest, strlen(manifest), e);
	if (r < 0)
		return r;
	return import_set_config(im, TAKE_PTR(config), im->manifest->config.size, e);
}

static int default_name(const char *path, char **ret, struct volt_error *e)
{
	if (asprintf(ret, "/%s", path_base(path)) < 0) {
		*ret = NULL;
		return fail_oom(e);
	}
	return 0;
}

int image_build_binary(struct images *is, const struct image_binary *b, const char *name,
		       struct image **ret, struct volt_error *e)
{
	_cleanup_closure_ struct elf_closure c = { 0 };
	_cleanup_free_ char *program = NULL, *full = NULL;
	_cleanup_import_ struct import im = IMPORT_INIT;
	int r;

	r = name ? image_name_to_give(name, &full, e) : 0;
	if (r == 0 && !b->name_in_image)
		r = default_name(b->path, &program, e);
	else if (r == 0 && !(program = strdup(b->name_in_image)))
		r = fail_oom(e);
	if (r == 0)
		r = elf_closure_read(b->path, program, "", &c, e);
	if (r == 0)
		r = check_request(b, &c, e);
	if (r == 0)
		r = import_begin(is, FETCH_DIR, &im, e);
	if (r == 0)
		r = build(&im, b, &c, e);
	if (r == 0)
		r = import_finish(&im, full, NULL, ret, e);
	return r < 0 ? fail_in(e, r, "build an image from '%s'", b->path) : 0;
}
