/* SPDX-License-Identifier: Apache-2.0 */
/* What an archive or a directory with images holds: told by looking at two small JSON
 * files, wherever in the archive they stand. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/json.h"
#include "base/libarchive.h"
#include "image/pull.h"

#define BLOCK_SIZE ((size_t)64 << 10)

struct files {
	char *index;  /* OCI's index.json */
	char *docker; /* Docker's manifest.json */
	size_t index_size, docker_size;
	bool is_dir; /* skopeo's dir: */
};

static void files_done(struct files *f)
{
	free(f->index);
	free(f->docker);
}

void contents_done(struct contents *c)
{
	strv_done(&c->refs);
	strv_done(&c->names);
}

static int read_directory(const char *path, struct files *f, struct volt_error *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return fail_errno(e, "open '%s'", path);
	r = read_file_at(fd, "index.json", MANIFEST_MAX, &f->index, &f->index_size);
	if (r < 0 && r != -ENOENT)
		return fail_code(e, r, "read '%s/index.json'", path);
	f->is_dir = r < 0 && faccessat(fd, "manifest.json", F_OK, 0) == 0 &&
		    faccessat(fd, "version", F_OK, 0) == 0;
	return 0;
}

static const char *why(struct archive *a)
{
	const char *s = archive_error_string(a);

	return s ? s : "it ends too early";
}

static int read_member(struct archive *a, struct archive_entry *entry, char **ret,
		       size_t *ret_size, struct volt_error *e)
{
	int64_t size = archive_entry_size(entry);
	char *text;

	free(*ret);
	*ret = NULL;
	if (size < 0 || (uint64_t)size > MANIFEST_MAX)
		return fail(e, EFBIG, "'%s' is too large", archive_entry_pathname(entry));
	text = malloc((size_t)size + 1);
	if (!text)
		return fail_oom(e);
	*ret = text;
	if (archive_read_data(a, text, (size_t)size) != size)
		return fail(e, EBADMSG, "it is damaged: %s", why(a));
	text[size] = '\0';
	*ret_size = (size_t)size;
	return 0;
}

static int scan(struct archive *a, struct files *f, struct volt_error *e)
{
	struct archive_entry *entry;
	int code, r = 0;

	while (r == 0 && (code = archive_read_next_header(a, &entry)) != ARCHIVE_EOF) {
		const char *name;

		if (code < ARCHIVE_WARN || code == ARCHIVE_RETRY)
			return fail(e, ENOTSUP, "it is no image archive: %s", why(a));
		name = archive_entry_pathname(entry);
		if (name && strncmp(name, "./", 2) == 0)
			name += 2;
		if (name && strcmp(name, "index.json") == 0)
			r = read_member(a, entry, &f->index, &f->index_size, e);
		else if (name && strcmp(name, "manifest.json") == 0)
			r = read_member(a, entry, &f->docker, &f->docker_size, e);
	}
	return r;
}

static int read_archive(const char *path, struct files *f, struct volt_error *e)
{
	struct archive *a;
	int r = archive_load(e);

	if (r < 0)
		return r;
	a = archive_read_new();
	if (!a)
		return fail_oom(e);
	(void)archive_read_support_filter_gzip(a);
	(void)archive_read_support_filter_zstd(a);
	(void)archive_read_support_filter_xz(a);
	(void)archive_read_support_filter_bzip2(a);
	(void)archive_read_support_format_tar(a);
	if (archive_read_open_filename(a, path, BLOCK_SIZE) != ARCHIVE_OK)
		r = fail(e, ENOTSUP, "it is no image archive: %s", why(a));
	else
		r = scan(a, f, e);
	(void)archive_read_free(a);
	return r;
}

/* Adds one image. A short name in an OCI index is one of localhost, as podman has it; in
 * a Docker archive it is one of docker.io. What cannot be a name gives none. */
static int add(struct contents *c, const char *ref, const char *name, bool docker,
	       struct volt_error *e)
{
	_cleanup_(image_name_freep) struct image_name *n = NULL;
	_cleanup_free_ char *text = NULL;

