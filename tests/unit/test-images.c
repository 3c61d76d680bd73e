/* SPDX-License-Identifier: Apache-2.0 */
/* Images as a whole: in through skopeo from layouts made here, found, named, removed. */
#include <stdarg.h>

#include "base/json.h"
#include "image/build.h"
#include "image/skopeo.h"
#include "images-lib.h"
#include "store/ref.h"

/* --- in --- */

static void a_layout_becomes_an_image(void)
{
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *img = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;
	struct tar tars[3] = { 0 };
	char source[100];

	CHECK(world_open(&w));
	TAR_TEXT(&tars[0], "a", "one");
	TAR_TEXT(&tars[0], "b", "two");
	TAR(&tars[1], .name = ".wh.a");
	TAR_TEXT(&tars[2], "c/d", "three");
	image_of(&w, tars, 3, "arm64", NULL);
	(void)snprintf(source, sizeof(source), "oci:%s", w.layout);
	CHECK_INT(image_pull(w.is, source, NULL, &img, &w.f.e), 0);
	CHECK_STR(img->arch, "arm64");
	CHECK_INT(img->size, 8);
	CHECK_INT(img->names.n, 0);
	CHECK(json_is_object(json_object_get(img->config_json, "rootfs")));
	CHECK_INT(tree_load(w.f.store, &img->tree, &t, &w.f.e), 0);
	CHECK(!tree_find(t, "a"));
	CHECK(tree_find(t, "b"));
	CHECK(tree_find(t, "c/d"));
	CHECK_INT(count(&w, "cas/refs/layers"), 3);
	CHECK_INT(count(&w, "images/staging"), 0);
}

static void a_held_layer_is_not_read_again(void)
{
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *first = NULL, *second = NULL;
	struct tar tars[2] = { 0 };
	char source[100];
	int layers;

	CHECK(world_open(&w));
	TAR_TEXT(&tars[0], "base", "shared");
	image_of(&w, tars, 1, "amd64", NULL);
	(void)snprintf(source, sizeof(source), "oci:%s", w.layout);
	CHECK_INT(image_pull(w.is, source, NULL, &first, &w.f.e), 0);
	layers = count(&w, "cas/refs/layers");
	TAR_TEXT(&tars[0], "base", "shared");
	TAR_TEXT(&tars[1], "top", "own");
	image_of(&w, tars, 2, "amd64", NULL);
	(void)snprintf(source, sizeof(source), "oci:%s", w.layout);
	CHECK_INT(image_pull(w.is, source, NULL, &second, &w.f.e), 0);
	CHECK_INT(count(&w, "cas/refs/layers"), layers + 1);
	CHECK_INT(second->size, 9);
}

/* What a head start saw, and whether it was taken back. */
struct early {
	struct world *w;
	struct digest tree;
	int begun, undone, read;
};

static void begin_early(void *data, struct store *s, const struct digest *tree)
{
	struct early *early = data;
	_cleanup_(tree_freep) struct tree *t = NULL;
	struct volt_error e = { 0 };

	early->begun++;
	early->tree = *tree;
	if (tree_load(s, tree, &t, &e) < 0)
		return;
	for (uint32_t i = 0; i < t->n; i++) {
		_cleanup_close_ int fd =
			S_ISREG(t->v[i].mode) ? store_open_object(s, &t->v[i].object, &e)
					      : -1;

		early->read += fd >= 0;
	}
}

static void undo_early(void *data, const struct digest *tree)
{
	struct early *early = data;

	early->undone += digest_equal(tree, &early->tree);
}

static struct image_head_start head_start(struct early *early, struct world *w,
					  struct tar *tar)
{
	*early = (struct early){ .w = w };
	TAR_TEXT(tar, "a", "one");
	TAR_TEXT(tar, "b", "two");
	image_of(w, tar, 1, "amd64", NULL);
	return (struct image_head_start){ begin_early, undo_early, early };
}

