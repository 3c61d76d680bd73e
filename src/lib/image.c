/* SPDX-License-Identifier: Apache-2.0 */

#include "image/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/error.h"
#include "base/strv.h"
#include "image/build.h"
#include "image/transfer.h"
#include "lib/internal.h"
#include "rootfs/rootfs.h"
#include "store/gc.h"

static char *digest_copy(const struct digest *d)
{
	char text[DIGEST_OCI_SIZE];

	return strdup(digest_oci(d, text));
}

static void begin_root(void *data, struct store *s, const struct digest *tree)
{
	const struct volt_ctx *ctx = data;
	int fd = rootfs_erofs(ctx->rootfd, s, tree, NULL);

	closep(&fd);
}

static void undo_root(void *data, const struct digest *tree)
{
	const struct volt_ctx *ctx = data;

	if (!store_has(ctx->store, tree, OBJECT_PLAIN))
		(void)rootfs_evict(ctx->rootfd, tree, NULL);
}

void image_begin_early(struct volt_ctx *ctx)
{
	const struct image_head_start h = { begin_root, undo_root, ctx };

	images_set_head_start(ctx->images, &h);
}

/* Done at pull, so that nothing is left to do at run. */
static int make_ready(struct volt_ctx *ctx, const struct image *img, char **ret,
		      struct volt_error *e)
{
	const struct volt_progress p = { .what = "rootfs", .total = img->size };
	_cleanup_close_ int fd = -1;

	if (ctx->progress_fn)
		ctx->progress_fn(ctx->progress_data, &p);
	fd = rootfs_erofs(ctx->rootfd, ctx->store, &img->tree, e);
	if (fd < 0)
		return fail_in(e, fd, "make a root file system of the image");
	if (ret && !(*ret = digest_copy(&img->manifest)))
		return fail_oom(e);
	return 0;
}

int volt_pull(struct volt_ctx *ctx, const char *image, const char *options, char **ret,
	      struct volt_error *e)
{
	static const char *const known[] = { "arch",  "tls_verify", "authfile",
					     "creds", "policy",     NULL };
	_cleanup_(image_freep) struct image *img = NULL;
	const char *policy = "always";
	struct image_pull o = { 0 };
	json_auto_t *j = NULL;
	struct images *is;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_string(j, "arch", &o.arch, e)) < 0 ||
	    (r = json_get_string(j, "policy", &policy, e)) < 0 ||
	    (r = image_policy_parse(policy, &o.policy, e)) < 0 ||
	    (r = transport_from(j, &o.transport, e)) < 0 ||
	    (r = ctx_images(ctx, &is, e)) < 0 ||
	    (r = image_pull(is, image, &o, &img, e)) < 0)
		return r;
	return make_ready(ctx, img, ret, e);
}

int volt_push(struct volt_ctx *ctx, const char *image, const char *destination,
	      const char *options, struct volt_error *e)
{
	static const char *const known[] = { "tls_verify", "authfile", "creds", NULL };
	struct image_transport t;
	json_auto_t *j = NULL;
	struct images *is;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = transport_from(j, &t, e)) < 0 || (r = ctx_images(ctx, &is, e)) < 0)
		return r;
	return image_push(is, image, destination, &t, e);
}

/* Pointers into the document; the lists are ours. */
struct build {
	const char *tag, *context;
	struct image_binary binary;
	struct image_context from;
};

static void build_done(struct build *b)
{
	free((void *)b->binary.entrypoint);
	free((void *)b->binary.cmd);
	free((void *)b->binary.env);
	free((void *)b->binary.ports);
	free((void *)b->binary.labels);
	free((void *)b->from.build_args);
}

static int parse_binary(const json_t *j, struct image_binary *b, struct volt_error *e)
{
	int r;

	if ((r = json_get_string(j, "binary", &b->path, e)) < 0 ||
	    (r = json_get_string(j, "name_in_image", &b->name_in_image, e)) < 0 ||
	    (r = json_get_string(j, "workdir", &b->workdir, e)) < 0 ||
	    (r = json_get_string(j, "user", &b->user, e)) < 0 ||
	    (r = json_get_string(j, "arch", &b->arch, e)) < 0 ||
	    (r = document_list(j, "entrypoint", &b->entrypoint, e)) < 0 ||
	    (r = document_list(j, "cmd", &b->cmd, e)) < 0 ||
	    (r = document_list(j, "env", &b->env, e)) < 0 ||
	    (r = document_list(j, "ports", &b->ports, e)) < 0)
		return r;
	return document_list(j, "labels", &b->labels, e);
}

