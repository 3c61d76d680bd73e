/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "store-lib.h"

/* What store_verify() reported, last one wins. */
struct seen {
	int n;
	char object[160], why[512];
};

static void see(void *data, const char *object, const char *why)
{
	struct seen *s = data;

	s->n++;
	(void)snprintf(s->object, sizeof(s->object), "%s", object);
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
}

static int write_text(const struct fixture *f, const char *dir, const char *name,
		      const char *text)
{
	_cleanup_close_ int d = mkdir_beneath(f->root, dir, 0700);
	_cleanup_close_ int fd =
		d < 0 ? d
		      : openat(d, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : (int)write(fd, text, strlen(text));
}

/* Adds a list of @n objects and a ref that holds only the list. */
static int hold_list(struct fixture *f, const char *name, struct digest *v, size_t n)
{
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	json_auto_t *j = NULL;
	char hex[DIGEST_HEX_SIZE];
	struct digest list;
	int r;

	r = ingest_begin(f->store, &g, &f->e);
	if (r >= 0)
		r = object_list_add(g, v, n, &list, &f->e);
	if (r >= 0)
		r = ingest_commit(g, &f->e);
	if (r < 0)
		return r;
	j = json_pack("{s:[s]}", "lists", digest_hex(&list, hex));
	return ref_write(f->store, "layers", name, j, &f->e);
}

static void gc_removes_exactly_what_no_ref_reaches(void)
{
	_cleanup_fixture_ struct fixture f;
	struct digest held, listed[2], loose;
	struct gc_result res;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "held", OBJECT_PLAIN, &held), 0);
	CHECK_INT(put(&f, "listed 0", OBJECT_EXEC, &listed[0]), 0);
	CHECK_INT(put(&f, "listed 1", OBJECT_PLAIN, &listed[1]), 0);
	CHECK_INT(put(&f, "loose", OBJECT_PLAIN, &loose), 0);
	CHECK_INT(hold(&f, "image", &held), 0);
	CHECK_INT(hold_list(&f, "layer", listed, 2), 0);
	CHECK_INT(store_gc(f.store, true, false, &res, &f.e), 0); /* a dry run */
	CHECK_INT(res.removed, 1);
	CHECK_INT(res.kept, 4);
	CHECK(store_has(f.store, &loose, OBJECT_PLAIN));
	CHECK_INT(store_gc(f.store, false, false, &res, &f.e), 0);
	CHECK_INT(res.removed, 1);
	CHECK_INT(res.kept, 4);
	CHECK(!store_has(f.store, &loose, OBJECT_PLAIN));
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 0);
	CHECK_INT(ref_remove(f.store, "images", "image", &f.e), 0);
	CHECK_INT(store_gc(f.store, false, false, &res, &f.e), 0);
	CHECK_INT(res.removed, 1);
	CHECK_INT(ref_remove(f.store, "layers", "layer", &f.e), 0);
	CHECK_INT(store_gc(f.store, false, false, &res, &f.e), 0);
	CHECK_INT(res.kept, 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 0);
}

static void a9_gc_waits_for_leases_and_writers(void)
{
	_cleanup_fixture_ struct fixture f;
	struct ingest *g = NULL;
	struct digest d;
	int lease;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "loose", OBJECT_PLAIN, &d), 0);
	lease = lease_take(f.store, &f.e);
	CHECK(lease >= 0);
	CHECK_INT(store_gc(f.store, false, false, NULL, &f.e), -EAGAIN);
	CHECK_STR(f.e.msg, "the store is in use by another volt command");
	(void)close(lease);
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(store_gc(f.store, false, false, NULL, &f.e), -EAGAIN);
	CHECK_INT(store_gc(f.store, true, false, NULL, &f.e),
		  0); /* a dry run needs none */
	ingest_end(g);
	CHECK(store_has(f.store, &d, OBJECT_PLAIN));
	CHECK_INT(store_gc(f.store, false, false, NULL, &f.e), 0);
	CHECK(!store_has(f.store, &d, OBJECT_PLAIN));
}