static void a_head_start_reads_all_of_the_tree(void)
{
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *img = NULL;
	struct image_head_start h;
	struct tar tar = { 0 };
	struct early early;
	char source[100];

	CHECK(world_open(&w));
	h = head_start(&early, &w, &tar);
	images_set_head_start(w.is, &h);
	(void)snprintf(source, sizeof(source), "oci:%s", w.layout);
	CHECK_INT(image_pull(w.is, source, NULL, &img, &w.f.e), 0);
	CHECK_INT(early.begun, 1);
	CHECK_INT(early.read, 2);
	CHECK_INT(early.undone, 0);
	CHECK(digest_equal(&early.tree, &img->tree));
}

/* Refs cannot be written: a file is where their directory should be. */
static void a_head_start_is_undone_where_the_image_is_not_stored(void)
{
	_cleanup_world_ struct world w;
	struct image *img = NULL;
	struct image_head_start h;
	struct tar tar = { 0 };
	struct early early;
	char source[100];

	CHECK(world_open(&w));
	h = head_start(&early, &w, &tar);
	images_set_head_start(w.is, &h);
	CHECK_INT(write_file_atomic(w.f.root, "file", "", 0, 0600), 0);
	CHECK_INT(renameat(w.f.root, "file", w.f.root, "cas/refs/layers"), 0);
	(void)snprintf(source, sizeof(source), "oci:%s", w.layout);
	CHECK(image_pull(w.is, source, NULL, &img, &w.f.e) < 0);
	CHECK(strstr(w.f.e.msg, "layers"));
	CHECK_INT(early.begun, 1);
	CHECK_INT(early.undone, 1);
}

static int pull_last(struct world *w, const struct image_pull *o)
{
	char source[100];
	struct image *img = NULL;
	int r;

	(void)snprintf(source, sizeof(source), "oci:%s", w->layout);
	r = image_pull(w->is, source, o, &img, &w->f.e);
	image_free(img);
	return r;
}

static void a_held_layer_may_be_there_twice(void)
{
	_cleanup_world_ struct world w;
	struct tar tars[3] = { 0 };

	CHECK(world_open(&w));
	TAR_TEXT(&tars[0], "base", "shared");
	image_of(&w, tars, 1, "amd64", NULL);
	CHECK_INT(pull_last(&w, NULL), 0);
	TAR_TEXT(&tars[0], "base", "shared");
	TAR_TEXT(&tars[1], "base", "shared");
	TAR_TEXT(&tars[2], "top", "own");
	image_of(&w, tars, 3, "amd64", NULL);
	CHECK_INT(pull_last(&w, NULL), 0);
	CHECK_INT(count(&w, "cas/refs/layers"), 2);
}

static void a_hostile_layer_leaves_nothing(void)
{
	_cleanup_world_ struct world w;
	struct tar tars[2] = { 0 };

	CHECK(world_open(&w));
	TAR_TEXT(&tars[0], "honest", "x");
	TAR_TEXT(&tars[1], "../../etc/cron.d/x", "x");
	image_of(&w, tars, 2, "amd64", NULL);
	CHECK_INT(pull_last(&w, NULL), -EPERM);
	CHECK(strstr(w.f.e.msg, "layer 'sha256:"));
	CHECK(strstr(w.f.e.msg, "leads out of the image"));
	CHECK(strstr(w.f.e.msg, "pull 'oci:"));
	CHECK(nothing_is_left(&w));
}

