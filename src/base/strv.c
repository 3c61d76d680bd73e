/* SPDX-License-Identifier: Apache-2.0 */

#include "base/strv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room grows by doubling, at the powers of two, so the count alone says when. */
static int reserve(struct strv *s)
{
	size_t want = s->n + 2; /* the new string and the NULL */
	size_t room = 8;
	char **v;

	if (s->v && (s->n + 1 < 8 || (s->n + 1) & s->n))
		return 0;
	while (room < want)
		room *= 2;
	v = reallocarray(s->v, room, sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->v = v;
	return 0;
}

int strv_take(struct strv *s, char *text)
{
	if (!text || reserve(s) < 0) {
		free(text);
		return -ENOMEM;
	}
	s->v[s->n++] = text;
	s->v[s->n] = NULL;
	return 0;
}

int strv_add(struct strv *s, const char *text)
{
	return strv_take(s, strdup(text));
}

int strv_addf(struct strv *s, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&text, fmt, ap);
	va_end(ap);
	return r < 0 ? -ENOMEM : strv_take(s, text);
}

void strv_done(struct strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct strv){ 0 };
}