static void dead_writers_staging_is_swept(void)
{
	_cleanup_fixture_ struct fixture f;
	struct ingest *g = NULL, *other = NULL;

	CHECK(fixture_open(&f));
	CHECK(write_text(&f, "cas/staging/dead", "s0", "half") > 0);
	CHECK_INT(store_gc(f.store, false, false, NULL, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/staging"), 0);
	CHECK(write_text(&f, "cas/staging/dead", "s0", "half") > 0);
	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0); /* alone: sweeps */
	CHECK_INT(count_entries(&f, "cas/staging"), 1);
	CHECK_INT(ingest_begin(f.store, &other, &f.e), 0); /* not alone: must not */
	CHECK_INT(count_entries(&f, "cas/staging"), 2);
	ingest_end(g);
	ingest_end(other);
}

static void ref_that_cannot_be_read_stops_gc_before_it_removes(void)
{
	static const char *const texts[] = {
		"{",
		"[]",
		"{\"objects\":[]}",
		"{\"lists\":{}}",
		"{\"objects\":{\"a\":1}}",
		"{\"objects\":{\"bin/x\":\"../../../../etc/shadow\"}}", /* a7 */
		"{\"objects\":{\"bin/x\":\"abc\"}}",
		"{\"lists\":[\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
		"\"]}", /* is not there */
	};
	_cleanup_fixture_ struct fixture f;
	struct seen seen;
	struct digest d;
	size_t i;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "loose", OBJECT_PLAIN, &d), 0);
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		memset(&seen, 0, sizeof(seen));
		CHECK(write_text(&f, "cas/refs/images", "broken.json", texts[i]) > 0);
		CHECK(store_gc(f.store, false, true, NULL, &f.e) < 0);
		CHECK(strstr(f.e.msg, "ref 'images/broken.json'"));
		CHECK(store_has(f.store, &d, OBJECT_PLAIN));
		CHECK_INT(store_verify(f.store, see, &seen, &f.e), 1);
	}
}

static void object_that_is_no_list_stops_gc(void)
{
	_cleanup_fixture_ struct fixture f;
	char hex[DIGEST_HEX_SIZE];
	json_auto_t *j = NULL;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, OBJECT_LIST_MAGIC "short", OBJECT_PLAIN, &d), 0);
	j = json_pack("{s:[s]}", "lists", digest_hex(&d, hex));
	CHECK_INT(ref_write(f.store, "layers", "l", j, &f.e), 0);
	CHECK_INT(store_gc(f.store, false, true, NULL, &f.e), -EBADMSG);
	CHECK(strstr(f.e.msg, "ref 'layers/l.json'"));
	CHECK(strstr(f.e.msg, "is not a list of objects"));
}

static void refs_of_a_kind_unknown_here_keep_alive(void)
{
	_cleanup_fixture_ struct fixture f;
	char hex[DIGEST_HEX_SIZE], text[160];
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "future", OBJECT_PLAIN, &d), 0);
	(void)snprintf(text, sizeof(text), "{\"objects\":{\"x\":\"%s\"}}",
		       digest_hex(&d, hex));
	CHECK(write_text(&f, "cas/refs/templates", "a.json", text) > 0);
	CHECK_INT(store_gc(f.store, false, true, NULL, &f.e), 0);
	CHECK(store_has(f.store, &d, OBJECT_PLAIN));
}

static void freed_bytes_leave_out_what_is_linked_elsewhere(void)
{
	_cleanup_fixture_ struct fixture f;
	struct gc_result res;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "linked", OBJECT_PLAIN, &d), 0);
	CHECK_INT(store_link(f.store, &d, OBJECT_PLAIN, f.root, "link", &f.e), 0);
	CHECK_INT(store_gc(f.store, false, true, &res, &f.e), 0);
	CHECK_INT(res.removed, 1);
	CHECK_INT(res.removed_bytes, 0);
}

static void flipped_bit_is_found_and_named(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_close_ int fd = -1;
	char hex[DIGEST_HEX_SIZE];
	struct seen seen = { 0 };
	struct digest d, other;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "some content", OBJECT_PLAIN, &d), 0);
	CHECK_INT(put(&f, "other content", OBJECT_PLAIN, &other), 0);
	CHECK_INT(fchmodat(f.root, object_path(&d, ""), 0644, 0), 0);
	fd = openat(f.root, object_path(&d, ""), O_WRONLY | O_CLOEXEC);
	CHECK_INT(pwrite(fd, "r", 1, 0), 1); /* 's' with its lowest bit flipped */
	CHECK_INT(fchmod(fd, 0444), 0);
	CHECK_INT(store_verify(f.store, see, &seen, &f.e), 1);
	CHECK_STR(seen.object, digest_hex(&d, hex));
	CHECK(strstr(seen.why, "is damaged"));
	CHECK_INT(store_verify_kind(f.store, &d, OBJECT_PLAIN, &f.e), -EBADMSG);
	CHECK(strstr(f.e.msg, hex));
	CHECK_INT(store_verify_kind(f.store, &other, OBJECT_PLAIN, &f.e), 0);
}