static void a8_a_layer_that_is_not_what_the_config_says_is_refused(void)
{
	_cleanup_world_ struct world w;
	struct tar tar = { 0 };

	CHECK(world_open(&w));
	TAR_TEXT(&tar, "a", "x");
	image_of(
		&w, &tar, 1, "amd64",
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	CHECK_INT(pull_last(&w, NULL), -EBADMSG);
	CHECK(strstr(w.f.e.msg, "is not what the config says"));
	CHECK(nothing_is_left(&w));
}

static void a8_a_changed_byte_in_any_blob_is_refused(void)
{
	_cleanup_world_ struct world w;
	_cleanup_closedir_ DIR *d = NULL;
	struct tar tar = { 0 };
	struct dirent *entry;
	char path[200];
	int n = 0;

	CHECK(world_open(&w));
	TAR_TEXT(&tar, "a", "x");
	image_of(&w, &tar, 1, "amd64", NULL);
	(void)snprintf(path, sizeof(path), "%s/blobs/sha256", w.layout);
	d = opendir(path);
	CHECK(d);
	while ((entry = readdir(d)) != NULL) {
		_cleanup_close_ int fd =
			openat(dirfd(d), entry->d_name, O_RDWR | O_CLOEXEC);
		char byte;

		if (entry->d_name[0] == '.')
			continue;
		CHECK(fd >= 0 && pread(fd, &byte, 1, 3) == 1);
		byte ^= 1;
		CHECK_INT(pwrite(fd, &byte, 1, 3), 1);
		CHECK(pull_last(&w, NULL) < 0);
		CHECK(nothing_is_left(&w));
		byte ^= 1;
		CHECK_INT(pwrite(fd, &byte, 1, 3), 1);
		n++;
	}
	CHECK_INT(n, 3);
	CHECK_INT(pull_last(&w, NULL), 0);
}

static void another_architecture_than_asked_for_is_refused(void)
{
	_cleanup_world_ struct world w;
	struct tar tar = { 0 };

	CHECK(world_open(&w));
	TAR_TEXT(&tar, "a", "x");
	image_of(&w, &tar, 1, "arm64", NULL);
	CHECK_INT(pull_last(&w, &(struct image_pull){ .arch = "riscv64" }), -ENOENT);
	CHECK(strstr(w.f.e.msg, "is for arm64, not for riscv64"));
	CHECK(nothing_is_left(&w));
	CHECK_INT(pull_last(&w, &(struct image_pull){ .arch = "z80" }), -EINVAL);
	CHECK_INT(pull_last(&w, &(struct image_pull){ .arch = "aarch64" }), 0);
}

static void a_source_that_is_not_there_is_named(void)
{
	_cleanup_world_ struct world w;
	struct image *img = NULL;

	CHECK(world_open(&w));
	CHECK_INT(image_pull(w.is, "oci:/nonexistent/x", NULL, &img, &w.f.e), -ENOENT);
	CHECK(strstr(w.f.e.msg, "'/nonexistent/x'"));
	CHECK_INT(image_load(w.is, "/dev/null", NULL, &w.f.e), -ENOTSUP);
	CHECK(strstr(w.f.e.msg, "load '/dev/null'"));
	CHECK_INT(image_pull(w.is, "nothing",
			     &(struct image_pull){ .policy = IMAGE_PULL_NEVER }, &img,
			     &w.f.e),
		  -ENOENT);
	CHECK(strstr(w.f.e.msg, "image 'nothing' is not here"));
}

static void what_skopeo_says_is_told_without_credentials(void)
{
	struct volt_error e = { 0 };

	CHECK_INT(skopeo_explain(
			  "time=\"now\" msg=\"pinging https://me:secret@host/v2/: no\"",
			  &e),
		  -EIO);
	CHECK_STR(e.msg, "pinging https://*********@host/v2/: no");
}

static void staging_of_the_dead_is_cleared(void)
{
	_cleanup_world_ struct world w;

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "x", NULL, NULL), 0);
	CHECK_INT(mkdirat(w.f.root, "images/staging/dead", 0700), 0);
	CHECK_INT(mkdirat(w.f.root, "images/staging/dead/layout", 0700), 0);
	images_close(TAKE_PTR(w.is));
	CHECK_INT(images_open(w.f.root, w.f.store, &w.is, &w.f.e), 0);
	CHECK_INT(count(&w, "images/staging"), 0);
}

/* --- names --- */

static int find(struct world *w, const char *text, struct image **ret)
{
	image_free(*ret);
	*ret = NULL;
	return image_find(w->is, text, ret, &w->f.e);
}

