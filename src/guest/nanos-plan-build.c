/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of a Nanos machine: what was chosen of the image, and what a container's engine
 * would make in it (resolver, hosts, host name, mount points). Nothing is taken from the host.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/path.h"
#include "guest/nanos-plan-internal.h"
#include "image/layer-path.h"
#include "image/tree-builder.h"
#include "store/sha256.h"

/* Of add_files(): resolver, hosts, two of the host name, passwd, group and nsswitch.conf. */
#define MADE_MAX 7u

struct build {
	struct nanos_choice *c;
	struct tree_builder *b;
	struct volt_error *e;
};

/* The first name that is in is the file; others are names of it. */
static int add_entry(const struct build *b, uint32_t i, uint32_t *first)
{
	const struct tree *t = b->c->t;
	uint32_t file = t->v[i].hardlink == TREE_NONE ? i : t->v[i].hardlink;

	if (first[file] != TREE_NONE)
		return tree_builder_link(b->b, t->v[i].path, t->v[first[file]].path,
					 b->e);
	first[file] = i;
	return tree_builder_add(b->b, &t->v[i], b->e);
}

static int add_chosen(const struct build *b)
{
	const struct tree *t = b->c->t;
	_cleanup_free_ uint32_t *first = calloc(t->n, sizeof(*first));
	int r = 0;

	if (!first)
		return fail_oom(b->e);
	for (uint32_t i = 0; i < t->n; i++)
		first[i] = TREE_NONE;
	for (uint32_t i = 0; i < t->n && r == 0; i++)
		if (b->c->left[i] == NANOS_IN)
			r = add_entry(b, i, first);
	return r;
}

/* A link in directory @dir that leads to @file. */
static int link_into(const struct build *b, const char *dir, const char *file)
{
	_cleanup_free_ char *at = NULL, *to = NULL;
	struct tree_entry link = { .mode = S_IFLNK | 0777, .hardlink = TREE_NONE };

	if (asprintf(&at, "%s/%s", dir, path_base(file)) < 0)
		at = NULL;
	if (asprintf(&to, "/%s", file) < 0)
		to = NULL;
	if (!at || !to)
		return fail_oom(b->e);
	link.path = at;
	link.target = to;
	link.size = strlen(to);
	return tree_builder_add(b->b, &link, b->e);
}

/* A directory in place of a link to one: what is there is linked name by name. */
static int make_directory_of_link(const struct build *b, const char *path)
{
	const struct tree *t = b->c->t;
	struct tree_entry dir = { .path = path,
				  .mode = S_IFDIR | 0755,
				  .hardlink = TREE_NONE };
	uint32_t from;
	int r = tree_resolve(t, path, NULL, &from);

	if (r == 0)
		r = S_ISDIR(t->v[from].mode) ? tree_builder_add(b->b, &dir, b->e)
					     : -ENOTDIR;
	if (r < 0)
		return fail_code(b->e, r, "directory '/%s' of the loader", path);
	for (uint32_t i = from + 1; i < tree_subtree_end(t, from) && r == 0;
	     i = tree_subtree_end(t, i))
		if (tree_builder_find(b->b, t->v[i].path))
			r = link_into(b, path, t->v[i].path);
	return r;
}

/* Nanos 0.1.47 follows no link on its way to a program's loader, and many images have /lib64
 * as one: that path becomes one of directories, with a copy of the file at its end (of names
 * of one file that kernel complains on the console). */
