/* SPDX-License-Identifier: Apache-2.0 */
/* Layers on top of each other, and trees as objects. */
#include <errno.h>
#include <stdarg.h>

#include "image-lib.h"

#define LAYERS_MAX 8

struct pile {
	struct fixture f;
	struct layer *v[LAYERS_MAX];
	size_t n;
	struct tree *tree;
};

static void pile_close(struct pile *p)
{
	tree_free(p->tree);
	for (size_t i = 0; i < p->n; i++)
		layer_free(p->v[i]);
	fixture_close(&p->f);
}
#define _cleanup_pile_ _cleanup_(pile_close)

static bool pile_open(struct pile *p)
{
	*p = (struct pile){ 0 };
	return fixture_open(&p->f);
}

static int push(struct pile *p, struct tar *tar)
{
	return read_tar(&p->f, tar, &p->v[p->n++]);
}

static int merge(struct pile *p)
{
	tree_free(TAKE_PTR(p->tree));
	return layer_merge(p->v, p->n, 1000, &p->tree, &p->f.e);
}

/* All paths but the root's, in order, with a space after each. */
static const char *paths(const struct tree *t)
{
	static char text[4096];
	size_t n = 0;

	text[0] = 0;
	for (uint32_t i = 1; i < t->n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ", t->v[i].path);
	return text;
}

static void upper_files_replace_lower_ones(void)
{
	_cleanup_pile_ struct pile p;
	struct tar tar = { 0 };

	CHECK(pile_open(&p));
	TAR_TEXT(&tar, "a", "low");
	TAR_TEXT(&tar, "b", "low");
	TAR(&tar, .name = "l", .type = '2', .link = "a");
	CHECK_INT(push(&p, &tar), 0);
	TAR_TEXT(&tar, "a", "upper");
	TAR_TEXT(&tar, "c", "upper");
	TAR_TEXT(&tar, "l", "a file");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(merge(&p), 0);
	CHECK_STR(paths(p.tree), "a b c l ");
	CHECK_INT(tree_find(p.tree, "a")->size, 5);
	CHECK_INT(tree_find(p.tree, "b")->size, 3);
	CHECK(S_ISREG(tree_find(p.tree, "l")->mode));
}

static void whiteouts_remove_files_and_whole_directories(void)
{
	_cleanup_pile_ struct pile p;
	struct tar tar = { 0 };

	CHECK(pile_open(&p));
	TAR_TEXT(&tar, "d/a", "x");
	TAR_TEXT(&tar, "d/e/b", "x");
	TAR_TEXT(&tar, "d-x", "x");
	TAR_TEXT(&tar, "f", "x");
	CHECK_INT(push(&p, &tar), 0);
	TAR(&tar, .name = ".wh.d");
	TAR(&tar, .name = ".wh.f");
	TAR(&tar, .name = ".wh.never-there");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(merge(&p), 0);
	CHECK_STR(paths(p.tree), "d-x ");
}

static void a_whiteout_takes_from_lower_layers_only(void)
{
	_cleanup_pile_ struct pile p;
	struct tar tar = { 0 };

	CHECK(pile_open(&p));
	TAR_TEXT(&tar, "d/old", "x");
	TAR_TEXT(&tar, "f", "old");
	CHECK_INT(push(&p, &tar), 0);
	TAR_TEXT(&tar, "d/new", "x"); /* before and after its whiteout */
	TAR(&tar, .name = ".wh.d");
	TAR(&tar, .name = ".wh.f");
	TAR_TEXT(&tar, "f", "newer");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(merge(&p), 0);
	CHECK_STR(paths(p.tree), "d d/new f ");
	CHECK_INT(tree_find(p.tree, "f")->size, 5);
}

static void what_was_removed_may_come_back_later(void)
{
	_cleanup_pile_ struct pile p;
	struct tar tar = { 0 };

	CHECK(pile_open(&p));
	TAR(&tar, .name = "d", .type = '5', .mode = 0711);
	TAR_TEXT(&tar, "d/a", "1");
	CHECK_INT(push(&p, &tar), 0);
	TAR(&tar, .name = ".wh.d");
	CHECK_INT(push(&p, &tar), 0);
	TAR_TEXT(&tar, "d/b", "1");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(merge(&p), 0);
	CHECK_STR(paths(p.tree), "d d/b ");
	CHECK_INT(tree_find(p.tree, "d")->mode, S_IFDIR | 0755);
}

static void an_opaque_directory_hides_what_was_in_it(void)
{
	_cleanup_pile_ struct pile p;
	struct tar tar = { 0 };

	CHECK(pile_open(&p));
	TAR(&tar, .name = "d", .type = '5', .mode = 0700, .uid = 5);
	TAR_TEXT(&tar, "d/a", "x");
	TAR_TEXT(&tar, "d/e/b", "x");
	TAR_TEXT(&tar, "z", "x");
	CHECK_INT(push(&p, &tar), 0);
	TAR_TEXT(&tar, "d/n", "x");
	TAR(&tar, .name = "d/.wh..wh..opq");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(merge(&p), 0);
	CHECK_STR(paths(p.tree), "d d/n z ");
	CHECK_INT(tree_find(p.tree, "d")->uid, 5);
	TAR(&tar, .name = ".wh..wh..opq");
	TAR_TEXT(&tar, "only", "x");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(merge(&p), 0);
	CHECK_STR(paths(p.tree), "only ");
}

static void directories_change_attributes_and_keep_content(void)
{
	_cleanup_pile_ struct pile p;
	struct tar tar = { 0 };

	CHECK(pile_open(&p));
	TAR(&tar, .name = "d", .type = '5', .mode = 0700, .uid = 1);
	TAR_TEXT(&tar, "d/a", "x");
	TAR(&tar, .name = "i", .type = '5', .mode = 0711, .uid = 7);
	CHECK_INT(push(&p, &tar), 0);
	TAR(&tar, .name = "d", .type = '5', .mode = 01777, .uid = 2);
	TAR_TEXT(&tar, "i/implied", "x");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(merge(&p), 0);
	CHECK_STR(paths(p.tree), "d d/a i i/implied ");
	CHECK_INT(tree_find(p.tree, "d")->mode, S_IFDIR | 01777);
	CHECK_INT(tree_find(p.tree, "d")->uid, 2);
	CHECK_INT(tree_find(p.tree, "i")->mode, S_IFDIR | 0711);
	CHECK_INT(tree_find(p.tree, "i")->uid, 7);
	CHECK_INT(tree_find(p.tree, "i")->flags, 0);
}

static void files_and_directories_replace_each_other(void)
{
	_cleanup_pile_ struct pile p;
	struct tar tar = { 0 };

	CHECK(pile_open(&p));
	TAR_TEXT(&tar, "dir/x", "x");
	TAR_TEXT(&tar, "file", "x");
	TAR(&tar, .name = "link", .type = '2', .link = "dir");
	CHECK_INT(push(&p, &tar), 0);
	TAR_TEXT(&tar, "dir", "now a file");
	TAR_TEXT(&tar, "file/x", "now a directory");
	TAR_TEXT(&tar, "link/x", "as overlay: the link gives way");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(merge(&p), 0);
	CHECK_STR(paths(p.tree), "dir file file/x link link/x ");
	CHECK(S_ISREG(tree_find(p.tree, "dir")->mode));
	CHECK(S_ISDIR(tree_find(p.tree, "file")->mode));
	CHECK(S_ISDIR(tree_find(p.tree, "link")->mode));
}

static void hard_links_stay_together_when_a_name_goes(void)
{
	_cleanup_pile_ struct pile p;
	const struct tree_entry *b, *c;
	struct tar tar = { 0 };

	CHECK(pile_open(&p));
	TAR_TEXT(&tar, "a", "shared");
	TAR(&tar, .name = "b", .type = '1', .link = "a");
	TAR(&tar, .name = "c", .type = '1', .link = "a");
	CHECK_INT(push(&p, &tar), 0);
	TAR_TEXT(&tar, "a", "other");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(merge(&p), 0);
	b = tree_find(p.tree, "b");
	c = tree_find(p.tree, "c");
	CHECK_INT(b->hardlink, TREE_NONE);
	CHECK_STR(p.tree->v[c->hardlink].path, "b");
	CHECK_INT(c->size, 6);
	CHECK_INT(tree_find(p.tree, "a")->size, 5);
	CHECK_INT(tree_find(p.tree, "a")->hardlink, TREE_NONE);
}

static void sorting_is_by_component(void)
{
	_cleanup_pile_ struct pile p;
	struct tar tar = { 0 };

	CHECK(pile_open(&p));
	TAR_TEXT(&tar, "a-b", "x");
	TAR_TEXT(&tar, "a/z", "x");
	CHECK_INT(push(&p, &tar), 0);
	TAR_TEXT(&tar, "a.c", "x");
	TAR_TEXT(&tar, "a/b", "x");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(merge(&p), 0);
	CHECK_STR(paths(p.tree), "a a/b a/z a-b a.c ");
}

static void an_image_without_layers_is_an_empty_directory(void)
{
	_cleanup_pile_ struct pile p;

	CHECK(pile_open(&p));
	CHECK_INT(merge(&p), 0);
	CHECK_INT(p.tree->n, 1);
	CHECK_INT(p.tree->v[0].mode, S_IFDIR | 0755);
}

static void the_limit_is_on_all_layers_together(void)
{
	_cleanup_pile_ struct pile p;
	struct tar tar = { 0 };

	CHECK(pile_open(&p));
	TAR_TEXT(&tar, "a", "x");
	TAR_TEXT(&tar, "b", "x");
	CHECK_INT(push(&p, &tar), 0);
	CHECK_INT(layer_merge(p.v, 1, 3, &p.tree, &p.f.e), 0);
	TAR_TEXT(&tar, "c", "x");
	CHECK_INT(push(&p, &tar), 0);
	tree_free(TAKE_PTR(p.tree));
	CHECK_INT(layer_merge(p.v, 2, 3, &p.tree, &p.f.e), -E2BIG);
}

/* --- as objects --- */

static int rich_layer(struct pile *p)
{
	struct tar tar = { 0 };

	TAR(&tar, .name = "d", .type = '5', .mode = 0700, .uid = 3, .gid = 4, .mtime = 9);
	tar_pax(&tar, "SCHILY.xattr.user.x", "a\0b", 3);
	TAR(&tar, .name = "d/f", .data = "text", .size = 4, .mode = 0755);
	TAR(&tar, .name = "d/h", .type = '1', .link = "d/f");
	TAR(&tar, .name = "d/l", .type = '2', .link = "f");
	TAR(&tar, .name = "i/c", .type = '3', .major = 259, .minor = 70000);
	TAR(&tar, .name = ".wh.gone");
	TAR(&tar, .name = "d/.wh..wh..opq");
	return push(p, &tar);
}

static bool same_entry(const struct tree_entry *a, const struct tree_entry *b)
{
	bool same = strcmp(a->path, b->path) == 0 && a->mode == b->mode &&
		    a->uid == b->uid && a->gid == b->gid &&
		    a->rdev_major == b->rdev_major && a->rdev_minor == b->rdev_minor &&
		    a->size == b->size && a->mtime == b->mtime &&
		    a->mtime_nsec == b->mtime_nsec && a->hardlink == b->hardlink &&
		    a->n_xattrs == b->n_xattrs && a->flags == b->flags &&
		    digest_equal(&a->object, &b->object);

	if (S_ISLNK(a->mode))
		same = same && strcmp(a->target, b->target) == 0;
	for (uint32_t i = 0; same && i < a->n_xattrs; i++)
		same = strcmp(a->xattrs[i].name, b->xattrs[i].name) == 0 &&
		       a->xattrs[i].size == b->xattrs[i].size &&
		       memcmp(a->xattrs[i].value, b->xattrs[i].value,
			      a->xattrs[i].size) == 0;
	return same;
}

static void a_layer_comes_back_from_the_store_as_it_was(void)
{
	_cleanup_pile_ struct pile p;
	_cleanup_(layer_freep) struct layer *back = NULL;
	struct digest object, list;
	const struct layer *l;

	CHECK(pile_open(&p));
	CHECK_INT(rich_layer(&p), 0);
	l = p.v[0];
	CHECK_INT(layer_store(p.f.ingest, l, &object, &list, &p.f.e), 0);
	CHECK_INT(ingest_commit(p.f.ingest, &p.f.e), 0);
	CHECK_INT(layer_load(p.f.store, &object, &back, &p.f.e), 0);
	CHECK_INT(back->tree->n, l->tree->n);
	for (uint32_t i = 0; i < l->tree->n; i++)
		CHECK(same_entry(&l->tree->v[i], &back->tree->v[i]));
	CHECK_INT(back->n_removals, 2);
	CHECK_STR(back->removals[0].path, "d");
	CHECK(back->removals[0].opaque);
	CHECK_STR(back->removals[1].path, "gone");
	CHECK(!back->removals[1].opaque);
	CHECK(store_has(p.f.store, &list, OBJECT_PLAIN));
}

static void the_same_tree_has_the_same_digest(void)
{
	struct digest d[2], list;

	for (int i = 0; i < 2; i++) {
		_cleanup_pile_ struct pile p;

		CHECK(pile_open(&p));
		CHECK_INT(rich_layer(&p), 0);
		CHECK_INT(merge(&p), 0);
		CHECK_INT(tree_store(p.f.ingest, p.tree, &d[i], &list, &p.f.e), 0);
	}
	CHECK(digest_equal(&d[0], &d[1]));
}

/* Whatever is flipped, cut or added: an error or a sound tree, never a crash. The
 * sanitizers watch. */
static void a_broken_tree_is_refused(void)
{
	_cleanup_pile_ struct pile p;
	_cleanup_free_ char *bytes = NULL;
	size_t size, refused = 0;

	CHECK(pile_open(&p));
	CHECK_INT(rich_layer(&p), 0);
	CHECK_INT(layer_encode(p.v[0], &bytes, &size, &p.f.e), 0);
	for (size_t i = 0; i < size * 4; i++) {
		struct layer *l = NULL;
		char *copy = malloc(size);
		int r;

		CHECK(copy);
		memcpy(copy, bytes, size);
		copy[i / 4] = (char)(i % 4 == 0   ? copy[i / 4] ^ 1
				     : i % 4 == 1 ? 0xff
				     : i % 4 == 2 ? 0x80
						  : 0);
		r = layer_decode(copy, size, &l, &p.f.e);
		if (r < 0) {
			free(copy);
			refused++;
		}
		layer_free(l);
		CHECK(r == 0 || r == -EBADMSG);
	}
	CHECK(refused > size / 8);
	for (size_t i = 0; i < size; i++) {
		_cleanup_free_ char *copy = malloc(i + 1);
		struct layer *l = NULL;

		CHECK(copy);
		memcpy(copy, bytes, i);
		CHECK_INT(layer_decode(copy, i, &l, &p.f.e), -EBADMSG);
	}
}

int main(void)
{
	RUN(upper_files_replace_lower_ones);
	RUN(whiteouts_remove_files_and_whole_directories);
	RUN(a_whiteout_takes_from_lower_layers_only);
	RUN(what_was_removed_may_come_back_later);
	RUN(an_opaque_directory_hides_what_was_in_it);
	RUN(directories_change_attributes_and_keep_content);
	RUN(files_and_directories_replace_each_other);
	RUN(hard_links_stay_together_when_a_name_goes);
	RUN(sorting_is_by_component);
	RUN(an_image_without_layers_is_an_empty_directory);
	RUN(the_limit_is_on_all_layers_together);
	RUN(a_layer_comes_back_from_the_store_as_it_was);
	RUN(the_same_tree_has_the_same_digest);
	RUN(a_broken_tree_is_refused);
	return tap_done();
}
