/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profile/artifact.h"
#include "store/sha256.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int r, const struct volt_error *e)
{
	if (r < 0 && (!e->code || !e->msg[0] || strchr(e->msg, '\n')))
		abort();
}

/* The two documents of a profile in a registry, parted by a line of three dashes. The config
 * is held to a manifest that names it, so that its digest alone does not end every try. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char mark[] = "\n---\n";
	_cleanup_(profile_manifest_freep) struct profile_manifest *m = NULL;
	_cleanup_(artifact_freep) struct artifact *a = NULL;
	const char *text = (const char *)data,
		   *second = memmem(text, size, mark, strlen(mark));
	size_t first = second ? (size_t)(second - text) : size, rest;
	struct volt_error e = { 0 };
	int r;

	r = artifact_parse(text, first, &a, &e);
	check(r, &e);
	for (size_t i = 0; r == 0 && i < a->n; i++)
		if (!profile_path_is_valid(a->v[i].path))
			abort();
	if (r < 0 || !second)
		return 0;
	second += strlen(mark);
	rest = size - first - strlen(mark);
	a->config_size = rest;
	if (sha256_bytes(second, rest, &a->config) < 0)
		abort();
	r = artifact_config_parse(a, second, rest, NULL, &m, &e);
	check(r, &e);
	if (r == 0 && m->n != a->n)
		abort();
	return 0;
}
