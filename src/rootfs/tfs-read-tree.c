/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of files: nodes are numbered from the root on, breadth first, each once, however
 * often it is referred to. A file may be, by several names; a directory may not, or there
 * would be no end of paths. */

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/tfs-read-private.h"

static int add_node(struct tfs *fs, uint32_t group, const struct tfs_node *n,
		    struct volt_error *e)
{
	int r = tfs_grow(fs, &fs->nodes, sizeof(*n), e);

	if (r < 0)
		return r;
	TFS_GROUPS(fs)[group].node = (uint32_t)fs->nodes.n;
	TFS_NODES(fs)[fs->nodes.n++] = *n;
	return 0;
}

static bool is_clean(const struct tfs_symbol *s)
{
	return s->size > 0 && s->size <= NAME_MAX && !memchr(s->text, '/', s->size) &&
	       !memchr(s->text, '\0', s->size) && strcmp(s->text, ".") != 0 &&
	       strcmp(s->text, "..") != 0;
}

void tfs_path(const struct tfs *fs, uint32_t node, char *ret)
{
	const struct tfs_node *n = &TFS_NODES(fs)[node];
	char *at = ret + n->path_size;

	*at = '\0';
	if (node == TFS_ROOT)
		memcpy(ret, "/", 2);
	for (; n != TFS_NODES(fs); n = &TFS_NODES(fs)[n->parent]) {
		const struct tfs_symbol *s = &TFS_SYMBOLS(fs)[n->name];

		at -= s->size + 1;
		at[0] = '/';
		memcpy(at + 1, s->text, s->size);
	}
}

int tfs_fail_node(const struct tfs *fs, uint32_t node, struct volt_error *e,
		  const char *what)
{
	char path[PATH_MAX];

	tfs_path(fs, node, path);
	return fail(e, EBADMSG, "broken file system: '%s' %s", path, what);
}

/* Another name of something that was there already. */
static int add_name(struct tfs *fs, uint32_t dir, uint32_t node, struct volt_error *e)
{
	struct tfs_node *n = &TFS_NODES(fs)[node];

	if (tfs_get(fs, n->group, "children"))
		return tfs_fail_node(fs, dir, e,
				     "holds a directory that is elsewhere, too");
	n->links++;
	return 0;
}

static int add_child(struct tfs *fs, uint32_t dir, const struct tfs_value *v,
		     struct volt_error *e)
{
	const struct tfs_symbol *name = &TFS_SYMBOLS(fs)[v->name];
	struct tfs_node n = {
		.group = v->group, .parent = dir, .name = v->name, .links = 1
	};

	if (!is_clean(name))
		return tfs_fail_node(fs, dir, e, "holds a name that no file can have");
	n.path_size = TFS_NODES(fs)[dir].path_size + 1 + name->size;
	if (n.path_size >= PATH_MAX)
		return tfs_fail_node(fs, dir, e, "holds a path that is too long");
	if (v->kind != TFS_TUPLE)
		return tfs_fail_node(fs, dir, e, "holds a name without a file");
	if (TFS_GROUPS(fs)[v->group].node != TFS_NO_NODE)
		return add_name(fs, dir, TFS_GROUPS(fs)[v->group].node, e);
	return add_node(fs, v->group, &n, e);
}

static int take_directory(struct tfs *fs, uint32_t dir, const struct tfs_value *children,
			  struct volt_error *e)
{
	struct tfs_node *n = &TFS_NODES(fs)[dir];
	int r = 0;

	if (children->kind != TFS_TUPLE)
		return tfs_fail_node(fs, dir, e, "has no list of names");
	n->st.type = TFS_DIRECTORY;
	n->children = children->group;
	n->st.size = TFS_GROUPS(fs)[n->children].n;
	for (uint32_t i = 0; r >= 0 && i < TFS_GROUPS(fs)[children->group].n; i++)
		r = add_child(fs, dir, &TFS_GROUPS(fs)[children->group].v[i], e);
	return r;
}

static int take_link(struct tfs *fs, uint32_t node, const struct tfs_value *target,
		     struct volt_error *e)
{
	struct tfs_node *n = &TFS_NODES(fs)[node];

	if (target->kind != TFS_TEXT || target->size == 0 || target->size >= PATH_MAX ||
	    memchr(target->text, '\0', target->size))
		return tfs_fail_node(fs, node, e, "is a link to what cannot be a path");
	n->st.type = TFS_LINK;
	n->st.target = target->text;
	n->st.size = target->size;
	return 0;
}

static int take_file(struct tfs *fs, uint32_t node, const struct tfs_value *extents,
		     struct volt_error *e)
{
	struct tfs_node *n = &TFS_NODES(fs)[node];
	const struct tfs_value *size = tfs_get(fs, n->group, "filelength");

	n->st.type = TFS_FILE;
	if (size && (tfs_number(size, &n->st.size) < 0 || n->st.size > INT64_MAX))
		return tfs_fail_node(fs, node, e, "has a size that is none");
	return tfs_extents_take(fs, node, extents, e);
}

static void take_time(struct tfs *fs, struct tfs_node *n)
{
	uint64_t fixed; /* 32 bits behind the point */

	if (tfs_number(tfs_get(fs, n->group, "mtime"), &fixed) >= 0)
		n->st.mtime = (int64_t)(fixed >> 32);
}

static int take_node(struct tfs *fs, uint32_t node, struct volt_error *e)
{
	const uint32_t group = TFS_NODES(fs)[node].group;
	const struct tfs_value *children = tfs_get(fs, group, "children");
	const struct tfs_value *extents = tfs_get(fs, group, "extents");
	const struct tfs_value *target = tfs_get(fs, group, "linktarget");

	take_time(fs, &TFS_NODES(fs)[node]);
	if ((children != NULL) + (extents != NULL) + (target != NULL) > 1)
		return tfs_fail_node(fs, node, e, "is two kinds of file at once");
	if (children)
		return take_directory(fs, node, children, e);
	if (target)
		return take_link(fs, node, target, e);
	if (extents)
		return take_file(fs, node, extents, e);
	TFS_NODES(fs)[node].st.type = TFS_SPECIAL;
	return 0;
}

int tfs_tree_make(struct tfs *fs, struct volt_error *e)
{
	const struct tfs_node root = { .links = 1 };
	int r;

	if (!tfs_get(fs, 0, "children"))
		return fail(e, EBADMSG, "broken file system: its root is no directory");
	r = add_node(fs, 0, &root, e);
	for (uint32_t i = 0; r >= 0 && i < fs->nodes.n; i++)
		r = take_node(fs, i, e);
	return r < 0 ? r : tfs_used_make(fs, e);
}