static void images_are_found_by_name_id_and_digest(void)
{
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *img = NULL, *found = NULL;
	char id[DIGEST_HEX_SIZE], digest[DIGEST_OCI_SIZE], text[300];

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "1", "app:v1", &img), 0);
	CHECK_INT(pull_text(&w, "2", "q.io/team/app", NULL), 0);
	(void)digest_hex(&img->config, id);
	(void)digest_oci(&img->manifest, digest);
	CHECK_INT(find(&w, "app:v1", &found), 0);
	CHECK_STR(found->name, "localhost/app:v1");
	CHECK_INT(find(&w, "localhost/app:v1", &found), 0);
	CHECK_INT(find(&w, "app", &found), -ENOENT);
	CHECK(strstr(w.f.e.msg, "'app'"));
	CHECK_INT(find(&w, "q.io/team/app", &found), 0);
	CHECK(!digest_equal(&found->manifest, &img->manifest));
	CHECK_INT(find(&w, id, &found), 0);
	CHECK(digest_equal(&found->manifest, &img->manifest));
	CHECK(!found->name);
	id[12] = 0;
	CHECK_INT(find(&w, id, &found), 0);
	CHECK(digest_equal(&found->manifest, &img->manifest));
	CHECK_INT(find(&w, digest, &found), 0);
	(void)snprintf(text, sizeof(text), "localhost/app@%s", digest);
	CHECK_INT(find(&w, text, &found), 0);
	(void)snprintf(text, sizeof(text), "localhost/other@%s", digest);
	CHECK_INT(find(&w, text, &found), -ENOENT);
	CHECK_INT(find(&w, "ab", &found), -ENOENT);
	CHECK_INT(find(&w, "../../etc/passwd", &found), -EINVAL);
}

/* As when it was removed while a name was on its way to it. */
static void what_is_gone_gets_no_name(void)
{
	const struct digest gone = { { 1 } };
	_cleanup_world_ struct world w;

	CHECK(world_open(&w));
	CHECK_INT(name_write(w.is, "localhost/x:latest", &gone, NULL, &w.f.e), -ENOENT);
	CHECK(strstr(w.f.e.msg, "was removed meanwhile"));
	CHECK_INT(count(&w, "images/names"), 0);
}

static void b2_no_two_names_are_one(void)
{
	static const char *const names[] = { "localhost/a/b:c", "localhost/a_b:c",
					     "localhost/a/b_c:c", "localhost/a-b:c" };
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *found = NULL;
	struct digest seen[ARRAY_SIZE(names)];
	char text[8];

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(text, sizeof(text), "%zu", i);
		CHECK_INT(pull_text(&w, text, names[i], NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CHECK_INT(find(&w, names[i], &found), 0);
		seen[i] = found->manifest;
		for (size_t k = 0; k < i; k++)
			CHECK(!digest_equal(&seen[i], &seen[k]));
	}
}

static void b3_a_name_that_moves_leaves_the_old_image_as_it_was(void)
{
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *old = NULL, *found = NULL;
	char id[DIGEST_HEX_SIZE];

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "1", "app", &old), 0);
	CHECK_INT(pull_text(&w, "2", "app", NULL), 0);
	CHECK_INT(find(&w, "app", &found), 0);
	CHECK(!digest_equal(&found->manifest, &old->manifest));
	CHECK_INT(find(&w, digest_hex(&old->config, id), &found), 0);
	CHECK(digest_equal(&found->tree, &old->tree));
	CHECK_INT(found->names.n, 0);
}

static void a_broken_record_does_not_hide_the_others(void)
{
	_cleanup_world_ struct world w;
	_cleanup_close_ int dir = -1;
	json_auto_t *list = NULL;

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "1", "app", NULL), 0);
	dir = openat(w.f.root, "images/names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(
		write_file_atomic(
			dir,
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.json",
			"{\"torn", 6, 0644),
		0);
	CHECK_INT(image_list(w.is, &list, &w.f.e), 0);
	CHECK_INT(json_array_size(list), 1);
}

