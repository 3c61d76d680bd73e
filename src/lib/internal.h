/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "volt.h"

#include "base/json.h"
#include "base/log.h"
#include "base/macro.h"
#include "vm/machine.h"

struct store;
struct images;
struct image;
struct image_transport;

/* Opened when first needed: `ps` looks at machines only. */
struct volt_ctx {
	char *root, *run; /* as given, for people */
	bool root_given;
	int rootfd, runfd;
	struct log log;
	volt_progress_fn progress_fn;
	void *progress_data;
	char *supervisor, *init, *qemu_dir;
	struct vm_env env;
	struct store *store;
	struct images *images;
};

struct volt_machine {
	struct volt_ctx *ctx;
	struct machine *m;
	int64_t resolved; /* when its image was found, if this handle made it */
};

DEFINE_CLEANUP(struct volt_machine *, volt_machine_free)

int ctx_store(struct volt_ctx *ctx, struct store **ret, struct volt_error *e);
int ctx_images(struct volt_ctx *ctx, struct images **ret, struct volt_error *e);
const struct vm_env *ctx_env(struct volt_ctx *ctx);

/* Completes it with what starting a guest of @arch needs; NULL: one without volt's init. */
int ctx_start_env(struct volt_ctx *ctx, const char *arch, struct volt_error *e);

/* Takes over @a, also on failure. */
struct attach;
int attach_wrap(struct volt_machine *m, struct attach *a, struct volt_attach **ret,
		struct volt_error *e);

/* Files of this volt, installed or in the build tree; @arch is volt's word. The caller
 * frees. -ENOENT with a message where there is none. */
int find_supervisor(char **ret, struct volt_error *e);
int find_init(const char *arch, char **ret, struct volt_error *e);
int find_kernel_config(const char *arch, char **ret, struct volt_error *e);
int find_recipe(const char *profile, char **ret, struct volt_error *e);

/* Is there the kernel @name (NULL: the default one) for @arch (NULL: the host's)? -ENOENT
 * says what to do. */
int kernel_check(struct volt_ctx *ctx, const char *name, const char *arch,
		 struct volt_error *e);

/* The same for a Nanos guest. Where there is none at all the newest that ops has is
 * imported, and the log told. */
int nanos_kernel_check(struct volt_ctx *ctx, const char *name, const char *arch,
		       struct volt_error *e);

/* The kernel that a Nanos guest would get which names none, in words. Imports nothing. */
int nanos_kernel_find(struct volt_ctx *ctx, char **ret, struct volt_error *e);

/* Options a caller passed in: an object with no other members than @known (NULL ends);
 * NULL is an empty one. The caller owns *@ret. */
int document_parse(const char *text, const char *const *known, json_t **ret,
		   struct volt_error *e);

/* A list member as an array of borrowed strings that ends with NULL, to be given to
 * free(); NULL where the member is absent. */
int document_list(const json_t *j, const char *key, const char *const **ret,
		  struct volt_error *e);

/* What the library answers with: @j, whose reference is taken, as text. @r passes on. */
int answer(int r, json_t *j, char **ret, struct volt_error *e);

/* Has ctx->images make the root file system of what it pulls while it stores it. */
void image_begin_early(struct volt_ctx *ctx);

int transport_from(const json_t *options, struct image_transport *t,
		   struct volt_error *e);

/* Members that volt_info() and volt_store_usage() share. */
struct store_usage;
json_t *store_usage_json(const struct store_usage *u);

/* Drops the refs of machines that removed themselves; the context's store is open. */
int refs_sweep(struct volt_ctx *ctx, struct volt_error *e);

/* The machine that has the name: not one whose id begins like it. -ENOENT. */
int find_named(struct volt_ctx *ctx, const char *name, struct machine **ret);

/* "replace" of @options: a machine that has the name of @s goes, unless what can be known
 * now speaks against the new one ("start": being started, "lock": being written down). */
int replace_named(struct volt_ctx *ctx, const struct spec *s, const json_t *options,
		  struct volt_error *e);

/* Completes @s from its image's config: what runs in the guest and how. */
int process_make(struct spec *s, const struct image *img, struct volt_error *e);
