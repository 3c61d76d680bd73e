/* SPDX-License-Identifier: Apache-2.0 */
#include "image/name.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define DEFAULT_REGISTRY  "docker.io"
#define DEFAULT_NAMESPACE "library/"
#define DEFAULT_TAG       "latest"
#define PATH_NAME_MAX     255
#define TAG_MAX           128

void image_name_free(struct image_name *n)
{
	if (!n)
		return;
	free(n->registry);
	free(n->repository);
	free(n->tag);
	free(n);
}

static bool is_lower(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Between two letters of a repository: ".", "_", "__" or any number of "-". */
static size_t separator(const char *s)
{
	if (*s == '.')
		return 1;
	if (*s == '_')
		return s[1] == '_' ? 2 : 1;
	return strspn(s, "-");
}

/* letters { separator letters }, parts divided by single slashes. */
static bool repository_is_valid(const char *s)
{
	for (;;) {
		size_t n;

		if (!is_lower(*s))
			return false;
		while (is_lower(*s))
			s++;
		if (*s == '\0')
			return true;
		n = *s == '/' ? 1 : separator(s);
		if (n == 0)
			return false;
		s += n;
	}
}

static bool port_is_valid(const char *s)
{
	size_t n = strspn(s, "0123456789");
	long port = strtol(s, NULL, 10);

	return n > 0 && n <= 5 && s[n] == '\0' && port > 0 && port <= 65535;
}

/* A host name, an IPv4 address or an IPv6 address in brackets, and perhaps a port. */
static bool registry_is_valid(const char *s)
{
	size_t n;

	if (*s == '[') {
		n = 1 + strspn(s + 1, "0123456789abcdefABCDEF:.");
		if (n == 1 || s[n] != ']')
			return false;
		n++;
	} else {
		n = strcspn(s, ":");
		for (size_t i = 0; i < n; i++) {
			bool dash = s[i] == '-' || s[i] == '.';
			bool edge = i == 0 || i == n - 1 || s[i - 1] == '.' ||
				    s[i + 1] == '.';

			if (!isalnum((unsigned char)s[i]) && !(dash && !edge))
				return false;
		}
		if (n == 0)
			return false;
	}
	return s[n] == '\0' || (s[n] == ':' && port_is_valid(s + n + 1));
}

static bool tag_is_valid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > TAG_MAX || *s == '.' || *s == '-')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	return true;
}

static int invalid(const char *text, const char *why, struct volt_error *e)
{
	return fail(e, EINVAL, "image name '%.300s': %s", text, why);
}

/* Takes "@sha256:…" off the end. */
static int split_digest(char *s, const char *text, struct image_name *n,
			struct volt_error *e)
{
	char *at = strchr(s, '@');
	int r;

	if (!at)
		return 0;
	r = digest_parse_oci(at + 1, &n->digest);
	if (r == -ENOTSUP)
		return fail(e, ENOTSUP,
			    "image name '%.300s': only sha256 digests are known", text);
	if (r < 0)
		return invalid(
			text, "the digest is not 'sha256:' and 64 hexadecimal digits", e);
	n->has_digest = true;
	*at = '\0';
	return 0;
}

/* Takes ":TAG" off the end; a colon before the last slash is a port's. */
static int split_tag(char *s, const char *text, struct image_name *n,
		     struct volt_error *e)
{
	char *slash = strrchr(s, '/');
	char *colon = strchr(slash ? slash : s, ':');
	const char *tag = n->has_digest ? NULL : DEFAULT_TAG;

	if (colon) {
		*colon = '\0';
		tag = colon + 1;
		if (!tag_is_valid(tag))
			return invalid(text, "the tag is not one", e);
	}
	if (!tag)
		return 0;
	n->tag = strdup(tag);
	return n->tag ? 0 : fail_oom(e);
}

/* The registry of @s, whose first part it is, or NULL. */
static char *find_registry(char *s)
{
	char *slash = strchr(s, '/');
	bool is;

	if (!slash)
		return NULL;
	*slash = '\0';
	is = strpbrk(s, ".:") || strcmp(s, "localhost") == 0;
	for (const char *p = s; *p && !is; p++)
		is = isupper((unsigned char)*p);
	if (!is)
		*slash = '/';
	return is ? s : NULL;
}

static int split_registry(char *s, const char *text, struct image_name *n,
			  struct volt_error *e)
{
	const char *registry = find_registry(s), *rest = s, *space = "";

	if (registry) {
		rest = registry + strlen(registry) + 1;
		if (!registry_is_valid(registry))
			return invalid(text,
				       "the registry is not a host name with a port", e);
		if (strcmp(registry, "index.docker.io") == 0)
			registry = DEFAULT_REGISTRY;
	} else {
		n->short_name = true;
		registry = DEFAULT_REGISTRY;
	}
	if (!repository_is_valid(rest))
		return invalid(
			text,
			"the repository is not made of lower-case letters, digits and separators",
			e);
	if (strcmp(registry, DEFAULT_REGISTRY) == 0 && !strchr(rest, '/'))
		space = DEFAULT_NAMESPACE;
	n->registry = strdup(registry);
	if (!n->registry || asprintf(&n->repository, "%s%s", space, rest) < 0) {
		n->repository = NULL;
		return fail_oom(e);
	}
	if (strlen(n->registry) + 1 + strlen(n->repository) > PATH_NAME_MAX)
		return invalid(text, "it is longer than 255 bytes", e);
	return 0;
}

int image_name_parse(const char *text, struct image_name **ret, struct volt_error *e)
{
	_cleanup_(image_name_freep) struct image_name *n = calloc(1, sizeof(*n));
	_cleanup_free_ char *s = NULL;
	int r;

	if (!n)
		return fail_oom(e);
	if (*text == '\0')
		return fail(e, EINVAL, "an image name is missing");
	if (strlen(text) > IMAGE_NAME_MAX)
		return invalid(text, "it is too long", e);
	s = strdup(text);
	if (!s)
		return fail_oom(e);
	r = split_digest(s, text, n, e);
	if (r == 0)
		r = split_tag(s, text, n, e);
	if (r == 0)
		r = split_registry(s, text, n, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(n);
	return 0;
}

static char *compose(const struct image_name *n, const char *registry,
		     const char *repository)
{
	char digest[DIGEST_OCI_SIZE] = "";
	char *s;

	if (n->has_digest)
		(void)digest_oci(&n->digest, digest);
	if (asprintf(&s, "%s/%s%s%s%s%s", registry, repository, n->tag ? ":" : "",
		     n->tag ? n->tag : "", n->has_digest ? "@" : "", digest) < 0)
		return NULL;
	return s;
}

char *image_name_text(const struct image_name *n)
{
	return compose(n, n->registry, n->repository);
}

char *image_name_localhost(const struct image_name *n)
{
	const char *repository = n->repository;

	if (n->short_name &&
	    strncmp(repository, DEFAULT_NAMESPACE, strlen(DEFAULT_NAMESPACE)) == 0)
		repository += strlen(DEFAULT_NAMESPACE);
	return compose(n, "localhost", repository);
}

int image_name_to_give(const char *text, char **ret, struct volt_error *e)
{
	_cleanup_(image_name_freep) struct image_name *n = NULL;
	int r = image_name_parse(text, &n, e);

	if (r < 0)
		return r;
	if (n->has_digest)
		return fail(e, EINVAL, "'%s' has a digest, which cannot be given", text);
	*ret = n->short_name ? image_name_localhost(n) : image_name_text(n);
	return *ret ? 0 : fail_oom(e);
}