static void damage_in_the_executable_file_is_found_too(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_close_ int fd = -1;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "both", OBJECT_PLAIN, &d), 0);
	CHECK_INT(put(&f, "both", OBJECT_EXEC, &d), 0);
	CHECK_INT(store_verify_kind(f.store, &d, OBJECT_EXEC, &f.e), 0);
	CHECK_INT(fchmodat(f.root, object_path(&d, ".x"), 0755, 0), 0);
	fd = openat(f.root, object_path(&d, ".x"), O_WRONLY | O_TRUNC | O_CLOEXEC);
	CHECK_INT(fchmod(fd, 0555), 0);
	CHECK_INT(store_verify_kind(f.store, &d, OBJECT_EXEC, &f.e), -EBADMSG);
	CHECK_INT(store_verify(f.store, NULL, NULL, &f.e), 1);
}

static void a2_changed_mode_is_found(void)
{
	_cleanup_fixture_ struct fixture f;
	struct seen seen = { 0 };
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "x", OBJECT_PLAIN, &d), 0);
	CHECK_INT(fchmodat(f.root, object_path(&d, ""), 0755, 0), 0);
	CHECK_INT(store_verify(f.store, see, &seen, &f.e), 1);
	CHECK(strstr(seen.why, "has mode 0755, not 0444"));
}

static void object_of_another_owner_is_found(void)
{
	_cleanup_fixture_ struct fixture f;
	struct seen seen = { 0 };
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "x", OBJECT_PLAIN, &d), 0);
	if (fchownat(f.root, object_path(&d, ""), 65534, (gid_t)-1, 0) < 0) {
		CHECK_INT(errno, EPERM); /* only root can make one */
		return;
	}
	CHECK_INT(store_verify(f.store, see, &seen, &f.e), 1);
	CHECK(strstr(seen.why, "belongs to user 65534"));
}

static void missing_object_is_named_with_its_ref(void)
{
	_cleanup_fixture_ struct fixture f;
	struct seen seen = { 0 };
	char hex[DIGEST_HEX_SIZE];
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "x", OBJECT_PLAIN, &d), 0);
	CHECK_INT(hold(&f, "image", &d), 0);
	CHECK_INT(unlinkat(f.root, object_path(&d, ""), 0), 0);
	CHECK_INT(store_verify(f.store, see, &seen, &f.e), 1);
	CHECK_STR(seen.object, digest_hex(&d, hex));
	CHECK_STR(seen.why, "missing, though ref 'images/image.json' needs it");
}

static void file_that_is_no_object_is_found(void)
{
	_cleanup_fixture_ struct fixture f;
	struct seen seen = { 0 };

	CHECK(fixture_open(&f));
	CHECK(write_text(&f, "cas/objects", "README", "x") > 0);
	CHECK_INT(store_verify(f.store, see, &seen, &f.e), 1);
	CHECK_STR(seen.object, "README");
	CHECK_INT(store_gc(f.store, false, true, NULL, &f.e), 0);
	CHECK_INT(count_entries(&f, "cas/objects"), 1); /* and is not gc's to remove */
}

static void usage_counts_objects_and_garbage(void)
{
	_cleanup_fixture_ struct fixture f;
	struct store_usage u;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "12345", OBJECT_PLAIN, &d), 0);
	CHECK_INT(hold(&f, "image", &d), 0);
	CHECK_INT(put(&f, "123", OBJECT_PLAIN, &d), 0);
	CHECK_INT(store_usage(f.store, &u, &f.e), 0);
	CHECK_INT(u.objects, 2);
	CHECK_INT(u.bytes, 8);
	CHECK_INT(u.unreferenced, 1);
	CHECK(u.unreferenced_bytes < u.allocated);
}

int main(void)
{
	RUN(gc_removes_exactly_what_no_ref_reaches);
	RUN(a9_gc_waits_for_leases_and_writers);
	RUN(dead_writers_staging_is_swept);
	RUN(ref_that_cannot_be_read_stops_gc_before_it_removes);
	RUN(object_that_is_no_list_stops_gc);
	RUN(refs_of_a_kind_unknown_here_keep_alive);
	RUN(freed_bytes_leave_out_what_is_linked_elsewhere);
	RUN(flipped_bit_is_found_and_named);
	RUN(damage_in_the_executable_file_is_found_too);
	RUN(a2_changed_mode_is_found);
	RUN(object_of_another_owner_is_found);
	RUN(missing_object_is_named_with_its_ref);
	RUN(file_that_is_no_object_is_found);
	RUN(usage_counts_objects_and_garbage);
	return tap_done();
}
