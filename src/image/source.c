/* SPDX-License-Identifier: Apache-2.0 */
#include "image/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static const struct {
	const char *transport;
	enum source_kind kind;
} transports[] = {
	{ "docker://", SOURCE_REGISTRY }, { "oci:", SOURCE_PATH },
	{ "oci-archive:", SOURCE_PATH },  { "docker-archive:", SOURCE_PATH },
	{ "dir:", SOURCE_PATH },          { "containers-storage:", SOURCE_STORAGE },
};

void source_free(struct source *s)
{
	if (!s)
		return;
	image_name_free(s->name);
	free(s->place);
	free(s->ref);
	free(s);
}

/* PATH[:REF]: the first colon divides, unless all of it is a path that exists. */
static int split_path(struct source *s, const char *text, struct volt_error *e)
{
	char *colon;

	s->place = strdup(text);
	if (!s->place)
		return fail_oom(e);
	colon = strcmp(s->transport, "dir:") == 0 ? NULL : strchr(s->place, ':');
	if (colon && access(text, F_OK) < 0) {
		*colon = '\0';
		s->ref = colon[1] ? strdup(colon + 1) : NULL;
		if (colon[1] && !s->ref)
			return fail_oom(e);
	}
	return *s->place ? 0 : fail(e, EINVAL, "'%s%s' has no path", s->transport, text);
}

int source_parse(const char *text, struct source **ret, struct volt_error *e)
{
	_cleanup_(source_freep) struct source *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return fail_oom(e);
	s->transport = transports[0].transport;
	s->kind = transports[0].kind;
	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		size_t n = strlen(transports[i].transport);

		if (strncmp(text, transports[i].transport, n) == 0) {
			s->transport = transports[i].transport;
			s->kind = transports[i].kind;
			text += n;
			break;
		}
	}
	if (s->kind == SOURCE_REGISTRY)
		r = image_name_parse(text, &s->name, e);
	else if (s->kind == SOURCE_PATH)
		r = split_path(s, text, e);
	else if (!(s->place = strdup(text)))
		r = fail_oom(e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}
