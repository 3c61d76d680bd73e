/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>

#include "image/layer-path.h"
#include "image/tree-builder.h"
#include "tap.h"
#include "tree-find.h"

static struct volt_error err;
static char resolved[PATH_MAX];

static int add(struct tree_builder *b, const char *path, uint32_t mode, uint32_t uid)
{
	const struct tree_entry f = { .path = path,
				      .mode = mode,
				      .uid = uid,
				      .target = S_ISLNK(mode) ? "target" : NULL };

	return tree_builder_add(b, &f, &err);
}

static int add_link(struct tree_builder *b, const char *path, const char *target)
{
	const struct tree_entry f = { .path = path,
				      .mode = S_IFLNK | 0777,
				      .target = target };

	return tree_builder_add(b, &f, &err);
}

/* The paths of a tree, each with a space after it; "." is the root. */
static const char *paths(const struct tree *t)
{
	static char text[1024];
	size_t n = 0;

	for (uint32_t i = 0; i < t->n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ",
				      t->v[i].path[0] ? t->v[i].path : ".");
	return text;
}

static void entries_are_sorted_by_component(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	CHECK_INT(add(b, "a-b", S_IFREG, 0), 0);
	CHECK_INT(add(b, "a/\x01", S_IFREG, 0), 0);
	CHECK_INT(add(b, "a\x01", S_IFREG, 0), 0);
	CHECK_INT(add(b, "a", S_IFDIR, 0), 0);
	CHECK_INT(add(b, "a/z/q", S_IFREG, 0), 0);
	CHECK_INT(add(b, "\xff", S_IFREG, 0), 0);
	CHECK_INT(tree_builder_finish(b, NULL, &t, &err), 0);
	CHECK_STR(paths(t), ". a a/\x01 a/z a/z/q a\x01 a-b \xff ");
	for (uint32_t i = 0; i < t->n; i++)
		CHECK(tree_find(t, t->v[i].path) == &t->v[i]);
	CHECK(tree_find(t, "b") == NULL);
}

static void missing_parents_are_made(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	CHECK_INT(add(b, "x/y/z", S_IFREG | 0600, 5), 0);
	CHECK_INT(add(b, "x/y1/z", S_IFREG | 0600, 5), 0);
	CHECK_INT(tree_builder_finish(b, NULL, &t, &err), 0);
	CHECK_STR(paths(t), ". x x/y x/y/z x/y1 x/y1/z ");
	CHECK_INT(tree_find(t, "x/y")->mode, S_IFDIR | 0755);
	CHECK_INT(tree_find(t, "x/y/z")->mode, S_IFREG | 0600);
}

static void an_empty_tree_has_a_root(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	CHECK_INT(tree_builder_finish(b, NULL, &t, &err), 0);
	CHECK_STR(paths(t), ". ");
	CHECK_INT(t->v[0].mode, S_IFDIR | 0755);
}

static void a_directory_added_again_keeps_its_content(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	CHECK_INT(add(b, "d/f", S_IFREG, 0), 0);
	CHECK_INT(add(b, "d", S_IFDIR | 0700, 1), 0);
	CHECK_INT(add(b, "d", S_IFDIR | 0500, 2), 0);
	CHECK_INT(tree_builder_finish(b, NULL, &t, &err), 0);
	CHECK_STR(paths(t), ". d d/f ");
	CHECK_INT(t->v[1].uid, 2);
}

static void a_file_over_a_directory_takes_its_content_away(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	CHECK_INT(add(b, "d/e/f", S_IFREG, 0), 0);
	CHECK_INT(add(b, "d", S_IFREG, 0), 0);
	CHECK(tree_builder_find(b, "d/e/f") == NULL);
	CHECK_INT(add(b, "d", S_IFDIR, 0), 0);
	CHECK_INT(add(b, "d/new", S_IFREG, 0), 0);
	CHECK_INT(tree_builder_finish(b, NULL, &t, &err), 0);
	CHECK_STR(paths(t), ". d d/new ");
}

static void an_entry_below_a_file_is_refused(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	CHECK_INT(add(b, "f", S_IFREG, 0), 0);
	CHECK_INT(add(b, "f/x", S_IFREG, 0), 0);
	CHECK_INT(tree_builder_finish(b, NULL, &t, &err), -ENOTDIR);
	CHECK_STR(err.msg, "'f/x' is below 'f', which is not a directory");
}

static void the_first_name_of_a_hard_link_is_the_file(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	CHECK_INT(add(b, "z", S_IFREG | 0444, 7), 0);
	CHECK_INT(tree_builder_link(b, "m", "z", &err), 0);
	CHECK_INT(tree_builder_link(b, "a/b", "m", &err), 0);
	CHECK_INT(add(b, "z", S_IFREG | 0600, 8), 0);
	CHECK_INT(tree_builder_finish(b, NULL, &t, &err), 0);
	CHECK_STR(paths(t), ". a a/b m z ");
	CHECK_INT(t->v[2].hardlink, TREE_NONE);
	CHECK_INT(t->v[3].hardlink, 2);
	CHECK_INT(t->v[3].uid, 7);
	CHECK_INT(t->v[4].hardlink, TREE_NONE);
	CHECK_INT(t->v[4].uid, 8);
}

