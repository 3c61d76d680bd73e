/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "store-lib.h"
#include "store/query.h"

/* -- store_list() ---------------------------------------------------------------- */

struct listed {
	struct object_info v[8];
	size_t n;
	int stop_at;
};

static int take(void *data, const struct object_info *o)
{
	struct listed *l = data;

	l->v[l->n++] = *o;
	return l->stop_at > 0 && l->n == (size_t)l->stop_at ? 42 : 0;
}

static void a_list_has_each_object_once_sorted_and_says_which_are_kept(void)
{
	_cleanup_fixture_ struct fixture f;
	struct listed l = { 0 };
	struct digest held, loose;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "held", OBJECT_PLAIN, &held), 0);
	CHECK_INT(put(&f, "held", OBJECT_EXEC, &held), 0);
	CHECK_INT(put(&f, "loose one", OBJECT_EXEC, &loose), 0);
	CHECK_INT(hold(&f, "image", &held), 0);
	CHECK_INT(store_link(f.store, &held, OBJECT_EXEC, f.root, "a-link", &f.e), 0);
	CHECK_INT(store_list(f.store, take, &l, &f.e), 0);
	CHECK_INT(l.n, 2);
	CHECK(digest_compare(&l.v[0].digest, &l.v[1].digest) < 0);
	for (size_t i = 0; i < l.n; i++) {
		bool is_held = digest_equal(&l.v[i].digest, &held);

		CHECK_INT(l.v[i].kept, is_held);
		CHECK_INT(l.v[i].plain, is_held);
		CHECK(l.v[i].exec);
		CHECK_INT(l.v[i].size, is_held ? 4 : 9);
		CHECK_INT(l.v[i].links, is_held ? 1 : 0);
	}
}

static void a_list_ends_where_its_reader_wants_no_more(void)
{
	_cleanup_fixture_ struct fixture f;
	struct listed l = { .stop_at = 1 };
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "a", OBJECT_PLAIN, &d), 0);
	CHECK_INT(put(&f, "b", OBJECT_PLAIN, &d), 0);
	CHECK_INT(store_list(f.store, take, &l, &f.e), 42);
	CHECK_INT(l.n, 1);
}

/* -- store_find() ---------------------------------------------------------------- */

/* The digests: "1" 6b86…, "10" 4a44…, "11" 4fc8…; two begin with 4. */
static void an_object_is_found_by_a_beginning_that_no_other_has(void)
{
	_cleanup_fixture_ struct fixture f;
	struct digest one, ten, eleven, found;
	char hex[DIGEST_HEX_SIZE], prefixed[DIGEST_OCI_SIZE];

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "1", OBJECT_PLAIN, &one), 0);
	CHECK_INT(put(&f, "10", OBJECT_PLAIN, &ten), 0);
	CHECK_INT(put(&f, "10", OBJECT_EXEC, &ten), 0); /* still one object */
	CHECK_INT(put(&f, "11", OBJECT_EXEC, &eleven), 0);
	CHECK_INT(store_find(f.store, "6", &found, &f.e), 0);
	CHECK(digest_equal(&found, &one));
	CHECK_INT(store_find(f.store, "4a", &found, &f.e), 0);
	CHECK(digest_equal(&found, &ten));
	CHECK_INT(store_find(f.store, digest_hex(&eleven, hex), &found, &f.e), 0);
	CHECK(digest_equal(&found, &eleven));
	CHECK_INT(store_find(f.store, digest_oci(&one, prefixed), &found, &f.e), 0);
	CHECK(digest_equal(&found, &one));
	CHECK_INT(store_find(f.store, "4", &found, &f.e), -EEXIST);
	CHECK(strstr(f.e.msg, "2 objects") && strstr(f.e.msg, "'4'"));
	CHECK_INT(store_find(f.store, "77", &found, &f.e), -ENOENT);
	CHECK(strstr(f.e.msg, "'77'"));
}

static void what_is_no_beginning_of_a_digest_is_refused(void)
{
	static const char *const bad[] = { "",
					   "sha256:",
					   "xyz",
					   "4A",
					   "../x",
					   "4a ",
					   "00000000000000000000000000000000000000000000"
					   "000000000000000000000" };
	_cleanup_fixture_ struct fixture f;
	struct digest found;

	CHECK(fixture_open(&f));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_INT(store_find(f.store, bad[i], &found, &f.e), -EINVAL);
		CHECK(strstr(f.e.msg, "not a digest"));
	}
}

static void an_object_that_is_missing_is_found_by_the_ref_that_needs_it(void)
{
	_cleanup_fixture_ struct fixture f;
	struct digest d, found;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "1", OBJECT_PLAIN, &d), 0);
	CHECK_INT(hold(&f, "image", &d), 0);
	CHECK_INT(unlinkat(f.root, object_path(&d, ""), 0), 0);
	CHECK_INT(store_find(f.store, "6b", &found, &f.e), 0);
	CHECK(digest_equal(&found, &d));
}

/* -- store_why() ----------------------------------------------------------------- */

struct reasons {
	char text[512];
	char bad[512];
	int n, n_bad;
};

static int note(void *data, const struct store_reason *r)
{
	struct reasons *to = data;
	size_t at = strlen(to->text);

	to->n++;
	(void)snprintf(to->text + at, sizeof(to->text) - at, "%s %s;", r->ref,
		       r->path ? r->path : "(list)");
	return 0;
}