	if (*name && image_name_parse(name, &n, NULL) == 0) {
		text = n->short_name && !docker ? image_name_localhost(n)
						: image_name_text(n);
		if (!text)
			return fail_oom(e);
	}
	if (strv_add(&c->refs, ref) < 0 || strv_add(&c->names, text ? text : "") < 0)
		return fail_oom(e);
	return 0;
}

static const char *get(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static int parse_index(const struct files *f, struct contents *c, struct volt_error *e)
{
	json_auto_t *j = NULL;
	json_t *manifests = NULL, *v;
	size_t i;
	int r = json_parse(f->index, f->index_size, "index.json", &j, e);

	if (r == 0)
		r = json_get_array(j, "manifests", &manifests, e);
	if (r < 0)
		return r;
	json_array_foreach(manifests, i, v) {
		const json_t *a = json_object_get(v, "annotations");
		const char *ref = get(a, "org.opencontainers.image.ref.name");
		const char *name = get(a, "io.containerd.image.name");

		/* Without a ref skopeo finds an image only where it is the only one. */
		if (*ref == '\0' && json_array_size(manifests) > 1)
			continue;
		r = add(c, ref, *name ? name : ref, false, e);
		if (r < 0)
			return r;
	}
	return c->refs.n > 0 ? 0 : fail(e, ENOENT, "there is no image in it");
}

static int parse_docker(const struct files *f, struct contents *c, struct volt_error *e)
{
	json_auto_t *j = NULL;
	json_t *v, *tag;
	size_t i, k;
	int r = json_parse(f->docker, f->docker_size, "manifest.json", &j, e);

	if (r < 0)
		return r;
	json_array_foreach(j, i, v) {
		json_t *tags = json_object_get(v, "RepoTags");
		const char *first = json_string_value(json_array_get(tags, 0));
		char at[32];

		(void)snprintf(at, sizeof(at), "@%zu", i);
		if (json_array_size(tags) == 0)
			r = add(c, json_array_size(j) > 1 ? at : "", "", true, e);
		json_array_foreach(tags, k, tag) {
			const char *name = json_string_value(tag);

			if (r == 0 && name && first)
				r = add(c, first, name, true, e);
		}
		if (r < 0)
			return r;
	}
	return c->refs.n > 0 ? 0 : fail(e, ENOENT, "there is no image in it");
}

static int read_files(const char *path, struct files *f, bool *ret_is_dir,
		      struct volt_error *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return fail_errno(e, "'%s'", path);
	*ret_is_dir = S_ISDIR(st.st_mode);
	return *ret_is_dir ? read_directory(path, f, e) : read_archive(path, f, e);
}

int contents_read(const char *path, const char *transport, struct contents *ret,
		  struct volt_error *e)
{
	_cleanup_(files_done) struct files f = { 0 };
	_cleanup_contents_ struct contents c = { 0 };
	bool is_directory = false;
	int r = read_files(path, &f, &is_directory, e);

	if (r < 0)
		return r;
	/* Docker's own archives are OCI layouts as well, with less to read. */
	if (f.index && (!transport || strncmp(transport, "oci", 3) == 0)) {
		c.transport = is_directory ? "oci:" : "oci-archive:";
		r = parse_index(&f, &c, e);
	} else if (f.docker &&
		   (!transport || strcmp(transport, "docker-archive:") == 0)) {
		c.transport = "docker-archive:";
		r = parse_docker(&f, &c, e);
	} else if (f.is_dir && (!transport || strcmp(transport, "dir:") == 0)) {
		c.transport = "dir:";
		r = add(&c, "", "", false, e);
	} else {
		r = fail(e, ENOTSUP,
			 "'%s' is neither an OCI layout nor an OCI or docker archive",
			 path);
	}
	if (r < 0)
		return r;
	*ret = c;
	c = (struct contents){ 0 };
	return 0;
}
