/* SPDX-License-Identifier: Apache-2.0 */
#include "image/skopeo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/io.h"
#include "base/json.h"
#include "base/spawn.h"

#define AUTH_FILE "auth.json"

static char *base64(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = strlen(text);
	char *ret = malloc((n + 2) / 3 * 4 + 1), *p = ret;

	for (size_t i = 0; ret && i < n; i += 3) {
		size_t left = n - i < 3 ? n - i : 3;
		uint32_t v = (uint32_t)(unsigned char)text[i] << 16;

		if (left > 1)
			v |= (uint32_t)(unsigned char)text[i + 1] << 8;
		if (left > 2)
			v |= (unsigned char)text[i + 2];
		*p++ = digits[v >> 18];
		*p++ = digits[v >> 12 & 63];
		*p++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*p++ = left > 2 ? digits[v & 63] : '=';
	}
	if (ret)
		*p = '\0';
	return ret;
}

/* Credentials for one registry, in a file that goes with the staging directory. */
static int write_auth(struct skopeo *s, const char *creds, const char *registry,
		      struct volt_error *e)
{
	_cleanup_free_ char *secret = base64(creds), *text = NULL;
	json_auto_t *j = NULL;
	int r;

	if (!secret)
		return fail_oom(e);
	j = json_pack("{s:{s:{s:s}}}", "auths", registry, "auth", secret);
	text = j ? json_text(j) : NULL;
	if (!text)
		return fail_oom(e);
	if (asprintf(&s->authfile, "%s/" AUTH_FILE, s->staging->path) < 0) {
		s->authfile = NULL;
		return fail_oom(e);
	}
	r = write_file_atomic(s->staging->dir, AUTH_FILE, text, strlen(text), 0600);
	return r < 0 ? fail_code(e, r, "write credentials") : 0;
}

int skopeo_init(struct skopeo *s, const struct staging *st,
		const struct image_transport *t, const char *registry,
		struct volt_error *e)
{
	static const struct image_transport none;

	if (!t)
		t = &none;
	*s = (struct skopeo){ .staging = st, .tls_verify = t->tls_verify };
	if (t->tls_verify && strcmp(t->tls_verify, "true") != 0 &&
	    strcmp(t->tls_verify, "false") != 0)
		return fail(e, EINVAL, "tls-verify is 'true' or 'false', not '%s'",
			    t->tls_verify);
	if (t->creds && registry)
		return write_auth(s, t->creds, registry, e);
	if (!t->authfile)
		return 0;
	s->authfile = realpath(t->authfile, NULL); /* skopeo runs somewhere else */
	return s->authfile ? 0 : fail_errno(e, "authentication file '%s'", t->authfile);
}

void skopeo_done(struct skopeo *s)
{
	free(s->authfile);
	s->authfile = NULL;
}

static int add_globals(const struct skopeo *s, struct strv *args)
{
	int r = strv_add(args, "skopeo");

	if (r == 0)
		r = strv_addf(args, "--tmpdir=%s", s->staging->path);
	if (r == 0 && s->platform)
		r = strv_add(args, "--override-os=linux");
	if (r == 0 && s->platform)
		r = strv_addf(args, "--override-arch=%s", s->platform->oci_arch);
	if (r == 0 && s->platform && s->platform->oci_variant)
		r = strv_addf(args, "--override-variant=%s", s->platform->oci_variant);
	return r;
}

/* @side is "", "src-" or "dest-". */
static int add_access(const struct skopeo *s, const char *side, struct strv *args)
{
	int r = 0;

	if (s->authfile)
		r = strv_addf(args, "--%sauthfile=%s", side, s->authfile);
	if (r == 0 && s->tls_verify)
		r = strv_addf(args, "--%stls-verify=%s", side, s->tls_verify);
	return r;
}

int skopeo_copy_args(const struct skopeo *s, const char *source, const char *destination,
		     struct strv *ret, struct volt_error *e)
{
	bool pushes = strncmp(destination, "docker:", 7) == 0;
	int r = add_globals(s, ret);

	if (r == 0)
		r = strv_add(ret, "copy");
	if (r == 0)
		r = strv_add(ret, "--quiet");
	if (r == 0)
		r = add_access(s, pushes ? "dest-" : "src-", ret);
	if (r == 0 && strncmp(destination, "oci", 3) == 0)
		r = strv_add(ret, "--dest-oci-accept-uncompressed-layers");
	if (r == 0)
		r = strv_add(ret, "--");
	if (r == 0)
		r = strv_add(ret, source);
	if (r == 0)
		r = strv_add(ret, destination);
	return r < 0 ? fail_oom(e) : 0;
}

