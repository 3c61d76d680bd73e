/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "profile/manifest.h"

/* What a manifest that was accepted promises to those who link its files. */
static void check(const struct profile_manifest *m)
{
	char tree[PROFILE_TREE_SIZE];

	if (!profile_label_is_valid(m->name) || m->n == 0 || !m->created_at)
		abort();
	if (strchr(profile_tree_name(m, tree), '/') || tree[0] == '.')
		abort();
	for (size_t i = 0; i < m->n; i++) {
		const char *source = profile_manifest_source(m, m->v[i].path);

		if (!profile_path_is_valid(m->v[i].path) ||
		    strstr(m->v[i].path, "/../") || m->v[i].path[0] == '/' ||
		    (source && source[0] != '/'))
			abort();
		if (i > 0 && strcmp(m->v[i - 1].path, m->v[i].path) >= 0)
			abort();
		if (profile_manifest_find(m, m->v[i].path) != &m->v[i])
			abort();
	}
	if (m->loader && profile_kind(m->loader) != OBJECT_EXEC)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	char name[64] = "";
	json_t *j;

	if (size > 0)
		memcpy(name, data, size < sizeof(name) ? size : sizeof(name) - 1);
	free(profile_ref_label(name));
	if (json_parse((const char *)data, size, "manifest", &j, NULL) < 0)
		return 0;
	if (profile_manifest_from_json(j, "manifest", &m, NULL) == 0)
		check(m);
	return 0;
}