static void hard_links_to_nothing_and_to_directories_are_refused(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	CHECK_INT(add(b, "d/f", S_IFREG, 0), 0);
	CHECK_INT(add(b, "d", S_IFDIR, 0), 0);
	CHECK_INT(tree_builder_link(b, "x", "none", &err), -ENOENT);
	CHECK_STR(err.msg, "hard link 'x': no file 'none'");
	CHECK_INT(tree_builder_link(b, "x", "d", &err), -EPERM);
	CHECK_INT(add(b, "d", S_IFREG, 0), 0);
	CHECK_INT(tree_builder_link(b, "x", "d/f", &err), -ENOENT);
}

static void a6_paths_that_are_not_clean_are_refused(void)
{
	static const char *const bad[] = { "/etc", "a/../b", "..", ".", "a//b", "a/" };
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(add(b, bad[i], S_IFREG, 0), -EINVAL);
	CHECK_INT(add(b, "", S_IFREG, 0), -ENOTDIR);
	CHECK_INT(add(b, "x", 0644, 0), -EINVAL);
	CHECK_STR(err.msg, "'x' has no known file type (mode 644)");
	CHECK_INT(add_link(b, "x", ""), -EINVAL);
}

static void many_names_are_found(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;
	char name[32];

	CHECK_INT(tree_builder_new(&b, &err), 0);
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(name, sizeof(name), "%d/%d", i % 100, i);
		CHECK_INT(add(b, name, S_IFREG, (uint32_t)i), 0);
	}
	CHECK_INT(tree_builder_finish(b, NULL, &t, &err), 0);
	CHECK_INT(t->n, 20101);
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(name, sizeof(name), "%d/%d", i % 100, i);
		CHECK(tree_find(t, name) && tree_find(t, name)->uid == (uint32_t)i);
	}
}

/* A hostile layer may have a million such names; each must cost one pass over its path. */
static void deep_names_are_found_in_one_pass(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;
	char path[PATH_MAX] = "";
	size_t n = 0, end = 0;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	for (int i = 0; i < 2000; i++) {
		n += (size_t)snprintf(path + n, sizeof(path) - n, "%sd",
				      i > 0 ? "/" : "");
		CHECK_INT(add(b, path, S_IFDIR | 0755, 0), 0);
	}
	for (int i = 0; i < 3000; i++) {
		(void)snprintf(path + n, sizeof(path) - n, "/f%d", i);
		(void)strcpy(resolved, path);
		CHECK_INT(layer_path_resolve(b, resolved, &err), 0);
		CHECK_STR(resolved, path);
		CHECK_INT(add(b, path, S_IFREG | 0644, 0), 0);
	}
	CHECK(!tree_builder_obstacle(b, path, &end));
	CHECK_INT(tree_builder_finish(b, NULL, &t, &err), 0);
	CHECK_INT(t->n, 1 + 2000 + 3000);
}

static void the_uppermost_obstacle_is_found(void)
{
	_cleanup_(tree_builder_freep) struct tree_builder *b = NULL;
	const struct tree_entry *f;
	size_t end = 0;

	CHECK_INT(tree_builder_new(&b, &err), 0);
	CHECK_INT(add(b, "a", S_IFDIR | 0755, 0), 0);
	CHECK_INT(add_link(b, "a/link", "/x"), 0);
	CHECK_INT(add(b, "a/link/file", S_IFREG | 0644, 0), 0);
	f = tree_builder_obstacle(b, "a/link/file/x", &end);
	CHECK(f && S_ISLNK(f->mode));
	CHECK_STR(f->path, "a/link");
	CHECK_INT(end, strlen("a/link"));
	CHECK(!tree_builder_obstacle(b, "a/link", &end)); /* only what is above */
	/* What is buried is in nobody's way. */
	CHECK_INT(add(b, "a", S_IFREG | 0644, 0), 0);
	CHECK_INT(add(b, "a", S_IFDIR | 0755, 0), 0);
	CHECK(!tree_builder_obstacle(b, "a/link/x", &end));
	CHECK_INT(add(b, "a", S_IFREG | 0644, 0), 0);
	f = tree_builder_obstacle(b, "a/link/x", &end);
	CHECK(f && S_ISREG(f->mode));
	CHECK_INT(end, 1);
}

int main(void)
{
	RUN(entries_are_sorted_by_component);
	RUN(missing_parents_are_made);
	RUN(an_empty_tree_has_a_root);
	RUN(a_directory_added_again_keeps_its_content);
	RUN(a_file_over_a_directory_takes_its_content_away);
	RUN(an_entry_below_a_file_is_refused);
	RUN(the_first_name_of_a_hard_link_is_the_file);
	RUN(hard_links_to_nothing_and_to_directories_are_refused);
	RUN(a6_paths_that_are_not_clean_are_refused);
	RUN(many_names_are_found);
	RUN(deep_names_are_found_in_one_pass);
	RUN(the_uppermost_obstacle_is_found);
	return tap_done();
}
