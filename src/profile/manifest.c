/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/path.h"
#include "store/ref.h"
#include "store/sha256.h"

/* Theory of operation
 *
 * A manifest maps paths to digests. Its own digest is that of the lines "<path> <sha256>\n",
 * sorted by path: of what the profile is, not of when and by whom it was made, so that the
 * same files are the same profile and have one tree. A path has no control characters, so
 * two sets of files cannot have the same lines.
 *
 * Manifests come from registries and from other programs. Nothing here opens a path: what
 * passes profile_path_is_valid() stays below the tree it is linked into, and a digest is 64
 * digits or the manifest is refused. Members nobody knows are kept as they are. */

#define ENTRIES_MAX   65536
#define LABEL_HEX_MIN 8
#define LABEL_HEX_MAX 12
#define TREE_HEX      12

/* -- words ------------------------------------------------------------------------- */

bool profile_path_is_valid(const char *path)
{
	static const char *const parts[] = { "bin/", "lib/", "firmware/" };
	bool in = false;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		in |= strncmp(path, parts[i], strlen(parts[i])) == 0;
	for (const unsigned char *c = (const unsigned char *)path; *c && in; c++)
		in = *c >= 0x20 && *c != 0x7f;
	return in && path_is_clean(path);
}

static bool is_loader(const char *path)
{
	const char *name = path + strlen("lib/");

	if (strncmp(path, "lib/", strlen("lib/")) != 0 || strchr(name, '/'))
		return false;
	return strncmp(name, "ld-", 3) == 0 || strncmp(name, "ld.so", 5) == 0 ||
	       strncmp(name, "ld64.so", 7) == 0;
}

enum object_kind profile_kind(const char *path)
{
	return strncmp(path, "bin/", strlen("bin/")) == 0 || is_loader(path)
		       ? OBJECT_EXEC
		       : OBJECT_PLAIN;
}

/* How long @name is without the digits of a version; 0: it has none. */
static size_t label_size(const char *name)
{
	const char *dash = strrchr(name, '-');
	size_t n = dash ? strspn(dash + 1, "0123456789abcdef") : 0;

	if ((n != LABEL_HEX_MIN && n != LABEL_HEX_MAX) || dash[1 + n] != '\0')
		return 0;
	return (size_t)(dash - name);
}

bool profile_label_is_valid(const char *name)
{
	return name_is_valid(name) && strlen(name) <= PROFILE_NAME_MAX &&
	       label_size(name) == 0;
}

char *profile_ref_label(const char *ref)
{
	size_t n = name_is_valid(ref) ? label_size(ref) : 0;
	char *label = n > 0 ? strndup(ref, n) : NULL;

	if (!label || profile_label_is_valid(label))
		return label;
	free(label);
	return NULL;
}

const char *profile_tree_name(const struct profile_manifest *m,
			      char name[static PROFILE_TREE_SIZE])
{
	char hex[DIGEST_HEX_SIZE];

	(void)snprintf(name, PROFILE_TREE_SIZE, "%s-%.*s", m->name, TREE_HEX,
		       digest_hex(&m->digest, hex));
	return name;
}

/* -- parsing ----------------------------------------------------------------------- */

static int broken(const char *what, const char *path, const char *why,
		  struct volt_error *e)
{
	return fail(e, EBADMSG, "manifest '%s': '%s' %s", what, path, why);
}

/* Could both "lib/a" and "lib/a/b" be there? */
static bool is_below_a_file(const json_t *objects, const char *path)
{
	for (const char *c = strchr(path, '/'); c; c = strchr(c + 1, '/'))
		if (json_object_getn(objects, path, (size_t)(c - path)))
			return true;
	return false;
}

static int parse_entry(const json_t *objects, const char *path, const json_t *value,
		       const char *what, struct profile_entry *ret, struct volt_error *e)
{
	if (!profile_path_is_valid(path))
		return broken(what, path, "is not a path below bin/, lib/ or firmware/",
			      e);
	if (is_below_a_file(objects, path))
		return broken(what, path, "is below another file", e);
	ret->path = path;
	/* ref_check() has seen to it that it is one */
	return digest_parse(json_string_value(value), &ret->digest);
}