/* It is of no use, but it is there, and it goes. */
/* Pulls an image and damages its config, whose id is left in @id. */
static int pull_damaged(struct world *w, char id[static DIGEST_HEX_SIZE])
{
	_cleanup_(image_freep) struct image *img = NULL;
	char path[128];
	int r = pull_text(w, "1", "app", &img);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "cas/objects/%s",
		       digest_hex(&img->config, id));
	r = write_file_atomic(w->f.root, "torn", "{", 1, 0444);
	return r == 0 ? renameat(w->f.root, "torn", w->f.root, path) : r;
}

static void an_image_with_a_damaged_config_can_be_removed(void)
{
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *img = NULL;
	struct image_removed gone = { 0 };
	char id[DIGEST_HEX_SIZE];

	CHECK(world_open(&w));
	CHECK_INT(pull_damaged(&w, id), 0);
	CHECK(find(&w, "app", &img) < 0);
	CHECK(strstr(w.f.e.msg, "image '"));
	CHECK_INT(image_remove(w.is, id, false, &gone, &w.f.e), 0);
	image_removed_done(&gone);
	CHECK_INT(count(&w, "cas/objects"), 0);
	CHECK_INT(pull_damaged(&w, id), 0);
	CHECK_INT(image_untag(w.is, id, "app", &w.f.e), 0);
	CHECK_INT(count(&w, "images/names"), 0);
}

static void an_image_with_a_damaged_config_is_listed_and_pruned(void)
{
	_cleanup_world_ struct world w;
	struct image_removed gone = { 0 };
	json_auto_t *list = NULL;
	char id[DIGEST_HEX_SIZE];
	size_t deleted;

	CHECK(world_open(&w));
	CHECK_INT(pull_damaged(&w, id), 0);
	CHECK_INT(image_list(w.is, &list, &w.f.e), 0);
	CHECK_INT(json_array_size(list), 1);
	CHECK_INT(image_prune(w.is, true, &gone, &w.f.e), 0);
	deleted = gone.deleted.n;
	image_removed_done(&gone);
	CHECK_INT(deleted, 1);
	CHECK_INT(count(&w, "cas/objects"), 0);
}

static void the_list_is_newest_first(void)
{
	_cleanup_world_ struct world w;
	json_auto_t *list = NULL;
	const json_t *first;

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "1", "a", NULL), 0);
	CHECK_INT(pull_text(&w, "2", "b", NULL), 0);
	CHECK_INT(image_list(w.is, &list, &w.f.e), 0);
	CHECK_INT(json_array_size(list), 2);
	first = json_array_get(list, 0);
	CHECK_STR(json_string_value(json_array_get(json_object_get(first, "names"), 0)),
		  "localhost/b:latest");
	CHECK_STR(json_string_value(json_object_get(first, "created_at")),
		  "2024-01-02T00:00:00.000000000Z");
	CHECK_STR(json_string_value(json_object_get(first, "arch")), "x86_64");
}

static void inspect_has_what_podman_has(void)
{
	static const char *const keys[] = { "Id",          "Digest",       "RepoTags",
					    "RepoDigests", "Size",         "Os",
					    "Config",      "Architecture", "RootFS",
					    "History",     "Created",      "Volt" };
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *img = NULL;
	json_auto_t *j = NULL;
	char digest[DIGEST_OCI_SIZE], want[200];

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "1", "app", NULL), 0);
	CHECK_INT(find(&w, "app", &img), 0);
	CHECK_INT(image_inspect(w.is, img, &j, &w.f.e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		CHECK(json_object_get(j, keys[i]));
	(void)snprintf(want, sizeof(want), "localhost/app@%s",
		       digest_oci(&img->manifest, digest));
	CHECK_STR(json_string_value(json_array_get(json_object_get(j, "RepoDigests"), 0)),
		  want);
}

/* --- out --- */

static int rm(struct world *w, const char *text, bool force)
{
	struct image_removed gone = { 0 };
	int r = image_remove(w->is, text, force ? VOLT_REMOVE_FORCE : 0, &gone, &w->f.e);

	image_removed_done(&gone);
	return r;
}

static void the_last_name_takes_the_image_with_it(void)
{
	_cleanup_world_ struct world w;
	struct image_removed gone = { 0 };

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "1", "a", NULL), 0);
	CHECK_INT(image_tag(w.is, "a", "b", &w.f.e), 0);
	CHECK_INT(rm(&w, "a", false), 0);
	CHECK_INT(count(&w, "cas/refs/images"), 1);
	CHECK_INT(image_remove(w.is, "b", 0, &gone, &w.f.e), 0);
	CHECK_INT(gone.untagged.n, 1);
	CHECK_INT(gone.deleted.n, 1);
	CHECK_INT(gone.n_trees, 1);
	CHECK(gone.bytes > 0);
	image_removed_done(&gone);
	CHECK(nothing_is_left(&w));
	CHECK_INT(rm(&w, "b", false), -ENOENT);
}

