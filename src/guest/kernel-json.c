/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/kernel-json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/lock.h"
#include "base/path.h"
#include "guest/nanos-check.h"
#include "store/ref.h"

#define VERSION_NOW 1
#define FILE_NAME   "kernel.json"
#define LOCK        ".lock"

static const struct {
	unsigned int bit;
	const char *word;
} abilities[] = {
	{ KERNEL_PVH, "pvh" },   { KERNEL_PCI, "pci" }, { KERNEL_MMIO, "microvm" },
	{ KERNEL_EXT4, "ext4" }, { KERNEL_9P, "9p" },   { KERNEL_VIRTIOFS, "virtiofs" },
};

static const char *const arches[] = { "x86_64",   "arm64",   "riscv64",
				      "mips64el", "ppc64le", "s390x" };
static const char *const whens[] = {
	"boot", "erofs", "overlay", "ext4", "9p", "virtiofs"
};

static const char *known(const char *const *words, size_t n, const char *word)
{
	for (size_t k = 0; word && k < n; k++)
		if (strcmp(words[k], word) == 0)
			return words[k];
	return NULL;
}

int kernels_open(const struct kernels *ks, bool make)
{
	int fd;

	if (make)
		return mkdir_beneath(ks->rootfd, KERNELS_DIR, 0700);
	fd = openat(ks->rootfd, KERNELS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int kernels_lock(int dirfd, struct volt_error *e)
{
	int fd = lock_open(dirfd, LOCK, LOCK_EXCLUSIVE, true);

	return fd < 0 ? fail_code(e, fd, "lock the kernels") : fd;
}

int kernels_workdir(const struct kernels *ks, struct workdir *w, struct volt_error *e)
{
	int fd = kernels_open(ks, true);

	if (fd < 0)
		return fail_code(e, fd, "make the directory of kernels");
	return workdir_open(fd, LOCK, w, e);
}

void kernel_record_done(struct kernel_record *k)
{
	free(k->name);
	free(k->release);
	free(k->source);
	free(k->created_at);
	for (size_t i = 0; i < k->n_modules; i++)
		free(k->modules[i].name);
	free(k->modules);
	for (size_t i = 0; i < k->n_files; i++)
		free(k->files[i].path);
	free(k->files);
	*k = (struct kernel_record){ 0 };
}

/* Reading: what is wrong is -EBADMSG and names the member. */

static int bad(const char *member, struct volt_error *e)
{
	return fail(e, EBADMSG, "'%s' is missing or wrong", member);
}

static int take_text(const json_t *j, const char *key, char **ret, struct volt_error *e)
{
	const char *text = NULL;

	if (json_get_string(j, key, &text, NULL) < 0 || !text)
		return bad(key, e);
	*ret = strdup(text);
	return *ret ? 0 : fail_oom(e);
}

static int take_digest(const json_t *j, const char *key, struct digest *ret,
		       struct volt_error *e)
{
	const char *text = NULL;

	if (json_get_string(j, key, &text, NULL) < 0 || !text ||
	    digest_parse(text, ret) < 0)
		return bad(key, e);
	return 0;
}

static int take_abilities(const json_t *j, unsigned int *ret, struct volt_error *e)
{
	json_t *list = NULL, *word;
	size_t i;

	if (json_get_array(j, "abilities", &list, NULL) < 0 || !list)
		return bad("abilities", e);
	json_array_foreach(list, i, word)
		for (size_t k = 0; k < ARRAY_SIZE(abilities); k++)
			if (json_is_string(word) &&
			    strcmp(json_string_value(word), abilities[k].word) == 0)
				*ret |= abilities[k].bit;
	return 0;
}

static int take_module(const json_t *j, struct kernel_module *m, struct volt_error *e)
{
	const char *when = NULL;

	(void)json_get_string(j, "when", &when, NULL);
	m->when = known(whens, ARRAY_SIZE(whens), when);
	if (!m->when || take_digest(j, "object", &m->object, NULL) < 0 ||
	    take_text(j, "name", &m->name, NULL) < 0 || !name_is_valid(m->name))
		return bad("modules", e);
	return 0;
}

static int take_modules(const json_t *j, struct kernel_record *k, struct volt_error *e)
{
	json_t *list = NULL, *item;
	size_t i;

	if (json_get_array(j, "modules", &list, NULL) < 0 || !list)
		return bad("modules", e);
	k->modules = calloc(json_array_size(list) + 1, sizeof(*k->modules));
	if (!k->modules)
		return fail_oom(e);
	json_array_foreach(list, i, item) {
		int r = take_module(item, &k->modules[k->n_modules++], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int take_linux(const json_t *j, struct kernel_record *k, struct volt_error *e)
{
	int r;

	if ((r = take_digest(j, "init", &k->init, e)) < 0 ||
	    (r = take_digest(j, "initramfs", &k->initramfs, e)) < 0)
		return r;
	return take_modules(j, k, e);
}

/* Only what can be in a release, each once, becomes a path. */
static int take_file(const json_t *j, struct kernel_record *k, struct volt_error *e)
{
	struct kernel_file *f = &k->files[k->n_files];

	if (take_digest(j, "object", &f->object, NULL) < 0 ||
	    take_text(j, "path", &f->path, NULL) < 0)
		return bad("files", e);
	k->n_files++;
	if (nanos_file_max(f->path) == 0 || strcmp(f->path, NANOS_KERNEL) == 0)
		return bad("files", e);
	for (size_t i = 0; i + 1 < k->n_files; i++)
		if (strcmp(k->files[i].path, f->path) == 0)
			return bad("files", e);
	return 0;
}

static int take_nanos(const json_t *j, struct kernel_record *k, struct volt_error *e)
{
	json_t *list = NULL, *item;
	size_t i;
	int r = take_digest(j, "digest", &k->digest, e);

	if (r < 0)
		return r;
	if (json_get_array(j, "files", &list, NULL) < 0 || !list ||
	    json_array_size(list) > NANOS_FILES_MAX)
		return bad("files", e);
	k->files = calloc(json_array_size(list) + 1, sizeof(*k->files));
	if (!k->files)
		return fail_oom(e);
	json_array_foreach(list, i, item) {
		r = take_file(item, k, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Absent: Linux, as before there was another. */
static int take_guest(const json_t *j, struct kernel_record *k, struct volt_error *e)
{
	static const char *const guests[] = { KERNEL_LINUX, KERNEL_NANOS };
	const char *word = KERNEL_LINUX;

	if (json_get_string(j, "guest", &word, NULL) < 0)
		return bad("guest", e);
	k->guest = known(guests, ARRAY_SIZE(guests), word);
	return k->guest ? 0 : bad("guest", e);
}

static int take_record(const json_t *j, struct kernel_record *k, struct volt_error *e)
{
	const char *arch = NULL;
	int64_t version = 0, size = 0;
	int r;

	if (json_get_int(j, "version", 1, INT32_MAX, &version, NULL) < 0 || version == 0)
		return bad("version", e);
	if (version > VERSION_NOW)
		return fail(e, EBADMSG, "is of a newer volt (format %d)", (int)version);
	(void)json_get_string(j, "arch", &arch, NULL);
	k->arch = known(arches, ARRAY_SIZE(arches), arch);
	if (!k->arch)
		return bad("arch", e);
	if (json_get_int(j, "size", 0, INT64_MAX, &size, NULL) < 0)
		return bad("size", e);
	k->size = (uint64_t)size;
	if ((r = take_guest(j, k, e)) < 0 ||
	    (r = take_text(j, "release", &k->release, e)) < 0 ||
	    (r = take_text(j, "source", &k->source, e)) < 0 ||
	    (r = take_text(j, "created_at", &k->created_at, e)) < 0 ||
	    (r = take_digest(j, "image", &k->image, e)) < 0 ||
	    (r = take_abilities(j, &k->abilities, e)) < 0)
		return r;
	return strcmp(k->guest, KERNEL_NANOS) == 0 ? take_nanos(j, k, e)
						   : take_linux(j, k, e);
}

static void json_freep(json_t **j)
{
	json_decref(*j);
}

int kernel_record_parse(const json_t *j, const char *name, struct kernel_record *ret,
			struct volt_error *e)
{
	struct kernel_record k = { .name = strdup(name) };
	int r = k.name ? take_record(j, &k, e) : fail_oom(e);

	if (r < 0) {
		kernel_record_done(&k);
		return fail_in(e, r, "kernel '%s': " FILE_NAME, name);
	}
	*ret = k;
	return 0;
}

int kernel_record_read(int dirfd, const char *name, struct kernel_record *ret,
		       struct volt_error *e)
{
	_cleanup_(json_freep) json_t *j = NULL;
	int r = json_read_at(dirfd, FILE_NAME, &j, e);

	if (r < 0)
		return r == -ENOENT ? fail_code(e, r, "kernel '%s'", name)
				    : fail_in(e, r, "kernel '%s'", name);
	return kernel_record_parse(j, name, ret, e);
}

/* Writing. A value that is NULL (out of memory) makes the whole NULL. */

static json_t *digest_value(const struct digest *d)
{
	char hex[DIGEST_HEX_SIZE];

	return json_string(digest_hex(d, hex));
}

static json_t *abilities_value(unsigned int bits)
{
	json_t *list = json_array();

	for (size_t k = 0; k < ARRAY_SIZE(abilities); k++)
		if (bits & abilities[k].bit)
			(void)json_array_append_new(list, json_string(abilities[k].word));
	return list;
}

static json_t *modules_value(const struct kernel_record *k)
{
	json_t *list = json_array();

	for (size_t i = 0; i < k->n_modules; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:o}", "name", k->modules[i].name,
					"when", k->modules[i].when, "object",
					digest_value(&k->modules[i].object)));
	return list;
}

static json_t *files_value(const struct kernel_record *k)
{
	json_t *list = json_array();

	for (size_t i = 0; i < k->n_files; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:o}", "path", k->files[i].path, "object",
					digest_value(&k->files[i].object)));
	if (json_array_size(list) == k->n_files)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *kind_value(const struct kernel_record *k)
{
	if (strcmp(k->guest, KERNEL_NANOS) == 0)
		return json_pack("{s:s, s:o, s:o}", "guest", k->guest, "digest",
				 digest_value(&k->digest), "files", files_value(k));
	return json_pack("{s:o, s:o, s:o}", "init", digest_value(&k->init), "initramfs",
			 digest_value(&k->initramfs), "modules", modules_value(k));
}

int kernel_record_write(int dirfd, const struct kernel_record *k, struct volt_error *e)
{
	_cleanup_(json_freep) json_t *j = json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "version", VERSION_NOW,
		"name", k->name, "arch", k->arch, "release", k->release, "source",
		k->source, "created_at", k->created_at, "size", (json_int_t)k->size,
		"abilities", abilities_value(k->abilities), "image",
		digest_value(&k->image));
	_cleanup_(json_freep) json_t *kind = kind_value(k);

	if (!j || !kind || json_object_update(j, kind) < 0)
		return fail_oom(e);
	return json_write_at(dirfd, FILE_NAME, j, 0600, e);
}

/* A member that could not be added must not be lost unseen: gc would take it. */
static int put_object(json_t *objects, const char *key, const struct digest *d)
{
	return json_object_set_new(objects, key, digest_value(d));
}

static int put_objects(json_t *objects, const struct kernel_record *k)
{
	char key[160];
	int r = put_object(objects, "kernel", &k->image);

	if (strcmp(k->guest, KERNEL_LINUX) == 0)
		r |= put_object(objects, "initramfs", &k->initramfs);
	for (size_t i = 0; i < k->n_modules; i++) {
		(void)snprintf(key, sizeof(key), "modules/%s", k->modules[i].name);
		r |= put_object(objects, key, &k->modules[i].object);
	}
	for (size_t i = 0; i < k->n_files; i++)
		r |= put_object(objects, k->files[i].path, &k->files[i].object);
	return r;
}

int kernel_record_ref(struct store *s, const struct kernel_record *k,
		      struct volt_error *e)
{
	_cleanup_(json_freep) json_t *objects = json_object();
	_cleanup_(json_freep) json_t *j = NULL;

	if (put_objects(objects, k) < 0)
		return fail_oom(e);
	j = json_pack("{s:i, s:s, s:s, s:O}", "version", VERSION_NOW, "name", k->name,
		      "created_at", k->created_at, "objects", objects);
	return j ? ref_write(s, "kernels", k->name, j, e) : fail_oom(e);
}