static void note_bad(void *data, const char *what, const char *why)
{
	struct reasons *to = data;

	to->n_bad++;
	(void)snprintf(to->bad, sizeof(to->bad), "%s: %s", what, why);
}

static int ask(struct fixture *f, const struct digest *d, struct reasons *ret)
{
	const struct store_asker to = { .reason = note, .bad = note_bad, .data = ret };

	*ret = (struct reasons){ 0 };
	return store_why(f->store, d, &to, &f->e);
}

static void why_names_each_ref_and_how_it_reaches_the_object(void)
{
	_cleanup_fixture_ struct fixture f;
	_cleanup_(ingest_endp) struct ingest *g = NULL;
	json_auto_t *by_list = NULL, *profile = NULL;
	struct digest d, other, list;
	char hex[DIGEST_HEX_SIZE];
	struct reasons why;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "it", OBJECT_PLAIN, &d), 0);
	CHECK_INT(put(&f, "other", OBJECT_PLAIN, &other), 0);
	CHECK_INT(ask(&f, &d, &why), 0);
	CHECK_INT(why.n, 0);

	CHECK_INT(ingest_begin(f.store, &g, &f.e), 0);
	CHECK_INT(object_list_add(g, (struct digest[]){ d, other }, 2, &list, &f.e), 0);
	CHECK_INT(ingest_commit(g, &f.e), 0);
	by_list = json_pack("{s:[s]}", "lists", digest_hex(&list, hex));
	CHECK_INT(ref_write(f.store, "layers", "l", by_list, &f.e), 0);
	digest_hex(&d, hex);
	profile = json_pack("{s:{s:s, s:s}}", "objects", "bin/a", hex, "lib/b", hex);
	CHECK_INT(ref_write(f.store, NULL, "p", profile, &f.e), 0);

	CHECK_INT(ask(&f, &d, &why), 0);
	CHECK_STR(why.text, "p bin/a;p lib/b;layers/l (list);");
	CHECK_INT(ask(&f, &other, &why), 0);
	CHECK_STR(why.text, "layers/l (list);");
	CHECK_INT(ask(&f, &list, &why), 0); /* the list itself */
	CHECK_STR(why.text, "layers/l (list);");
	CHECK_INT(why.n_bad, 0);
}

static int write_ref_text(const struct fixture *f, const char *text)
{
	_cleanup_close_ int fd = openat(f->root, "cas/refs/broken.json",
					O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : (int)write(fd, text, strlen(text));
}

static void why_tells_of_refs_that_it_cannot_read_and_goes_on(void)
{
	_cleanup_fixture_ struct fixture f;
	struct reasons why;
	struct digest d;

	CHECK(fixture_open(&f));
	CHECK_INT(put(&f, "it", OBJECT_PLAIN, &d), 0);
	CHECK_INT(hold(&f, "image", &d), 0);
	CHECK(write_ref_text(&f, "{") > 0);
	CHECK_INT(ask(&f, &d, &why), 0);
	CHECK_INT(why.n, 1);
	CHECK_INT(why.n_bad, 1);
	CHECK(strstr(why.bad, "broken.json"));
}

/* -- store_usage_kinds() --------------------------------------------------------- */

struct kinds {
	char text[512];
};

static int note_kind(void *data, const struct kind_usage *u)
{
	struct kinds *k = data;
	size_t at = strlen(k->text);

	(void)snprintf(k->text + at, sizeof(k->text) - at, "%s %u %u %u;", u->kind,
		       (unsigned int)u->refs, (unsigned int)u->objects,
		       (unsigned int)u->bytes);
	return 0;
}

static void usage_by_kind_counts_what_is_shared_with_each(void)
{
	_cleanup_fixture_ struct fixture f;
	json_auto_t *profile = NULL;
	struct digest shared, own;
	char a[DIGEST_HEX_SIZE], b[DIGEST_HEX_SIZE];
	struct kinds k = { "" };

	CHECK(fixture_open(&f));
	CHECK_INT(store_usage_kinds(f.store, note_kind, &k, &f.e), 0);
	CHECK_STR(k.text, "");
	CHECK_INT(put(&f, "shared", OBJECT_PLAIN, &shared), 0);
	CHECK_INT(put(&f, "own", OBJECT_PLAIN, &own), 0);
	CHECK_INT(hold(&f, "image", &shared), 0);
	CHECK_INT(hold(&f, "image2", &shared), 0);
	profile = json_pack("{s:{s:s, s:s, s:s}}", "objects", "bin/a",
			    digest_hex(&shared, a), "bin/b", digest_hex(&own, b), "bin/c",
			    b);
	CHECK_INT(ref_write(f.store, NULL, "p", profile, &f.e), 0);
	CHECK_INT(store_usage_kinds(f.store, note_kind, &k, &f.e), 0);
	CHECK_STR(k.text, "profiles 1 2 9;images 2 1 6;");
}

int main(void)
{
	RUN(a_list_has_each_object_once_sorted_and_says_which_are_kept);
	RUN(a_list_ends_where_its_reader_wants_no_more);
	RUN(an_object_is_found_by_a_beginning_that_no_other_has);
	RUN(what_is_no_beginning_of_a_digest_is_refused);
	RUN(an_object_that_is_missing_is_found_by_the_ref_that_needs_it);
	RUN(why_names_each_ref_and_how_it_reaches_the_object);
	RUN(why_tells_of_refs_that_it_cannot_read_and_goes_on);
	RUN(usage_by_kind_counts_what_is_shared_with_each);
	return tap_done();
}