static int parse_context(const json_t *j, struct image_context *c, struct volt_error *e)
{
	int r;

	if ((r = json_get_string(j, "context", &c->directory, e)) < 0 ||
	    (r = json_get_string(j, "containerfile", &c->containerfile, e)) < 0 ||
	    (r = json_get_string(j, "target", &c->target, e)) < 0 ||
	    (r = json_get_string(j, "arch", &c->arch, e)) < 0)
		return r;
	return document_list(j, "build_args", &c->build_args, e);
}

static int parse_build(const json_t *j, struct build *b, struct volt_error *e)
{
	int r;

	if ((r = json_get_string(j, "tag", &b->tag, e)) < 0 ||
	    (r = parse_binary(j, &b->binary, e)) < 0 ||
	    (r = parse_context(j, &b->from, e)) < 0)
		return r;
	if (!b->tag)
		return fail(e, EINVAL, "an image to build needs a 'tag'");
	if (!b->binary.path == !b->from.directory)
		return fail(e, EINVAL, "one of 'binary' and 'context' must be given");
	return 0;
}

int volt_build(struct volt_ctx *ctx, const char *options, char **ret,
	       struct volt_error *e)
{
	static const char *const known[] = {
		"tag",           "binary",     "name_in_image", "entrypoint",
		"cmd",           "env",        "workdir",       "user",
		"ports",         "labels",     "arch",          "context",
		"containerfile", "build_args", "target",        NULL
	};
	_cleanup_(image_freep) struct image *img = NULL;
	_cleanup_(build_done) struct build b = { 0 };
	json_auto_t *j = NULL;
	struct images *is;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = parse_build(j, &b, e)) < 0 || (r = ctx_images(ctx, &is, e)) < 0)
		return r;
	r = b.binary.path ? image_build_binary(is, &b.binary, b.tag, &img, e)
			  : image_build_context(is, &b.from, b.tag, &img, e);
	return r < 0 ? r : make_ready(ctx, img, ret, e);
}

int volt_login(struct volt_ctx *ctx, const char *options, struct volt_error *e)
{
	static const char *const known[] = { "registry", "username",   "password",
					     "authfile", "tls_verify", NULL };
	const char *registry = NULL, *user = NULL, *password = NULL;
	struct image_transport t;
	json_auto_t *j = NULL;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_string(j, "registry", &registry, e)) < 0 ||
	    (r = json_get_string(j, "username", &user, e)) < 0 ||
	    (r = json_get_string(j, "password", &password, e)) < 0 ||
	    (r = transport_from(j, &t, e)) < 0)
		return r;
	if (!registry || !user || !password)
		return fail(e, EINVAL,
			    "a login needs 'registry', 'username' and 'password'");
	return image_login(registry, user, password, &t, e);
}

int volt_logout(struct volt_ctx *ctx, const char *options, struct volt_error *e)
{
	static const char *const known[] = { "registry", "authfile", "all", NULL };
	const char *registry = NULL;
	struct image_transport t;
	json_auto_t *j = NULL;
	bool all = false;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_string(j, "registry", &registry, e)) < 0 ||
	    (r = json_get_bool(j, "all", &all, e)) < 0 ||
	    (r = transport_from(j, &t, e)) < 0)
		return r;
	if (all == (registry != NULL))
		return fail(e, EINVAL, "a logout is from one 'registry' or from 'all'");
	return image_logout(registry, &t, e);
}

