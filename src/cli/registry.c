/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/registry.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "cli/progress.h"

int put_word(json_t *j, const char *key, const char *value)
{
	return value ? json_object_set_new(j, key, json_string(value)) : 0;
}

int put_list(json_t *j, const char *key, const char **values)
{
	json_t *list;

	if (!values)
		return 0;
	list = json_array();
	for (; *values; values++)
		if (json_array_append_new(list, json_string(*values)) < 0) {
			json_decref(list);
			return -1;
		}
	return json_object_set_new(j, key, list);
}

int put_registry(json_t *j, const struct registry *r)
{
	if (put_word(j, "authfile", r->authfile) < 0 ||
	    put_word(j, "creds", r->creds) < 0)
		return -1;
	return r->tls_verify < 0 ? 0
				 : json_object_set_new(j, "tls_verify",
						       json_boolean(r->tls_verify));
}

int options_text(json_t *j, int r, char **ret, struct volt_error *e)
{
	if (r < 0)
		return fail(e, EINVAL, "an option is not UTF-8");
	*ret = json_text(j);
	return *ret ? 0 : fail_oom(e);
}

int transfer_begin(struct volt_ctx *ctx, const struct registry *how, json_t *j, int r,
		   char **ret, struct volt_error *e)
{
	r = options_text(j, r, ret, e);
	if (r == 0 && !how->quiet)
		progress_show(ctx);
	return r;
}

int transfer_end(int r, const char *made)
{
	progress_clear();
	if (r == 0)
		(void)puts(made);
	return r;
}

int make_and_print(struct volt_ctx *ctx, json_t *j, int r,
		   int (*make)(struct volt_ctx *ctx, const char *options, char **ret,
			       struct volt_error *e),
		   struct volt_error *e)
{
	_cleanup_free_ char *text = NULL, *made = NULL;

	r = options_text(j, r, &text, e);
	if (r < 0)
		return r;
	r = make(ctx, text, &made, e);
	return transfer_end(r, made);
}
