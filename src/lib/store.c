/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <syslog.h>

#include "base/error.h"
#include "lib/internal.h"
#include "store/gc.h"
#include "store/query.h"

/* Takes over @item. */
static int append(json_t *list, json_t *item)
{
	return json_array_append_new(list, item) < 0 ? -ENOMEM : 0;
}

static int add_object(void *data, const struct object_info *o)
{
	char hex[DIGEST_HEX_SIZE];

	return append(data,
		      json_pack("{s:s, s:I, s:I, s:I, s:b, s:b, s:b}", "hash",
				digest_hex(&o->digest, hex), "size", (json_int_t)o->size,
				"allocated", (json_int_t)o->allocated, "links",
				(json_int_t)o->links, "plain", o->plain, "executable",
				o->exec, "kept", o->kept));
}

int volt_store_list(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	json_auto_t *list = json_array();
	struct store *s;
	int r = ctx_store(ctx, &s, e);

	if (r == 0)
		r = store_list(s, add_object, list, e);
	if (r == -ENOMEM)
		return fail_oom(e);
	return answer(r, TAKE_PTR(list), ret, e);
}

/* What is no object may have any name. */
static json_t *text(const char *bytes)
{
	json_t *j = json_string(bytes);

	return j ? j : json_string("(a name that is not UTF-8)");
}

static void add_finding(void *data, const char *what, const char *why)
{
	(void)append(data, json_pack("{s:o, s:o}", "what", text(what), "why", text(why)));
}

int volt_store_verify(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	json_auto_t *list = json_array();
	struct store *s;
	int r = ctx_store(ctx, &s, e);

	if (r == 0)
		r = store_verify(s, add_finding, list, e);
	if (r > 0 && json_array_size(list) != (size_t)r)
		return fail_oom(e);
	return answer(r, TAKE_PTR(list), ret, e);
}

int volt_store_gc(struct volt_ctx *ctx, bool dry_run, char **ret, struct volt_error *e)
{
	struct gc_result g = { 0 };
	struct store *s;
	int r = ctx_store(ctx, &s, e);

	if (r == 0 && !dry_run)
		r = refs_sweep(ctx, e);
	if (r == 0)
		r = store_gc(s, dry_run, true, &g, e);
	if (r < 0)
		return r;
	return answer(0,
		      json_pack("{s:I, s:I, s:I, s:I}", "removed", (json_int_t)g.removed,
				"removed_bytes", (json_int_t)g.removed_bytes, "kept",
				(json_int_t)g.kept, "kept_bytes",
				(json_int_t)g.kept_bytes),
		      ret, e);
}

static int add_kind(void *data, const struct kind_usage *u)
{
	return append(data,
		      json_pack("{s:s, s:I, s:I, s:I, s:I}", "kind", u->kind, "refs",
				(json_int_t)u->refs, "objects", (json_int_t)u->objects,
				"bytes", (json_int_t)u->bytes, "allocated",
				(json_int_t)u->allocated));
}

json_t *store_usage_json(const struct store_usage *u)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "objects", (json_int_t)u->objects,
			 "bytes", (json_int_t)u->bytes, "allocated",
			 (json_int_t)u->allocated, "unreferenced",
			 (json_int_t)u->unreferenced, "unreferenced_bytes",
			 (json_int_t)u->unreferenced_bytes);
}

int volt_store_usage(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	json_auto_t *kinds = json_array(), *j = NULL;
	struct store_usage u = { 0 };
	struct store *s;
	int r = ctx_store(ctx, &s, e);

	if (r == 0)
		r = store_usage(s, &u, e);
	if (r == 0)
		r = store_usage_kinds(s, add_kind, kinds, e);
	if (r == -ENOMEM)
		return fail_oom(e);
	if (r < 0)
		return r;
	j = store_usage_json(&u);
	if (json_object_set(j, "kinds", kinds) < 0)
		return fail_oom(e);
	return answer(0, TAKE_PTR(j), ret, e);
}

struct reasons {
	struct volt_ctx *ctx;
	json_t *list;
};

static int add_reason(void *data, const struct store_reason *r)
{
	struct reasons *to = data;
	char hex[DIGEST_HEX_SIZE];

	if (r->path)
		return append(to->list,
			      json_pack("{s:s, s:s}", "ref", r->ref, "path", r->path));
	return append(to->list, json_pack("{s:s, s:s}", "ref", r->ref, "list",
					  digest_hex(r->list, hex)));
}

static void warn_of(void *data, const char *what, const char *why)
{
	struct reasons *to = data;

	log_line(&to->ctx->log, LOG_WARNING, "ref '%s' is left out: %s", what, why);
}

int volt_store_why(struct volt_ctx *ctx, const char *hash, char **ret,
		   struct volt_error *e)
{
	struct reasons to = { .ctx = ctx };
	const struct store_asker asker = { .reason = add_reason,
					   .bad = warn_of,
					   .data = &to };
	json_auto_t *list = json_array();
	char hex[DIGEST_HEX_SIZE];
	struct store *s;
	struct digest d;
	int r = ctx_store(ctx, &s, e);

	to.list = list;
	if (r == 0)
		r = store_find(s, hash, &d, e);
	if (r == 0)
		r = store_why(s, &d, &asker, e);
	if (r == -ENOMEM)
		return fail_oom(e);
	if (r < 0)
		return r;
	return answer((int)json_array_size(list),
		      json_pack("{s:s, s:O}", "hash", digest_hex(&d, hex), "refs", list),
		      ret, e);
}
