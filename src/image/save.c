/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * What leaves is what came: the manifest, the config and the layers as they were sent, all
 * of them objects, are hard-linked into a staging directory in the form of skopeo's dir:
 * transport, which takes any kind of manifest. skopeo makes an archive of that, or sends it.
 * An archive is written under a temporary name beside its place and renamed at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/path.h"
#include "image/skopeo.h"
#include "image/source.h"

#define DIR_NAME    "image"
#define DIR_VERSION "Directory Transport Version: 1.1\n"

int image_format_parse(const char *text, enum image_format *ret, struct volt_error *e)
{
	static const char *const names[] = {
		[IMAGE_DOCKER_ARCHIVE] = "docker-archive",
		[IMAGE_OCI_ARCHIVE] = "oci-archive",
		[IMAGE_OCI_DIR] = "oci-dir",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum image_format)i;
			return 0;
		}
	}
	return fail(e, EINVAL,
		    "format is 'docker-archive', 'oci-archive' or 'oci-dir', not '%s'",
		    text);
}

static int link_blob(struct images *is, int dir, const struct digest *d,
		     struct volt_error *e)
{
	char hex[DIGEST_HEX_SIZE];
	int r = store_link(is->store, d, OBJECT_PLAIN, dir, digest_hex(d, hex), e);

	return r == -EEXIST ? 0 : r; /* a layer may be there twice */
}

/* Makes DIR_NAME in the staging directory. */
static int make_dir(struct images *is, const struct staging *st, const struct image *img,
		    struct volt_error *e)
{
	_cleanup_(manifest_freep) struct manifest *m = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int dir = -1;
	size_t size;
	int r = image_manifest(is, &img->manifest, &text, &size, &m, e);

	if (r < 0)
		return r;
	dir = mkdir_beneath(st->dir, DIR_NAME, 0700);
	if (dir < 0)
		return fail_code(e, dir, "make a directory to copy from");
	r = write_file_atomic(dir, "manifest.json", text, size, 0600);
	if (r == 0)
		r = write_file_atomic(dir, "version", DIR_VERSION, strlen(DIR_VERSION),
				      0600);
	if (r < 0)
		return fail_code(e, r, "write a directory to copy from");
	r = link_blob(is, dir, &m->config.digest, e);
	for (size_t i = 0; r == 0 && i < m->n_layers; i++)
		r = link_blob(is, dir, &m->layers[i].digest, e);
	return r;
}

/* skopeo copies what make_dir() made to @destination, which may be relative to @cwd. */
static int copy_out(struct images *is, const struct image *img, const char *destination,
		    const struct image_transport *t, int cwd, struct volt_error *e)
{
	_cleanup_staging_ struct staging st = { .lock = -1, .dir = -1 };
	_cleanup_skopeo_ struct skopeo sk = { 0 };
	_cleanup_(source_freep) struct source *to = NULL;
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_free_ char *from = NULL;
	int r = staging_open(is, &st, e);

	if (r == 0)
		r = source_parse(destination, &to, e);
	if (r == 0)
		r = skopeo_init(&sk, &st, t, to->name ? to->name->registry : NULL, e);
	if (r == 0)
		r = make_dir(is, &st, img, e);
	if (r < 0)
		return r;
	if (asprintf(&from, "dir:%s/" DIR_NAME, st.path) < 0) {
		from = NULL;
		return fail_oom(e);
	}
	r = skopeo_copy_args(&sk, from, destination, &args, e);
	return r < 0 ? r : skopeo_run(cwd, &args, 0, NULL, e);
}

/* --- save --- */

/* The name the image keeps in an archive: with a tag, or none. */
static const char *name_to_save(const struct image *img)
{
	if (img->name && !strchr(img->name, '@'))
		return img->name;
	for (size_t i = 0; i < img->names.n; i++)
		if (!strchr(img->names.v[i], '@'))
			return img->names.v[i];
	return NULL;
}