int skopeo_run(int cwd, const struct strv *args, size_t max_out, char **ret_out,
	       struct volt_error *e)
{
	struct spawn s = SPAWN_INIT;
	struct volt_error why = { 0 };
	int r;

	s.argv = (const char *const *)args->v;
	s.cwd = cwd;
	s.die_with_parent = true;
	r = spawn_run(&s, max_out, ret_out, &why);
	if (r == -EIO)
		return skopeo_explain(why.msg, e);
	if (r < 0 && e)
		*e = why;
	return r;
}

int skopeo_raw(const struct skopeo *s, const char *source, bool config, char **ret,
	       size_t *ret_size, struct volt_error *e)
{
	_cleanup_strv_ struct strv args = { 0 };
	_cleanup_free_ char *out = NULL;
	int r = add_globals(s, &args);

	if (r == 0)
		r = strv_add(&args, "inspect");
	if (r == 0)
		r = strv_add(&args, "--raw");
	if (r == 0 && config)
		r = strv_add(&args, "--config");
	if (r == 0)
		r = add_access(s, "", &args);
	if (r == 0)
		r = strv_add(&args, "--");
	if (r == 0)
		r = strv_add(&args, source);
	if (r < 0)
		return fail_oom(e);
	r = skopeo_run(s->staging->dir, &args, config ? CONFIG_MAX : MANIFEST_MAX, &out,
		       e);
	if (r < 0)
		return r;
	*ret_size = strlen(out);
	*ret = TAKE_PTR(out);
	return 0;
}

/* --- errors --- */

/* Go's \n and \t become a space: what is said is one line. */
static char unescaped(char c)
{
	return c == 'n' || c == 't' ? ' ' : c;
}

/* The text of msg="…" in a line of its log, unescaped in place; or the whole. */
static const char *message_of(char *said)
{
	char *from = strstr(said, "msg=\""), *to;

	if (!from)
		return said;
	from += strlen("msg=\"");
	to = from;
	for (char *p = from; *p && *p != '"'; p++) {
		char c = *p == '\\' && p[1] ? unescaped(*++p) : *p;

		if (c != ' ' || to == from || to[-1] != ' ')
			*to++ = c;
	}
	if (to > from && to[-1] == ' ')
		to--;
	*to = '\0';
	return from;
}

static const struct {
	const char *said;
	int code;
	const char *advice;
} meanings[] = {
	{ "gave HTTP response to HTTPS", EPROTO,
	  "the registry does not speak TLS (--tls-verify=false allows that)" },
	{ "certificate", EPROTO, NULL },
	{ "manifest unknown", ENOENT, "there is no such image in the registry" },
	{ "name unknown", ENOENT, "there is no such image in the registry" },
	{ "repository name not known", ENOENT, "there is no such image in the registry" },
	{ "requested access to the resource is denied", EACCES,
	  "the registry has no such image, or wants a login" },
	{ "unauthorized", EACCES, "the registry wants a login" },
	{ "authentication required", EACCES, "the registry wants a login" },
	{ "invalid username/password", EACCES,
	  "the registry refuses the user name or password" },
	{ "no such host", EHOSTUNREACH, NULL },
	{ "connection refused", ECONNREFUSED, NULL },
	{ "i/o timeout", ETIMEDOUT, NULL },
	{ "unexpected EOF", ECONNRESET, "the registry ended the connection too early" },
	{ "digest did not match", EBADMSG, NULL },
	{ "no space left on device", ENOSPC, "the disk is full" },
	{ "file too large", EFBIG, "a layer is larger than the manifest says" },
	{ "no such file or directory", ENOENT, NULL },
	{ "does not resolve to an image ID", ENOENT, "there is no such image" },
	{ "identifier is not an image", ENOENT, "there is no such image" },
	{ "no descriptor found for reference", ENOENT, "there is no such image in it" },
	{ "does not exist", ENOENT, NULL },
};

int skopeo_explain(const char *said, struct volt_error *e)
{
	_cleanup_free_ char *copy = strdup(said);
	const char *text, *cause;

	if (!copy)
		return fail_oom(e);
	redact_urls(copy);
	text = message_of(copy);
	/* "Error parsing image name "…": " is what all of them begin with. */
	cause = strstr(text, "\": ");
	if (cause && strncmp(text, "Error parsing image name", 24) == 0)
		text = cause + 3;
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
		if (strcasestr(text, meanings[i].said))
			return fail(e, meanings[i].code, "%s",
				    meanings[i].advice ? meanings[i].advice : text);
	return fail(e, EIO, "%s", text);
}