static int by_path(const void *a, const void *b)
{
	const struct profile_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int parse_entries(struct profile_manifest *m, const char *what,
			 struct volt_error *e)
{
	json_t *objects = json_object_get(m->j, "objects"), *value;
	size_t n = json_object_size(objects);
	const char *path;
	int r = 0;

	if (n == 0 || n > ENTRIES_MAX)
		return fail(e, EBADMSG, "manifest '%s' has %zu objects, not 1 to %d",
			    what, n, ENTRIES_MAX);
	m->v = calloc(n, sizeof(*m->v));
	if (!m->v)
		return fail_oom(e);
	json_object_foreach(objects, path, value) {
		r = parse_entry(objects, path, value, what, &m->v[m->n++], e);
		if (r < 0)
			return r;
	}
	qsort(m->v, m->n, sizeof(*m->v), by_path);
	return 0;
}

static int compute_digest(struct profile_manifest *m, struct volt_error *e)
{
	_cleanup_(sha256_freep) struct sha256 *h = NULL;
	char hex[DIGEST_HEX_SIZE];
	int r = sha256_new(&h);

	for (size_t i = 0; i < m->n && r >= 0; i++) {
		(void)digest_hex(&m->v[i].digest, hex);
		hex[DIGEST_HEX_SIZE - 1] = '\n';
		r = sha256_update(h, m->v[i].path, strlen(m->v[i].path));
		r = r < 0 ? r : sha256_update(h, " ", 1);
		r = r < 0 ? r : sha256_update(h, hex, DIGEST_HEX_SIZE);
	}
	if (r >= 0)
		r = sha256_final(h, &m->digest);
	return r < 0 ? fail_code(e, r, "hash a manifest") : 0;
}

/* The profile's name: "profile" where there is one (others' "name" is anything). */
static int parse_name(struct profile_manifest *m, const char *what, struct volt_error *e)
{
	const char *name = NULL, *profile = NULL;
	size_t n;

	if (json_get_string(m->j, "name", &name, e) < 0 ||
	    json_get_string(m->j, "profile", &profile, e) < 0)
		return fail_in(e, -EBADMSG, "manifest '%s'", what);
	if (!name)
		return fail(e, EBADMSG, "manifest '%s' has no member 'name'", what);
	if (profile)
		name = profile;
	n = label_size(name);
	m->name = n > 0 ? strndup(name, n) : strdup(name);
	if (!m->name)
		return fail_oom(e);
	if (!profile_label_is_valid(m->name))
		return broken(what, name, "is not a valid name for a profile", e);
	return 0;
}

static int parse_capabilities(struct profile_manifest *m, struct volt_error *e)
{
	json_t *list = NULL, *value;
	size_t i;

	if (json_get_array(m->j, "capabilities", &list, e) < 0)
		return -EBADMSG;
	json_array_foreach(list, i, value) {
		if (!json_is_string(value))
			return fail(e, EBADMSG, "'capabilities' are not all strings");
		/* Words of a newer volt are for a newer volt. */
		m->capabilities |= profile_capability_parse(json_string_value(value));
	}
	return 0;
}

static int parse_lists(const struct profile_manifest *m, struct volt_error *e)
{
	json_t *guests = NULL, *sources = NULL, *value;
	const char *path;
	size_t i;

	if (json_get_array(m->j, "guests", &guests, e) < 0 ||
	    json_get_object(m->j, "sources", &sources, e) < 0)
		return -EBADMSG;
	json_array_foreach(guests, i, value)
		if (!json_is_string(value))
			return fail(e, EBADMSG, "'guests' are not all strings");
	json_object_foreach(sources, path, value)
		if (!json_is_string(value) || json_string_value(value)[0] != '/' ||
		    strlen(json_string_value(value)) != json_string_length(value))
			return fail(e, EBADMSG, "the source of '%s' is not a path", path);
	return 0;
}

static int parse_loader(struct profile_manifest *m, struct volt_error *e)
{
	if (json_get_string(m->j, "loader", &m->loader, e) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < m->n && !m->loader; i++)
		if (is_loader(m->v[i].path))
			m->loader = m->v[i].path;
	if (m->loader && (!is_loader(m->loader) || !profile_manifest_find(m, m->loader)))
		return fail(e, EBADMSG, "'%s' is not a loader that it has", m->loader);
	return 0;
}

static int parse_members(struct profile_manifest *m, const char *what,
			 struct volt_error *e)
{
	if (json_get_string(m->j, "created_at", &m->created_at, e) < 0 ||
	    json_get_string(m->j, "qemu_version", &m->version, e) < 0 ||
	    json_get_string(m->j, "arch", &m->arch, e) < 0 ||
	    parse_capabilities(m, e) < 0 || parse_lists(m, e) < 0 ||
	    parse_loader(m, e) < 0)
		return fail_in(e, -EBADMSG, "manifest '%s'", what);
	if (!m->created_at)
		return fail(e, EBADMSG, "manifest '%s' has no member 'created_at'", what);
	return 0;
}

int profile_manifest_from_json(json_t *j, const char *what, struct profile_manifest **ret,
			       struct volt_error *e)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m =
		calloc(1, sizeof(*m));
	int r;

	if (!m) {
		json_decref(j);
		return fail_oom(e);
	}
	m->j = j;
	r = ref_check(j, what, e);
	if (r >= 0)
		r = parse_name(m, what, e);
	if (r >= 0)
		r = parse_entries(m, what, e);
	if (r >= 0)
		r = parse_members(m, what, e);
	if (r >= 0)
		r = compute_digest(m, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(m);
	return 0;
}

void profile_manifest_free(struct profile_manifest *m)
{
	if (!m)
		return;
	free(m->name);
	free(m->v);
	json_decref(m->j);
	free(m);
}

/* -- asking ------------------------------------------------------------------------ */

const struct profile_entry *profile_manifest_find(const struct profile_manifest *m,
						  const char *path)
{
	const struct profile_entry key = { .path = path };

	return bsearch(&key, m->v, m->n, sizeof(*m->v), by_path);
}

const char *profile_manifest_source(const struct profile_manifest *m, const char *path)
{
	return json_string_value(json_object_get(json_object_get(m->j, "sources"), path));
}

const char *profile_manifest_qemu(const struct profile_manifest *m,
				  const struct profile_arch *guest)
{
	const struct profile_entry *found;
	char path[64];

	(void)snprintf(path, sizeof(path), "bin/qemu-system-%s", guest->qemu);
	found = profile_manifest_find(m, path);
	return found ? found->path : NULL;
}

/* Debian's names, then those of QEMU's own copies. */
static const struct {
	const char *qemu, *code, *vars;
} uefis[] = {
	{ "x86_64", "firmware/OVMF_CODE_4M.fd", "firmware/OVMF_VARS_4M.fd" },
	{ "x86_64", "firmware/OVMF_CODE.fd", "firmware/OVMF_VARS.fd" },
	{ "x86_64", "firmware/edk2-x86_64-code.fd", "firmware/edk2-i386-vars.fd" },
	{ "aarch64", "firmware/AAVMF_CODE.fd", "firmware/AAVMF_VARS.fd" },
	{ "aarch64", "firmware/edk2-aarch64-code.fd", "firmware/edk2-arm-vars.fd" },
	{ "arm", "firmware/AAVMF32_CODE.fd", "firmware/AAVMF32_VARS.fd" },
	{ "arm", "firmware/edk2-arm-code.fd", "firmware/edk2-arm-vars.fd" },
	{ "riscv64", "firmware/RISCV_VIRT_CODE.fd", "firmware/RISCV_VIRT_VARS.fd" },
};

void profile_manifest_uefi(const struct profile_manifest *m,
			   const struct profile_arch *guest, const char **ret_code,
			   const char **ret_vars)
{
	*ret_code = *ret_vars = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(uefis) && !*ret_code; i++) {
		if (strcmp(uefis[i].qemu, guest->qemu) != 0 ||
		    !profile_manifest_find(m, uefis[i].code) ||
		    !profile_manifest_find(m, uefis[i].vars))
			continue;
		*ret_code = uefis[i].code;
		*ret_vars = uefis[i].vars;
	}
}
