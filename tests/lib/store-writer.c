/* SPDX-License-Identifier: Apache-2.0 */
/* store-writer ROOT: does everything that writes to a store once, in ROOT. For
 * test-store-crash, which kills it at every call. It can be run again on what is left. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "store/gc.h"
#include "store/ingest.h"
#include "store/ref.h"
#include "store/sha256.h"

enum {
	SMALL = 20, /* more than are synced one by one */
	LARGE = 150000
};

struct made {
	struct digest v[SMALL + 2];
	size_t n;
	struct digest list;
};

static int add_text(struct ingest *g, int i, struct made *m, struct volt_error *e)
{
	char text[64];
	int r;

	(void)snprintf(text, sizeof(text), "object number %d\n", i);
	r = ingest_add(g, text, strlen(text), i % 5 ? OBJECT_PLAIN : OBJECT_EXEC,
		       &m->v[m->n], e);
	m->n += r >= 0;
	return r;
}

static int add_stream(struct ingest *g, struct made *m, struct volt_error *e)
{
	static char data[LARGE];
	struct ingest_stream *w = NULL;
	int r;

	memset(data, 'x', LARGE / 3);
	memset(data + LARGE / 2, 'y', LARGE / 4);
	r = ingest_stream_new(g, OBJECT_PLAIN, &w, e);
	if (r < 0)
		return r;
	for (size_t at = 0; at < LARGE; at += LARGE / 3) {
		r = ingest_stream_write(w, data + at, LARGE / 3, e);
		if (r < 0) {
			ingest_stream_abort(w);
			return r;
		}
	}
	r = ingest_stream_finish(w, &m->v[m->n], e);
	m->n += r >= 0;
	return r;
}

static int adopt(struct ingest *g, int root, struct made *m, struct volt_error *e)
{
	static const char text[] = "what was downloaded\n";
	_cleanup_close_ int fd = -1;
	struct digest d;
	char name[32];
	int r;

	(void)snprintf(name, sizeof(name), "download.%d", (int)getpid());
	fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail_errno(e, "make '%s'", name);
	r = write_all(fd, text, strlen(text));
	if (r < 0)
		return fail_code(e, r, "write '%s'", name);
	r = sha256_bytes(text, strlen(text), &d);
	if (r >= 0)
		r = ingest_adopt(g, root, name, &d, e);
	m->v[m->n] = d;
	m->n += r >= 0;
	return r;
}

static json_t *ref_text(const struct made *m)
{
	json_t *objects = json_object();
	char hex[DIGEST_HEX_SIZE], key[32];

	for (size_t i = 0; i < m->n; i++) {
		(void)snprintf(key, sizeof(key), "file%zu", i);
		(void)json_object_set_new(objects, key,
					  json_string(digest_hex(&m->v[i], hex)));
	}
	return json_pack("{s:o,s:[s]}", "objects", objects, "lists",
			 digest_hex(&m->list, hex));
}

/* Many objects at once, with a list of them, named by a ref. */
static int write_image(struct store *s, int root, const char *name, struct volt_error *e)
{
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct made m = { 0 }, listed;
	json_auto_t *j = NULL;
	int i, r;

	r = ingest_begin(s, &g, e);
	for (i = 0; i < SMALL && r >= 0; i++)
		r = add_text(g, i, &m, e);
	if (r >= 0)
		r = add_stream(g, &m, e);
	if (r >= 0)
		r = adopt(g, root, &m, e);
	listed = m;
	if (r >= 0)
		r = object_list_add(g, listed.v, listed.n, &m.list, e);
	if (r >= 0)
		r = ingest_commit(g, e);
	if (r < 0)
		return r;
	j = ref_text(&m);
	return ref_write(s, "images", name, j, e);
}

/* A few, of which the store has some already. */
static int write_profile(struct store *s, const char *name, int first,
			 struct volt_error *e)
{
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	struct made m = { 0 };
	json_auto_t *j = NULL;
	int r;

	r = ingest_begin(s, &g, e);
	if (r >= 0)
		r = add_text(g, first, &m, e);
	if (r >= 0)
		r = add_text(g, first + 1, &m, e);
	if (r >= 0)
		r = object_list_add(g, m.v, m.n, &m.list, e);
	if (r >= 0)
		r = ingest_commit(g, e);
	if (r < 0)
		return r;
	j = ref_text(&m);
	r = ref_write(s, NULL, name, j, e);
	return r < 0 ? r : ref_tag_write(s, "kvm-linux", name, e);
}

static int work(int root, struct volt_error *e)
{
	_cleanup_(store_closep) struct store *s = NULL;
	int r;

	r = store_open(root, &s, e);
	if (r >= 0)
		r = write_image(s, root, "one", e);
	if (r >= 0)
		r = write_profile(s, "kvm-linux-00000001", SMALL - 1, e);
	if (r >= 0)
		r = write_profile(s, "kvm-linux-00000002", SMALL + 5, e);
	if (r >= 0)
		r = ref_remove(s, NULL, "kvm-linux-00000001", e);
	if (r >= 0 || r == -ENOENT) /* another writer may have done that */
		r = store_gc(s, false, true, NULL, e);
	return r;
}

int main(int argc, char **argv)
{
	struct volt_error e = { 0 };
	int root;

	if (argc != 2)
		return 2;
	root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || work(root, &e) < 0) {
		(void)fprintf(stderr, "store-writer: %s\n", e.msg);
		return 1;
	}
	return 0;
}
