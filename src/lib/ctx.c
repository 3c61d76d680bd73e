/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * A context is two directory descriptors, root and run, below which everything is opened.
 * They are all it opens at first, so that what looks at machines only (`volt ps`) pays
 * nothing for the store and the images; those come with the first call that needs them.
 * Nothing is cached between calls: other processes work on the same root.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/path.h"
#include "image/image.h"
#include "lib/internal.h"
#include "store/store.h"

#define ROOT_MODE 0700 /* images and machines may hold secrets */

const char *volt_version(void)
{
	return VERSION;
}

/* "$VARIABLE/volt", or "HOME/.local/share/volt" as the XDG specification has it. */
static int user_root(char **ret, struct volt_error *e)
{
	const char *data = secure_getenv("XDG_DATA_HOME"), *home = secure_getenv("HOME");
	int n;

	if (data && data[0] == '/')
		n = asprintf(ret, "%s/volt", data);
	else if (home && home[0] == '/')
		n = asprintf(ret, "%s/.local/share/volt", home);
	else
		return fail(e, ENOENT,
			    "where to keep images and machines? HOME and XDG_DATA_HOME "
			    "are not set; name a directory with --root");
	return n < 0 ? fail_oom(e) : 0;
}

/* The run directory's sockets have short names only if its own is short, so it does not
 * follow a root that was asked for beneath a deep directory: see control_connect(). */
static int user_run(char **ret, struct volt_error *e)
{
	const char *run = secure_getenv("XDG_RUNTIME_DIR");
	char path[64];
	struct stat st;
	int n;

	(void)snprintf(path, sizeof(path), "/run/user/%u", (unsigned int)geteuid());
	if (!run || run[0] != '/')
		run = stat(path, &st) == 0 && st.st_uid == geteuid() ? path : NULL;
	if (run)
		n = asprintf(ret, "%s/volt", run);
	else
		return fail(e, ENOENT,
			    "where to keep sockets? XDG_RUNTIME_DIR is not set and '%s' "
			    "is not there: log in through PAM, or use --root DIR",
			    path);
	return n < 0 ? fail_oom(e) : 0;
}

static int choose_directories(struct volt_ctx *ctx, const char *root,
			      struct volt_error *e)
{
	int r;

	if (root) {
		ctx->root = strdup(root);
		return ctx->root && asprintf(&ctx->run, "%s/run", root) >= 0
			       ? 0
			       : fail_oom(e);
	}
	if (geteuid() == 0) {
		ctx->root = strdup("/var/lib/volt");
		ctx->run = strdup("/run/volt");
		return ctx->root && ctx->run ? 0 : fail_oom(e);
	}
	r = user_root(&ctx->root, e);
	return r < 0 ? r : user_run(&ctx->run, e);
}

int volt_ctx_new(const char *root, struct volt_ctx **ret, struct volt_error *e)
{
	struct volt_ctx *ctx = calloc(1, sizeof(*ctx));
	int r;

	if (!ctx)
		return fail_oom(e);
	ctx->rootfd = ctx->runfd = -1;
	ctx->root_given = root != NULL;
	r = choose_directories(ctx, root, e);
	if (r == 0) {
		ctx->rootfd = r = mkdir_open(ctx->root, ROOT_MODE);
		if (r < 0)
			(void)fail_code(e, r, "open '%s'", ctx->root);
	}
	if (r >= 0) {
		ctx->runfd = r = mkdir_open(ctx->run, ROOT_MODE);
		if (r < 0)
			(void)fail_code(e, r, "open '%s'", ctx->run);
	}
	if (r < 0) {
		volt_ctx_free(ctx);
		return r;
	}
	*ret = ctx;
	return 0;
}

void volt_ctx_free(struct volt_ctx *ctx)
{
	if (!ctx)
		return;
	images_close(ctx->images);
	store_close(ctx->store);
	closep(&ctx->rootfd);
	closep(&ctx->runfd);
	free(ctx->supervisor);
	free(ctx->init);
	free(ctx->qemu_dir);
	free(ctx->root);
	free(ctx->run);
	free(ctx);
}

void volt_set_log(struct volt_ctx *ctx, volt_log_fn fn, void *data)
{
	ctx->log = (struct log){ fn, data };
	if (ctx->images)
		images_set_log(ctx->images, &ctx->log);
}

void volt_set_progress(struct volt_ctx *ctx, volt_progress_fn fn, void *data)
{
	ctx->progress_fn = fn;
	ctx->progress_data = data;
	if (ctx->images)
		images_set_progress(ctx->images, fn, data);
}

int volt_set_qemu(struct volt_ctx *ctx, const char *directory, struct volt_error *e)
{
	char *copy = NULL;

	if (directory && directory[0] != '/')
		return fail(e, EINVAL, "'%s' is not an absolute path", directory);
	if (directory && !(copy = strdup(directory)))
		return fail_oom(e);
	free(ctx->qemu_dir);
	ctx->qemu_dir = copy;
	return 0;
}

int ctx_store(struct volt_ctx *ctx, struct store **ret, struct volt_error *e)
{
	int r = ctx->store ? 0 : store_open(ctx->rootfd, &ctx->store, e);

	if (r == 0)
		*ret = ctx->store;
	return r;
}

int ctx_images(struct volt_ctx *ctx, struct images **ret, struct volt_error *e)
{
	struct store *s;
	int r;

	if (!ctx->images) {
		r = ctx_store(ctx, &s, e);
		if (r == 0)
			r = images_open(ctx->rootfd, s, &ctx->images, e);
		if (r < 0)
			return r;
		images_set_log(ctx->images, &ctx->log);
		images_set_progress(ctx->images, ctx->progress_fn, ctx->progress_data);
		image_begin_early(ctx);
	}
	*ret = ctx->images;
	return 0;
}

const struct vm_env *ctx_env(struct volt_ctx *ctx)
{
	ctx->env = (struct vm_env){ .rootfd = ctx->rootfd,
				    .runfd = ctx->runfd,
				    .supervisor = ctx->supervisor,
				    .qemu_dir = ctx->qemu_dir,
				    .store = ctx->store,
				    .init = ctx->init,
				    .log = &ctx->log };
	return &ctx->env;
}

int ctx_start_env(struct volt_ctx *ctx, const char *arch, struct volt_error *e)
{
	struct store *store;
	int r;

	free(TAKE_PTR(ctx->init));
	if ((arch && (r = find_init(arch, &ctx->init, e)) < 0) ||
	    (r = ctx_store(ctx, &store, e)) < 0)
		return r;
	if (!ctx->supervisor)
		r = find_supervisor(&ctx->supervisor, e);
	(void)ctx_env(ctx);
	return r;
}