static void by_id_several_names_need_force(void)
{
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *img = NULL;
	char id[DIGEST_HEX_SIZE];

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "1", "a", &img), 0);
	CHECK_INT(image_tag(w.is, "a", "b", &w.f.e), 0);
	(void)digest_hex(&img->config, id);
	CHECK_INT(rm(&w, id, false), -EBUSY);
	CHECK(strstr(w.f.e.msg, "'localhost/a:latest', 'localhost/b:latest'"));
	CHECK_INT(rm(&w, id, true), 0);
	CHECK(nothing_is_left(&w));
}

static int use(struct world *w, const char *image, const char *machine)
{
	_cleanup_(image_freep) struct image *img = NULL;
	json_auto_t *ref = json_pack("{s:s}", "name", machine);
	int r = image_find(w->is, image, &img, &w->f.e);

	if (r == 0)
		r = image_pin(w->is, img, ref, &w->f.e);
	return r < 0 ? r : ref_write(w->f.store, "machines", machine, ref, &w->f.e);
}

static void an_image_in_use_stays_and_by_force_its_files_stay(void)
{
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *img = NULL;
	_cleanup_(tree_freep) struct tree *t = NULL;
	struct image_removed gone = { 0 };

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "1", "a", NULL), 0);
	CHECK_INT(find(&w, "a", &img), 0);
	CHECK_INT(use(&w, "a", "web"), 0);
	CHECK_INT(rm(&w, "a", false), -EBUSY);
	CHECK(strstr(w.f.e.msg, "used by machine 'web'"));
	CHECK_INT(image_prune(w.is, true, &gone, &w.f.e), 0);
	CHECK_INT(gone.deleted.n, 0);
	image_removed_done(&gone);
	CHECK_INT(rm(&w, "a", true), 0);
	CHECK_INT(find(&w, "a", &(struct image *){ NULL }), -ENOENT);
	CHECK_INT(tree_load(w.f.store, &img->tree, &t, &w.f.e), 0);
	CHECK(store_has(w.f.store, &tree_find(t, "file")->object, OBJECT_PLAIN));
	CHECK_INT(ref_remove(w.f.store, "machines", "web", &w.f.e), 0);
	CHECK_INT(image_prune(w.is, false, &gone, &w.f.e), 0);
	image_removed_done(&gone);
	CHECK(nothing_is_left(&w));
}

static void b6_prune_takes_what_has_no_name(void)
{
	_cleanup_world_ struct world w;
	struct image_removed gone = { 0 };

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "1", "app", NULL), 0);
	CHECK_INT(pull_text(&w, "2", "app", NULL), 0);
	CHECK_INT(image_prune(w.is, false, &gone, &w.f.e), 0);
	CHECK_INT(gone.deleted.n, 1);
	image_removed_done(&gone);
	CHECK_INT(count(&w, "cas/refs/images"), 1);
	CHECK_INT(count(&w, "cas/refs/layers"), 1);
	CHECK_INT(image_prune(w.is, true, &gone, &w.f.e), 0);
	CHECK_INT(gone.untagged.n, 1);
	image_removed_done(&gone);
	CHECK(nothing_is_left(&w));
}