static int add_loader(const struct build *b)
{
	const struct nanos_choice *c = b->c;
	const char *loader = c->closure.n > 0 ? c->closure.v[0].file.interpreter : NULL;
	const struct tree_entry *there;
	struct tree_entry copy;
	char path[PATH_MAX], link[PATH_MAX];
	uint32_t file;
	size_t end;
	int r;

	if (!loader || tree_resolve(c->t, loader, NULL, &file) < 0)
		return 0;
	r = layer_path_clean(loader, path, b->e);
	while (r == 0 && tree_builder_obstacle(b->b, path, &end)) {
		(void)snprintf(link, sizeof(link), "%.*s", (int)end, path);
		r = make_directory_of_link(b, link);
	}
	there = r < 0 ? NULL : tree_builder_find(b->b, path);
	if (!there || !S_ISLNK(there->mode))
		return r;
	copy = c->t->v[file];
	copy.path = path;
	copy.hardlink = TREE_NONE;
	return tree_builder_add(b->b, &copy, b->e);
}

/* Where an absolute path is, the links above its last name followed. */
static int place(const struct build *b, const char *path, char ret[static PATH_MAX])
{
	int r = layer_path_clean(path, ret, b->e);

	return r < 0 || !*ret ? r : layer_path_resolve(b->b, ret, b->e);
}

/* The same with its last name's, which leads to no file (-ENOTDIR). */
static int place_through(const struct build *b, const char *path,
			 char ret[static PATH_MAX])
{
	int r = layer_path_clean(path, ret, b->e);
	size_t n = strlen(ret);

	if (r < 0 || n == 0)
		return r;
	if (n + 2 >= PATH_MAX)
		return fail(b->e, ENAMETOOLONG, "the path '%.100s…' is too long", path);
	memcpy(ret + n, "/x", 3);
	r = layer_path_resolve(b->b, ret, b->e);
	if (r == 0)
		*(strrchr(ret, '/') ? strrchr(ret, '/') : ret) = '\0';
	return r;
}

/* As mkdir -p would: what is there already is as good. */
static int add_directory(const struct build *b, const char *path)
{
	struct tree_entry dir = { .mode = S_IFDIR | 0755, .hardlink = TREE_NONE };
	char at[PATH_MAX];
	int r = place_through(b, path, at);

	if (r < 0)
		return fail_in(b->e, r, "directory '%s'", path);
	if (!*at || tree_builder_find(b->b, at))
		return 0;
	dir.path = at;
	return tree_builder_add(b->b, &dir, b->e);
}

static int add_link(const struct build *b, const struct nanos_link *l)
{
	struct tree_entry link = { .mode = S_IFLNK | 0777,
				   .hardlink = TREE_NONE,
				   .target = l->target,
				   .size = strlen(l->target) };
	const struct tree_entry *there;
	char at[PATH_MAX];
	int r = place(b, l->path, at);

	if (r < 0)
		return fail_in(b->e, r, "file '%s'", l->path);
	there = tree_builder_find(b->b, at);
	if (!*at || (there && S_ISDIR(there->mode)))
		return fail(b->e, EISDIR,
			    "'%s' is a directory in the image, and a file is to be there",
			    l->path);
	link.path = at;
	return tree_builder_add(b->b, &link, b->e);
}

/* The file replaces what has its name, also a link: that may lead to what only the system
 * makes that the image comes from. Takes @text over. */
static int add_made(const struct build *b, const char *path, char *text)
{
	struct nanos_plan *p = b->c->p;
	struct nanos_made *made = &p->made[p->n_made];
	struct tree_entry file = { .mode = S_IFREG | 0644, .hardlink = TREE_NONE };
	char at[PATH_MAX];
	int r;

	if (!text)
		return fail_oom(b->e);
	assert(p->n_made < MADE_MAX);
	p->n_made++;
	made->text = text;
	made->path = strdup(path);
	if (!made->path || sha256_bytes(text, strlen(text), &made->digest) < 0)
		return fail_oom(b->e);
	r = place(b, path, at);
	if (r < 0)
		return fail_in(b->e, r, "file '%s'", path);
	file.path = at;
	file.size = strlen(text);
	file.object = made->digest;
	return tree_builder_add(b->b, &file, b->e);
}

