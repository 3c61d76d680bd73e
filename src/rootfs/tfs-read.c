/* SPDX-License-Identifier: Apache-2.0 */

#include "rootfs/tfs-read.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "image/tree-builder.h"
#include "rootfs/tfs-read-private.h"

#define LINKS_MAX 40 /* followed on the way, as Nanos does */

void tfs_close(struct tfs *fs)
{
	struct tfs_group *g;

	if (!fs)
		return;
	g = fs->groups.v;
	for (size_t i = 0; i < fs->groups.n; i++)
		free(g[i].v);
	free(fs->groups.v);
	free(fs->symbols.v);
	free(fs->entries.v);
	free(fs->nodes.v);
	free(fs->extents.v);
	free(fs->log.v);
	free(fs->used.v);
	tree_arena_free(fs->arena);
	free(fs);
}

/* The log's extensions in bytes of the disk, for tfs_usage(). */
static void log_to_bytes(struct tfs *fs)
{
	struct nanos_extent *x = fs->log.v;

	for (size_t i = 0; i < fs->log.n; i++) {
		x[i].at = fs->at + x[i].at * TFS_SECTOR;
		x[i].size *= TFS_SECTOR;
	}
}

int tfs_open(const struct byte_source *from, uint64_t at, uint64_t size, struct tfs **ret,
	     struct volt_error *e)
{
	_cleanup_(tfs_closep) struct tfs *fs = calloc(1, sizeof(*fs));
	int r;

	if (!fs || tree_arena_new(&fs->arena) < 0)
		return fail_oom(e);
	if (size > INT64_MAX || at > INT64_MAX - size)
		return fail(e, EOVERFLOW, "a file system cannot be so large");
	fs->from = *from;
	fs->at = at;
	fs->size = size;
	fs->sectors = (size + TFS_SECTOR - 1) / TFS_SECTOR;
	if ((r = tfs_log_read(fs, e)) < 0 || (r = tfs_settle(fs, e)) < 0 ||
	    (r = tfs_tree_make(fs, e)) < 0)
		return r;
	log_to_bytes(fs);
	*ret = TAKE_PTR(fs);
	return 0;
}

const char *tfs_label(const struct tfs *fs)
{
	return fs->label;
}

const uint8_t *tfs_uuid(const struct tfs *fs)
{
	return fs->uuid;
}

static void count_nodes(const struct tfs *fs, struct tfs_usage *u)
{
	uint32_t *const counts[] = {
		[TFS_DIRECTORY] = &u->directories,
		[TFS_FILE] = &u->files,
		[TFS_LINK] = &u->links,
		[TFS_SPECIAL] = &u->specials,
	};

	for (size_t i = 0; i < fs->nodes.n; i++)
		++*counts[TFS_NODES(fs)[i].st.type];
}

/* The space between what is used, which is sorted and does not overlap. */
static void count_free(const struct tfs *fs, struct tfs_usage *u)
{
	const struct nanos_extent *x = fs->used.v;
	uint64_t end = 0, gap;

	for (size_t i = 0; i <= fs->used.n; i++) {
		uint64_t next = i < fs->used.n ? x[i].at : fs->sectors;

		gap = next > end ? (next - end) * TFS_SECTOR : 0;
		u->free += gap;
		if (gap > u->largest_free)
			u->largest_free = gap;
		if (i < fs->used.n)
			end = x[i].at + x[i].size;
	}
}

void tfs_usage(const struct tfs *fs, struct tfs_usage *ret)
{
	*ret = (struct tfs_usage){
		.size = fs->size,
		.log_end = fs->log_end,
		.log_left = fs->log_left,
		.records = fs->records,
		.names = fs->entries.n,
		.n_log = fs->log.n,
		.log = fs->log.v,
	};
	count_nodes(fs, ret);
	count_free(fs, ret);
}

void tfs_stat(const struct tfs *fs, uint32_t node, struct tfs_stat *ret)
{
	const struct tfs_node *n = &TFS_NODES(fs)[node];

	*ret = n->st;
	ret->links = n->links;
}

uint32_t tfs_n_children(const struct tfs *fs, uint32_t dir)
{
	const struct tfs_node *n = &TFS_NODES(fs)[dir];

	return n->st.type == TFS_DIRECTORY ? TFS_GROUPS(fs)[n->children].n : 0;
}

const char *tfs_child(const struct tfs *fs, uint32_t dir, uint32_t i, uint32_t *ret_node)
{
	const struct tfs_node *n = &TFS_NODES(fs)[dir];
	const struct tfs_value *v = &TFS_GROUPS(fs)[n->children].v[i];

	if (ret_node)
		*ret_node = TFS_GROUPS(fs)[v->group].node;
	return TFS_SYMBOLS(fs)[v->name].text;
}

struct walk {
	const struct tfs *fs;
	const char *path; /* for messages */
	uint32_t at;
	unsigned int links;      /* followed so far */
	char left[2 * PATH_MAX]; /* of the path, from @next on */
	const char *next;
	struct volt_error *e;
};

static int fail_walk(const struct walk *w, int code)
{
	return fail_code(w->e, -code, "'%s' on the disk", w->path);
}

static int push_link(struct walk *w, const char *target)
{
	size_t target_size = strlen(target), size = strlen(w->next) + 1;

	if (++w->links > LINKS_MAX)
		return fail_walk(w, ELOOP);
	if (target_size + 1 + size > sizeof(w->left))
		return fail_walk(w, ENAMETOOLONG);
	memmove(w->left + target_size + 1, w->next, size);
	memcpy(w->left, target, target_size);
	w->left[target_size] = '/';
	w->next = w->left;
	if (*target == '/')
		w->at = TFS_ROOT;
	return 0;
}

/* One component, @name; @last: with nothing behind it. */
static int step(struct walk *w, const char *name, bool follow)
{
	const struct tfs_node *nodes = TFS_NODES(w->fs);
	const struct tfs_node *dir = &nodes[w->at];
	const struct tfs_value *v;
	uint32_t node;

	if (dir->st.type != TFS_DIRECTORY)
		return fail_walk(w, ENOTDIR);
	if (strcmp(name, "..") == 0)
		w->at = dir->parent;
	if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
		return 0;
	v = tfs_get(w->fs, dir->children, name);
	if (!v)
		return fail_walk(w, ENOENT);
	node = TFS_GROUPS(w->fs)[v->group].node;
	if (nodes[node].st.type == TFS_LINK && follow)
		return push_link(w, nodes[node].st.target);
	w->at = node;
	return 0;
}

static int step_next(struct walk *w, bool follow)
{
	size_t n = strcspn(w->next, "/");
	bool last = w->next[n + strspn(w->next + n, "/")] == '\0';
	char name[NAME_MAX + 1];

	if (n > NAME_MAX)
		return fail_walk(w, ENAMETOOLONG);
	memcpy(name, w->next, n);
	name[n] = '\0';
	w->next += n;
	/* a slash at the end asks for the directory behind a link */
	follow |= !last || *w->next == '/';
	return step(w, name, follow);
}

int tfs_lookup(const struct tfs *fs, const char *path, bool follow, uint32_t *ret,
	       struct volt_error *e)
{
	struct walk w = { .fs = fs, .path = path, .at = TFS_ROOT, .e = e };
	int r = 0;

	if (strlen(path) >= PATH_MAX)
		return fail_walk(&w, ENAMETOOLONG);
	memcpy(w.left, path, strlen(path) + 1);
	w.next = w.left;
	while (r >= 0 && *(w.next += strspn(w.next, "/")))
		r = step_next(&w, follow);
	if (r < 0)
		return r;
	*ret = w.at;
	return 0;
}