static void a_layer_that_another_image_has_stays(void)
{
	_cleanup_world_ struct world w;
	struct tar tars[2] = { 0 };

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "shared", "a", NULL), 0);
	TAR_TEXT(&tars[0], "file", "shared");
	TAR_TEXT(&tars[1], "more", "x");
	image_of(&w, tars, 2, "amd64", NULL);
	CHECK_INT(pull_last(&w, NULL), 0);
	CHECK_INT(rm(&w, "a", false), 0);
	CHECK_INT(count(&w, "cas/refs/layers"), 2);
	CHECK_INT(count(&w, "cas/refs/images"), 1);
}

static void what_is_saved_comes_back_with_its_digest(void)
{
	static const enum image_format formats[] = { IMAGE_OCI_DIR, IMAGE_OCI_ARCHIVE,
						     IMAGE_DOCKER_ARCHIVE };

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		_cleanup_world_ struct world w;
		_cleanup_(image_freep) struct image *before = NULL, *after = NULL;
		char path[100];

		CHECK(world_open(&w));
		CHECK_INT(pull_text(&w, "1", "app:v1", NULL), 0);
		CHECK_INT(find(&w, "app:v1", &before), 0);
		(void)snprintf(path, sizeof(path), "%s/a:b", w.f.path);
		CHECK_INT(image_save(w.is, "app:v1", path, formats[i], &w.f.e), 0);
		CHECK_INT(image_save(w.is, "app:v1", path, formats[i], &w.f.e), -EEXIST);
		CHECK_INT(rm(&w, "app:v1", false), 0);
		CHECK_INT(image_load(w.is, path, NULL, &w.f.e), 0);
		CHECK_INT(find(&w, "app:v1", &after), 0);
		CHECK(digest_equal(&before->config, &after->config));
		CHECK(digest_equal(&before->tree, &after->tree));
		/* A docker archive has no manifest of its own. */
		CHECK(formats[i] == IMAGE_DOCKER_ARCHIVE ||
		      digest_equal(&before->manifest, &after->manifest));
		CHECK_INT(count(&w, "images/staging"), 0);
	}
}

/* A docker archive has one image with many names: any of them may be asked for. */
static void a_tag_of_an_archive_is_the_name_here(void)
{
	_cleanup_world_ struct world w;
	_cleanup_(image_freep) struct image *img = NULL;
	char path[100], source[200];

	CHECK(world_open(&w));
	CHECK_INT(pull_text(&w, "1", "app:v1", NULL), 0);
	(void)snprintf(path, sizeof(path), "%s/archive", w.f.path);
	CHECK_INT(image_save(w.is, "app:v1", path, IMAGE_DOCKER_ARCHIVE, &w.f.e), 0);
	CHECK_INT(rm(&w, "app:v1", false), 0);
	(void)snprintf(source, sizeof(source), "docker-archive:%s:localhost/app:v1",
		       path);
	CHECK_INT(image_pull(w.is, source, NULL, &img, &w.f.e), 0);
	CHECK_STR(img->name, "localhost/app:v1");
	image_free(TAKE_PTR(img));
	(void)snprintf(source, sizeof(source), "docker-archive:%s:localhost/other:v1",
		       path);
	CHECK(image_pull(w.is, source, NULL, &img, &w.f.e) < 0);
	CHECK(!img);
}

/* --- built --- */