int volt_image_exists(struct volt_ctx *ctx, const char *image, struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	struct images *is;
	int r = ctx_images(ctx, &is, e);

	if (r == 0)
		r = image_find(is, image, &img, e);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int volt_image_list(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	struct images *is;
	json_t *j = NULL;
	int r = ctx_images(ctx, &is, e);

	if (r == 0)
		r = image_list(is, &j, e);
	return answer(r, j, ret, e);
}

int volt_image_inspect(struct volt_ctx *ctx, const char *image, char **ret,
		       struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	struct images *is;
	json_t *j = NULL;
	int r = ctx_images(ctx, &is, e);

	if (r == 0)
		r = image_find(is, image, &img, e);
	if (r == 0)
		r = image_inspect(is, img, &j, e);
	return answer(r, j, ret, e);
}

int volt_image_tag(struct volt_ctx *ctx, const char *image, const char *name,
		   struct volt_error *e)
{
	struct images *is;
	int r = ctx_images(ctx, &is, e);

	return r < 0 ? r : image_tag(is, image, name, e);
}

int volt_image_untag(struct volt_ctx *ctx, const char *image, const char *name,
		     struct volt_error *e)
{
	struct images *is;
	int r = ctx_images(ctx, &is, e);

	return r < 0 ? r : image_untag(is, image, name, e);
}

static json_t *strings(const struct strv *list)
{
	json_t *j = json_array();

	strv_foreach(word, list->v)
		(void)json_array_append_new(j, json_string(*word));
	return j;
}

/* Root file systems of images that are gone. A machine that runs keeps the file open. What
 * stays costs disk only, so a failure is said and no more. */
static void evict(struct volt_ctx *ctx, const struct image_removed *gone)
{
	struct volt_error why = { 0 };

	for (size_t i = 0; i < gone->n_trees; i++)
		if (rootfs_evict(ctx->rootfd, &gone->trees[i], &why) < 0)
			log_line(&ctx->log, LOG_WARNING, "%s", why.msg);
}

/* Removes every machine that was made from @img. */
static int remove_machines(struct volt_ctx *ctx, const struct image *img,
			   struct volt_error *e)
{
	_cleanup_(machine_list_done) struct machine_list l = { 0 };
	int r = machine_list(ctx_env(ctx), &l, e);

	for (size_t i = 0; r == 0 && i < l.n; i++) {
		_cleanup_(machine_closep) struct machine *m = NULL;
		const struct spec *s;

		if (machine_open(ctx_env(ctx), l.v[i].id, &m, NULL) < 0 ||
		    machine_spec(m, &s, NULL) < 0)
			continue;
		if (digest_equal(&s->image.digest, &img->manifest))
			r = machine_remove(m, true, e);
	}
	return r;
}

/* Podman's --force: the machines go with an image that goes, not with one of its names. */
static int remove_users(struct volt_ctx *ctx, const char *image, bool whole,
			struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	int r = image_find_bare(ctx->images, image, &img, e);

	if (r == 0 && (whole || !img->name || img->names.n <= 1))
		r = remove_machines(ctx, img, e);
	return r;
}

int volt_image_remove(struct volt_ctx *ctx, const char *image, unsigned int flags,
		      char **ret, struct volt_error *e)
{
	_cleanup_(image_removed_done) struct image_removed gone = { 0 };
	struct images *is;
	int r;

	if (flags & ~(VOLT_REMOVE_FORCE | VOLT_REMOVE_WHOLE))
		return fail(e, EINVAL, "remove '%s': there are no flags %#x", image,
			    flags);
	r = ctx_images(ctx, &is, e);
	if (r == 0 && (flags & VOLT_REMOVE_FORCE))
		r = remove_users(ctx, image, flags & VOLT_REMOVE_WHOLE, e);
	if (r == 0)
		r = refs_sweep(ctx, e);
	if (r == 0)
		r = image_remove(is, image, flags, &gone, e);
	if (r < 0)
		return r;
	evict(ctx, &gone);
	return answer(0,
		      json_pack("{s:o, s:o}", "untagged", strings(&gone.untagged),
				"deleted", strings(&gone.deleted)),
		      ret, e);
}

int volt_image_prune(struct volt_ctx *ctx, bool all, char **ret, struct volt_error *e)
{
	_cleanup_(image_removed_done) struct image_removed gone = { 0 };
	struct volt_error why = { 0 };
	struct images *is;
	int r = ctx_images(ctx, &is, e);

	if (r == 0)
		r = refs_sweep(ctx, e);
	if (r == 0)
		r = image_prune(is, all, &gone, e);
	if (r < 0)
		return r;
	evict(ctx, &gone);
	if (rootfs_sweep(ctx->rootfd, ctx->store, &why) < 0)
		log_line(&ctx->log, LOG_WARNING, "%s", why.msg);
	return answer(0,
		      json_pack("{s:o, s:I}", "deleted", strings(&gone.deleted), "bytes",
				(json_int_t)gone.bytes),
		      ret, e);
}

int volt_image_load(struct volt_ctx *ctx, const char *path, char **ret,
		    struct volt_error *e)
{
	_cleanup_strv_ struct strv names = { 0 };
	struct images *is;
	int r = ctx_images(ctx, &is, e);

	if (r == 0)
		r = image_load(is, path, &names, e);
	strv_foreach(name, names.v) {
		_cleanup_(image_freep) struct image *img = NULL;

		if (r == 0)
			r = image_find(is, *name, &img, e);
		if (r == 0)
			r = make_ready(ctx, img, NULL, e);
	}
	return r < 0 ? r : answer(0, strings(&names), ret, e);
}

int volt_image_save(struct volt_ctx *ctx, const char *image, const char *path,
		    const char *format, struct volt_error *e)
{
	enum image_format f;
	struct images *is;
	int r;

	if ((r = image_format_parse(format, &f, e)) < 0 ||
	    (r = ctx_images(ctx, &is, e)) < 0)
		return r;
	return image_save(is, image, path, f, e);
}