/* An empty file, as engines leave where they will mount one, is none. */
static bool is_there(const struct build *b, const char *path)
{
	const struct build quiet = { .c = b->c, .b = b->b };
	const struct tree_entry *found;
	char at[PATH_MAX];
	int r = place(&quiet, path, at);

	found = r < 0 ? NULL : tree_builder_find(b->b, at);
	if (!found || !S_ISLNK(found->mode))
		return found && (!S_ISREG(found->mode) || found->size > 0);
	r = place_through(&quiet, path, at);
	return r == -ENOTDIR || (r == 0 && tree_builder_find(b->b, at));
}

static int add_missing(const struct build *b, const char *path, const char *text)
{
	return is_there(b, path) ? 0 : add_made(b, path, strdup(text));
}

static int add_resolver(const struct build *b)
{
	const struct strv *list = b->c->w->nameservers;
	_cleanup_fclose_ FILE *f = NULL;
	char *text = NULL;
	size_t size = 0;

	if (!list || list->n == 0)
		return 0;
	f = open_memstream(&text, &size);
	if (!f)
		return fail_oom(b->e);
	strv_foreach(server, list->v)
		(void)fprintf(f, "nameserver %s\n", *server);
	if (fclose(TAKE_PTR(f)) != 0) {
		free(text);
		return fail_oom(b->e);
	}
	return add_made(b, "/etc/resolv.conf", text);
}

static int add_hosts(const struct build *b)
{
	const char *name = b->c->w->hostname;
	char *text = NULL;

	if (is_there(b, "/etc/hosts"))
		return 0;
	if (asprintf(&text, "127.0.0.1 localhost\n::1 localhost\n%s%s%s",
		     name ? "127.0.1.1 " : "", name ? name : "", name ? "\n" : "") < 0)
		text = NULL;
	return add_made(b, "/etc/hosts", text);
}

/* Kernels up to 0.1.55 read the first, newer ones the other. */
static int add_hostname(const struct build *b)
{
	static const char *const files[] = { "/proc/sys/kernel/hostname",
					     "/etc/hostname" };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && b->c->w->hostname && r == 0; i++) {
		char *text = NULL;

		if (asprintf(&text, "%s\n", b->c->w->hostname) < 0)
			text = NULL;
		r = add_made(b, files[i], text);
	}
	return r;
}

static int add_files(const struct build *b)
{
	int r = add_resolver(b);

	r = r ?: add_hosts(b);
	r = r ?: add_hostname(b);
	r = r ?: add_missing(b, "/etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\n");
	r = r ?: add_missing(b, "/etc/group", "root:x:0:\n");
	return r
		       ?: add_missing(b, "/etc/nsswitch.conf",
				      "passwd: files\ngroup: files\nhosts: files dns\n");
}

static int add_directories(const struct build *b)
{
	static const char *const usual[] = { "/tmp", "/run", "/root" };
	const struct nanos_wish *w = b->c->w;
	int r = add_directory(b, w->cwd);

	for (size_t i = 0; i < ARRAY_SIZE(usual) && r == 0; i++)
		r = add_directory(b, usual[i]);
	for (size_t i = 0; w->mount_points && i < w->mount_points->n && r == 0; i++)
		r = add_directory(b, w->mount_points->v[i]);
	for (size_t i = 0; i < w->n_links && r == 0; i++)
		r = add_link(b, &w->links[i]);
	return r;
}

int nanos_build(struct nanos_choice *c, struct volt_error *e)
{
	_cleanup_(tree_builder_freep) struct tree_builder *builder = NULL;
	struct build b = { .c = c, .e = e };
	int r = tree_builder_new(&builder, e);

	if (r < 0)
		return r;
	b.b = builder;
	c->p->made = calloc(MADE_MAX, sizeof(*c->p->made));
	if (!c->p->made)
		return fail_oom(e);
	if ((r = add_chosen(&b)) < 0 || (r = add_loader(&b)) < 0 ||
	    (r = add_files(&b)) < 0 || (r = add_directories(&b)) < 0)
		return r;
	return tree_builder_finish(builder, NULL, &c->p->tree, e);
}