static void a_program_becomes_an_image_and_always_the_same(void)
{
	struct digest seen[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		_cleanup_world_ struct world w;
		_cleanup_(image_freep) struct image *img = NULL;
		_cleanup_(tree_freep) struct tree *t = NULL;
		const char *const cmd[] = { "-l", NULL };
		const struct image_binary b = { .path = "/bin/ls",
						.name_in_image = "/opt/ls",
						.cmd = cmd };
		bool has_libc = false;
		json_t *config;

		CHECK(world_open(&w));
		CHECK_INT(image_build_binary(w.is, &b, "ls", &img, &w.f.e), 0);
		CHECK_STR(img->name, "localhost/ls:latest");
		CHECK_INT(tree_load(w.f.store, &img->tree, &t, &w.f.e), 0);
		CHECK_INT(tree_find(t, "opt/ls")->mode, S_IFREG | 0755);
		CHECK_INT(tree_find(t, "tmp")->mode, S_IFDIR | 01777);
		for (uint32_t k = 0; k < t->n; k++)
			has_libc |= strstr(t->v[k].path, "/libc.so.") != NULL;
		CHECK(has_libc);
		config = json_object_get(img->config_json, "config");
		CHECK_STR(json_string_value(json_array_get(
				  json_object_get(config, "Entrypoint"), 0)),
			  "/opt/ls");
		CHECK_STR(json_string_value(
				  json_array_get(json_object_get(config, "Cmd"), 0)),
			  "-l");
		seen[i] = img->manifest;
	}
	CHECK(digest_equal(&seen[0], &seen[1]));
}

static void what_is_no_program_is_refused(void)
{
	static const struct {
		const char *path;
		int code;
		const char *says;
	} cases[] = {
		{ "/etc/passwd", ENOEXEC, "not an ELF program" },
		{ "/usr/bin/ldd", ENOEXEC, "is a script" },
		{ "/nonexistent", ENOENT, "'/nonexistent'" },
		{ "/dev/null", ENOEXEC, "not an ELF program" },
	};
	_cleanup_world_ struct world w;

	CHECK(world_open(&w));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct image_binary b = { .path = cases[i].path };
		struct image *img = NULL;

		CHECK_INT(image_build_binary(w.is, &b, "x", &img, &w.f.e),
			  -cases[i].code);
		CHECK(strstr(w.f.e.msg, cases[i].says));
	}
	CHECK_INT(image_build_binary(w.is,
				     &(struct image_binary){ .path = "/bin/ls",
							     .name_in_image = "/../x" },
				     "x", &(struct image *){ NULL }, &w.f.e),
		  -EINVAL);
	CHECK(nothing_is_left(&w));
}

int main(void)
{
	RUN(a_layout_becomes_an_image);
	RUN(a_held_layer_is_not_read_again);
	RUN(a_head_start_reads_all_of_the_tree);
	RUN(a_head_start_is_undone_where_the_image_is_not_stored);
	RUN(a_held_layer_may_be_there_twice);
	RUN(a_hostile_layer_leaves_nothing);
	RUN(a8_a_layer_that_is_not_what_the_config_says_is_refused);
	RUN(a8_a_changed_byte_in_any_blob_is_refused);
	RUN(another_architecture_than_asked_for_is_refused);
	RUN(a_source_that_is_not_there_is_named);
	RUN(what_skopeo_says_is_told_without_credentials);
	RUN(staging_of_the_dead_is_cleared);
	RUN(images_are_found_by_name_id_and_digest);
	RUN(what_is_gone_gets_no_name);
	RUN(b2_no_two_names_are_one);
	RUN(b3_a_name_that_moves_leaves_the_old_image_as_it_was);
	RUN(a_broken_record_does_not_hide_the_others);
	RUN(an_image_with_a_damaged_config_can_be_removed);
	RUN(an_image_with_a_damaged_config_is_listed_and_pruned);
	RUN(the_list_is_newest_first);
	RUN(inspect_has_what_podman_has);
	RUN(the_last_name_takes_the_image_with_it);
	RUN(by_id_several_names_need_force);
	RUN(an_image_in_use_stays_and_by_force_its_files_stay);
	RUN(b6_prune_takes_what_has_no_name);
	RUN(a_layer_that_another_image_has_stays);
	RUN(what_is_saved_comes_back_with_its_digest);
	RUN(a_tag_of_an_archive_is_the_name_here);
	RUN(a_program_becomes_an_image_and_always_the_same);
	RUN(what_is_no_program_is_refused);
	return tap_done();
}
