/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>

#include "volt.h"

#include "base/json.h"

/* What commands that talk to a registry share. */
struct registry {
	const char *authfile, *creds;
	int tls_verify; /* -1: not said */
	int quiet;
};

#define OPTION_AUTHFILE(r)                                                  \
	{                                                                   \
		"authfile", 0, POPT_ARG_STRING, &(r).authfile, 0,           \
			"Keep or take registry credentials in FILE", "FILE" \
	}
#define OPTION_CREDS(r)                                                   \
	{                                                                 \
		"creds", 0, POPT_ARG_STRING, &(r).creds, 0,               \
			"Credentials for the registry", "USER[:PASSWORD]" \
	}
#define OPTION_TLS_VERIFY(r)                                                        \
	{                                                                           \
		"tls-verify", 0, POPT_ARG_NONE, &(r).tls_verify, 0,                 \
			"Insist on a registry's certificate; =false does not", NULL \
	}

/* Adds what was said to @j, and to nothing where @value is NULL or -1. -1: not UTF-8, or no memory. */
int put_registry(json_t *j, const struct registry *r);
int put_word(json_t *j, const char *key, const char *value);
int put_list(json_t *j, const char *key, const char **values);

/* The document as text for the library, unless @r says that one of these failed. The
 * caller frees. */
int options_text(json_t *j, int r, char **ret, struct volt_error *e);

/* The same; from now on progress is shown, unless that is not wanted. */
int transfer_begin(struct volt_ctx *ctx, const struct registry *how, json_t *j, int r,
		   char **ret, struct volt_error *e);

/* No more progress; what was made is printed if @r is 0. Returns @r. */
int transfer_end(int r, const char *made);

/* options_text(), for the library to make something of it, whose name is printed. */
int make_and_print(struct volt_ctx *ctx, json_t *j, int r,
		   int (*make)(struct volt_ctx *ctx, const char *options, char **ret,
			       struct volt_error *e),
		   struct volt_error *e);
