/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tar archives made by hand, so that they can say what no honest archiver would. */
struct tar {
	char *v;
	size_t n;
};

struct tar_file {
	const char *name;
	char type; /* '0' file, '1' hard link, '2' symbolic link, '3' char, '5' directory … */
	const char *link;
	const void *data;
	size_t size;
	unsigned mode, uid, gid, major, minor;
	long mtime;
};

static inline void tar_bytes(struct tar *t, const void *data, size_t size)
{
	t->v = realloc(t->v, t->n + size + 512);
	if (!t->v)
		abort();
	memcpy(t->v + t->n, data, size);
	memset(t->v + t->n + size, 0, 512);
	t->n += size;
}

static inline void tar_pad(struct tar *t)
{
	static const char zero[512];

	if (t->n % 512)
		tar_bytes(t, zero, 512 - t->n % 512);
}

static inline void tar_number(char *field, size_t size, unsigned long long n)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%0*llo", (int)size - 1, n);
	memcpy(field, text, size);
}

/* Without the data: for headers that lie about it. */
static inline void tar_header(struct tar *t, const struct tar_file *f)
{
	unsigned char h[512] = { 0 };
	unsigned sum = 0;
	char text[9];

	strncpy((char *)h, f->name, 100);
	tar_number((char *)h + 100, 8, f->mode ? f->mode : f->type == '5' ? 0755 : 0644);
	tar_number((char *)h + 108, 8, f->uid);
	tar_number((char *)h + 116, 8, f->gid);
	tar_number((char *)h + 124, 12, f->size);
	tar_number((char *)h + 136, 12, (unsigned long long)f->mtime);
	memset(h + 148, ' ', 8);
	h[156] = (unsigned char)(f->type ? f->type : '0');
	if (f->link)
		strncpy((char *)h + 157, f->link, 100);
	memcpy(h + 257, "ustar\00000", 8);
	tar_number((char *)h + 329, 8, f->major);
	tar_number((char *)h + 337, 8, f->minor);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	(void)snprintf(text, sizeof(text), "%06o", sum);
	memcpy(h + 148, text, 7);
	tar_bytes(t, h, sizeof(h));
}

static inline void tar_add(struct tar *t, struct tar_file f)
{
	tar_header(t, &f);
	if (f.size > 0) {
		tar_bytes(t, f.data, f.size);
		tar_pad(t);
	}
}

#define TAR(t, ...) tar_add((t), (struct tar_file){ __VA_ARGS__ })
#define TAR_TEXT(t, path, text) \
	TAR(t, .name = (path), .data = (text), .size = strlen(text))
#define TAR_DIR(t, path) TAR(t, .name = (path), .type = '5')

/* "LENGTH KEY=VALUE\n", where the length counts itself. */
static inline size_t pax_record(char *out, const char *key, const void *value,
				size_t size)
{
	size_t rest = strlen(key) + size + 3, n = rest + 1;
	int head;

	while (n != rest + (size_t)snprintf(NULL, 0, "%zu", n))
		n = rest + (size_t)snprintf(NULL, 0, "%zu", n);
	head = sprintf(out, "%zu %s=", n, key);
	memcpy(out + head, value, size);
	out[(size_t)head + size] = '\n';
	return n;
}

/* A PAX header with one record, for the file that is added next. */
static inline void tar_pax(struct tar *t, const char *key, const void *value, size_t size)
{
	char *out = malloc(size + strlen(key) + 32);

	if (!out)
		abort();
	TAR(t, .name = "PaxHeaders/x", .type = 'x', .data = out,
	    .size = pax_record(out, key, value, size));
	free(out);
}

/* GNU's header for a long name ('L') or link target ('K'). */
static inline void tar_gnu(struct tar *t, char type, const char *text)
{
	TAR(t, .name = "././@LongLink", .type = type, .data = text,
	    .size = strlen(text) + 1);
}

static inline void tar_end(struct tar *t)
{
	static const char zero[1024];

	tar_bytes(t, zero, sizeof(zero));
}

static inline void tar_done(struct tar *t)
{
	free(t->v);
	*t = (struct tar){ 0 };
}
