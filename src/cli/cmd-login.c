/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/registry.h"

static struct registry registry = { .tls_verify = -1 };
static const char *password, *user;
static int password_stdin;

static const struct poptOption options[] = {
	OPTION_AUTHFILE(registry),
	{ "password", 'p', POPT_ARG_STRING, &password, 0,
	  "Other users of the host can see it here; better typed, or on stdin",
	  "PASSWORD" },
	{ "password-stdin", 0, POPT_ARG_NONE, &password_stdin, 0,
	  "Take the password from stdin", NULL },
	OPTION_TLS_VERIFY(registry),
	{ "username", 'u', POPT_ARG_STRING, &user, 0, "Name at the registry", "NAME" },
	POPT_TABLEEND
};

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	_cleanup_free_ char *asked_user = NULL, *asked_password = NULL, *text = NULL;
	json_auto_t *j = json_object();
	int r;

	if (password && password_stdin)
		return fail(e, EINVAL,
			    "'--password' and '--password-stdin' exclude each other");
	if (password_stdin && !user)
		return fail(e, EINVAL, "'--password-stdin' needs '--username'");
	if (!user && (r = ask_line("Username: ", false, &asked_user, e)) < 0)
		return r;
	if (!password && (r = ask_line(password_stdin ? "" : "Password: ", true,
				       &asked_password, e)) < 0)
		return r;
	r = put_registry(j, &registry);
	if (r < 0 || put_word(j, "registry", argv[0]) < 0 ||
	    put_word(j, "username", user ? user : asked_user) < 0 ||
	    put_word(j, "password", password ? password : asked_password) < 0)
		r = -1;
	r = options_text(j, r, &text, e);
	if (r == 0)
		r = volt_login(ctx, text, e);
	if (r == 0)
		(void)puts("Login Succeeded!");
	if (text)
		explicit_bzero(text, strlen(text));
	if (asked_password)
		explicit_bzero(asked_password, strlen(asked_password));
	return r;
}

const struct cmd cmd_login = {
	.name = "login",
	.args = "REGISTRY",
	.help = "Prove and keep credentials for a registry",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