static char *archive_destination(const struct image *img, const char *file,
				 enum image_format format)
{
	static const char *const transports[] = {
		[IMAGE_DOCKER_ARCHIVE] = "docker-archive",
		[IMAGE_OCI_ARCHIVE] = "oci-archive",
		[IMAGE_OCI_DIR] = "oci",
	};
	const char *name = name_to_save(img);
	char *text;

	if (asprintf(&text, "%s:%s%s%s", transports[format], file, name ? ":" : "",
		     name ? name : "") < 0)
		return NULL;
	return text;
}

static int open_parent(const char *path, const char **ret_name, struct volt_error *e)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent =
		slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path))
		      : strdup(".");
	int fd;

	*ret_name = slash ? slash + 1 : path;
	if (!parent)
		return fail_oom(e);
	if (!path_is_name(*ret_name))
		return fail(e, EINVAL, "'%s' is no path of a file", path);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_errno(e, "open '%s'", parent) : fd;
}

static int save_as(struct images *is, const struct image *img, int dir, const char *name,
		   enum image_format format, struct volt_error *e)
{
	_cleanup_free_ char *destination = NULL;
	char tmp[TMP_NAME_SIZE];
	int r = tmp_name(tmp);

	if (r < 0)
		return fail_code(e, r, "make a temporary name");
	destination = archive_destination(img, tmp, format);
	if (!destination)
		return fail_oom(e);
	r = copy_out(is, img, destination, NULL, dir, e);
	if (r == 0 && renameat2(dir, tmp, dir, name, RENAME_NOREPLACE) < 0)
		r = fail_errno(e, "write '%s'", name);
	if (r < 0)
		(void)remove_tree_at(dir, tmp);
	return r;
}

int image_save(struct images *is, const char *image, const char *path,
	       enum image_format format, struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	_cleanup_close_ int dir = -1;
	const char *name;
	struct stat st;
	int r = image_find(is, image, &img, e);

	if (r < 0)
		return r;
	dir = open_parent(path, &name, e);
	if (dir < 0)
		return fail_in(e, dir, "save '%s'", image);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return fail(e, EEXIST, "save '%s': '%s' exists", image, path);
	r = save_as(is, img, dir, name, format, e);
	return r < 0 ? fail_in(e, r, "save '%s'", image) : 0;
}

/* --- push --- */

static int push_destination(const struct image *img, const char *text, char **ret,
			    struct volt_error *e)
{
	_cleanup_(source_freep) struct source *s = NULL;
	_cleanup_free_ char *name = NULL;
	int r;

	if (!text)
		text = img->name ? img->name : name_to_save(img);
	if (!text)
		return fail(e, EINVAL, "the image has no name; say where to push it");
	r = source_parse(text, &s, e);
	if (r < 0)
		return r;
	if (s->kind != SOURCE_REGISTRY) {
		*ret = strdup(text);
		return *ret ? 0 : fail_oom(e);
	}
	if (s->name->has_digest)
		return fail(e, EINVAL, "'%s' has a digest: say a tag to push to", text);
	name = image_name_text(s->name);
	if (!name || asprintf(ret, "docker://%s", name) < 0) {
		*ret = NULL;
		return fail_oom(e);
	}
	return 0;
}

static void report(struct images *is, const struct image *img, unsigned done)
{
	const struct volt_progress p = { .what = "push",
					 .items = done,
					 .items_total = 1 };

	if (is->progress)
		is->progress(is->progress_data, &p);
}

int image_push(struct images *is, const char *image, const char *destination,
	       const struct image_transport *t, struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	_cleanup_free_ char *to = NULL;
	_cleanup_close_ int cwd = -1;
	int r = image_find(is, image, &img, e);

	if (r == 0)
		r = push_destination(img, destination, &to, e);
	if (r < 0)
		return r;
	cwd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	report(is, img, 0);
	r = copy_out(is, img, to, t, cwd, e);
	if (r < 0)
		return fail_in(e, r, "push '%s' to '%s'", image, to);
	report(is, img, 1);
	return 0;
}
