/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: which files a Nanos machine gets
 *
 * First what is wanted in any case: the program, all that its loader maps, what libc opens by
 * name, and what arguments and variables name. Then the rules, directory by directory and file
 * by file. What they leave may hold libraries that are opened at run time (a language's
 * modules, a server's plugins), and those need others, which are wanted, too. Last the links
 * that lead to what is out go out with it.
 *
 * What is wanted is in, whatever rule would leave it out.
 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "guest/nanos-plan-internal.h"

static int open_in_tree(void *data, const char *path)
{
	const struct nanos_choice *c = data;
	uint32_t found;
	int r = tree_resolve(c->t, path, NULL, &found);

	return r < 0 ? r : nanos_open_entry(c, found);
}

static void want_link(void *data, uint32_t entry)
{
	struct nanos_choice *c = data;

	c->want[entry] = 1;
}

/* What @path leads to, with all links on the way; a directory is none of it. */
static void want(struct nanos_choice *c, const char *path)
{
	struct tree_walk walk = { .link = want_link, .data = c };
	uint32_t found;

	if (nanos_resolve(c, path, NULL, &found) < 0 || !S_ISREG(c->t->v[found].mode))
		return;
	(void)nanos_resolve(c, path, &walk, &found);
	c->want[found] = 1;
}

/* Members from @first on: they are where the loader will look for them. */
static void want_members(struct nanos_choice *c, size_t first)
{
	for (size_t i = first; i < c->closure.n; i++)
		want(c, c->closure.v[i].host);
}

/* Once; whatever else is in, stays in. */
static int note_too_many(struct nanos_choice *c, struct volt_error *e)
{
	static const char text[] =
		"there are more libraries than are looked at: take all "
		"with --full";

	strv_foreach(note, c->p->notes.v)
		if (strcmp(*note, text) == 0)
			return 0;
	return strv_add(&c->p->notes, text) < 0 ? fail_oom(e) : 0;
}

static int add_library(struct nanos_choice *c, const char *name, struct volt_error *e)
{
	size_t first = c->closure.n;
	int r = elf_closure_add(&c->source, &c->closure, name, &c->p->notes, e);

	want_members(c, first);
	if (r == -E2BIG)
		return note_too_many(c, e);
	return r < 0 ? r : 0;
}

/* glibc opens these by itself: for names of hosts and users, and to end a thread. */
static int want_libc(struct nanos_choice *c, struct volt_error *e)
{
	static const char *const names[] = { "libnss_files.so.2", "libnss_dns.so.2",
					     "libnss_compat.so.2", "libresolv.so.2",
					     "libgcc_s.so.1" };
	bool glibc = false;
	int r = 0;

	for (size_t i = 0; i < c->closure.n && !glibc; i++)
		glibc = strcmp(path_base(c->closure.v[i].image), "libc.so.6") == 0;
	for (size_t i = 0; i < ARRAY_SIZE(names) && glibc && r == 0; i++)
		r = add_library(c, names[i], e);
	return r;
}

static int want_program(struct nanos_choice *c, struct volt_error *e)
{
	struct volt_error why = { 0 };
	int r;

	want(c, c->found);
	c->want[c->program] = 1;
	if (!c->p->dynamic)
		return 0;
	r = elf_closure_find(&c->source, c->p->program, c->p->program, &c->closure, &why);
	if (r < 0)
		return fail(e, -r, "%s%s", why.msg,
			    r == -ENOENT ? ": take an image that has it, or link the "
					   "program statically"
					 : "");
	want_members(c, 0);
	for (size_t i = 1; i < c->closure.n && r == 0; i++)
		r = strv_add(&c->p->closure, c->closure.v[i].host);
	return r < 0 ? fail_oom(e) : want_libc(c, e);
}

static bool looks_like_library(const char *path)
{
	const char *name = path_base(path), *so = strstr(name, ".so");

	return so && (so[3] == '\0' || so[3] == '.');
}

/* A file that an argument or a variable names; a library brings what it needs. */
static int want_named(struct nanos_choice *c, const char *path, struct volt_error *e)
{
	uint32_t found;

	if (nanos_resolve(c, path, NULL, &found) < 0)
		return 0;
	if (S_ISDIR(c->t->v[found].mode))
		c->want[found] = 1;
	want(c, path);
	return c->p->dynamic && path[0] == '/' && looks_like_library(path)
		       ? add_library(c, path, e)
		       : 0;
}

/* "/a", "--config=/a", "a.py"; and lists of such. */
static int want_words(struct nanos_choice *c, const char *text, const char *ends,
		      struct volt_error *e)
{
	int r = 0;

	while (*text && r == 0) {
		size_t n = strcspn(text, ends);
		char word[PATH_MAX];

		if (n > 0 && n < sizeof(word)) {
			memcpy(word, text, n);
			word[n] = '\0';
			r = want_named(c, word, e);
		}
		text += n + (text[n] != '\0');
	}
	return r;
}

static int want_arguments(struct nanos_choice *c, struct volt_error *e)
{
	int r = 0;

	for (size_t i = 1; i < c->w->args->n && r == 0; i++) {
		r = want_words(c, c->w->args->v[i], "", e);
		r = r ?: want_words(c, c->w->args->v[i], "=:,", e);
	}
	strv_foreach(v, c->w->env->v) {
		const char *value = strchr(*v, '=');

		if (r == 0 && value && strchr(value, '/'))
			r = want_words(c, value + 1, ": ,", e);
	}
	return r;
}

/* Does anything of directory @i have to be in? With @directories only those count: all that
 * is in one was asked for. */
static bool holds_wanted(const struct nanos_choice *c, uint32_t i, uint32_t end,
			 bool directories)
{
	for (uint32_t k = i; k < end; k++)
		if (c->want[k] && (!directories || S_ISDIR(c->t->v[k].mode)))
			return true;
	return false;
}

static bool wants_locale(const struct nanos_choice *c)
{
	static const char *const names[] = { "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE",
					     "LC_MESSAGES" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = nanos_env(c->w, names[i]);

		if (value && *value && strcmp(value, "C") != 0 &&
		    strncmp(value, "C.", 2) != 0 && strcmp(value, "POSIX") != 0)
			return true;
	}
	return false;
}

/* The rule that has all of directory @i out; a runtime of which something is wanted is in
 * use. */
static enum nanos_left directory_rule(const struct nanos_choice *c, uint32_t i,
				      uint32_t end)
{
	enum nanos_left left = nanos_directory_rule(c, c->t->v[i].path);

	if (left == NANOS_LOCALES && wants_locale(c))
		return NANOS_IN;
	if (left == NANOS_IN || left == NANOS_KERNELS)
		return left;
	return holds_wanted(c, i, end, left != NANOS_RUNTIMES && left != NANOS_PACKAGES)
		       ? NANOS_IN
		       : left;
}

enum content {
	CONTENT_UNKNOWN,
	CONTENT_OTHER,
	CONTENT_PROGRAM, /* a script for a shell, too */
	CONTENT_LIBRARY
};

static enum content read_content(const struct nanos_choice *c, uint32_t i)
{
	_cleanup_elf_ struct elf_file f = { 0 };
	_cleanup_close_ int fd = nanos_open_entry(c, i);
	char head[64] = "";
	ssize_t n = fd < 0 ? fd : pread_full(fd, head, sizeof(head) - 1, 0);

	if (n < 4)
		return CONTENT_OTHER;
	head[strcspn(head, "\n")] = '\0';
	if (strncmp(head, "#!", 2) == 0)
		return strstr(head, "sh") ? CONTENT_PROGRAM : CONTENT_OTHER;
	if (memcmp(head, ELFMAG, SELFMAG) != 0 || elf_file_read_fd(fd, "", &f, NULL) < 0)
		return CONTENT_OTHER;
	if (f.type == ET_EXEC || f.pie)
		return CONTENT_PROGRAM;
	return f.type == ET_DYN ? CONTENT_LIBRARY : CONTENT_OTHER;
}

static enum content content_of(const struct nanos_choice *c, uint32_t i)
{
	if (c->content[i] == CONTENT_UNKNOWN)
		c->content[i] = (uint8_t)read_content(c, i);
	return c->content[i];
}

static bool is_development(const char *path)
{
	const char *name = path_base(path), *dot = strrchr(name, '.');

	return nanos_is_system(path) && dot && dot != name &&
	       (strcmp(dot, ".a") == 0 || strcmp(dot, ".la") == 0 ||
		strcmp(dot, ".o") == 0);
}

static enum nanos_left file_rule(const struct nanos_choice *c, uint32_t i)
{
	const struct tree_entry *t = &c->t->v[i];

	if (nanos_is_system_program(t->path))
		return t->mode & 0111 ? NANOS_PROGRAMS : NANOS_IN;
	if (nanos_is_system_library(c, t->path))
		return NANOS_LIBRARIES;
	if (is_development(t->path))
		return NANOS_DEVELOPMENT;
	if (nanos_is_system(t->path) && (t->mode & 0111) &&
	    content_of(c, i) == CONTENT_PROGRAM)
		return NANOS_PROGRAMS;
	return NANOS_IN;
}

static void leave_out(struct nanos_choice *c, uint32_t from, uint32_t end,
		      enum nanos_left why)
{
	memset(c->left + from, why, end - from);
}

static bool is_special(const struct tree_entry *t)
{
	return !S_ISREG(t->mode) && !S_ISDIR(t->mode) && !S_ISLNK(t->mode);
}

static void apply_rules(struct nanos_choice *c)
{
	memset(c->left, NANOS_IN, c->t->n);
	for (uint32_t i = 1; i < c->t->n;) {
		const struct tree_entry *t = &c->t->v[i];
		uint32_t end = i + 1;

		if (is_special(t)) {
			c->left[i] = NANOS_KERNELS;
		} else if (S_ISREG(t->mode) && !c->want[i]) {
			c->left[i] = (uint8_t)file_rule(c, i);
		} else if (S_ISDIR(t->mode)) {
			uint32_t all = tree_subtree_end(c->t, i);
			enum nanos_left left = directory_rule(c, i, all);

			if (left != NANOS_IN)
				leave_out(c, i, end = all, left);
		}
		i = end;
	}
}

/* With all of the image only that is out which has no meaning in it. */
static void apply_full(struct nanos_choice *c)
{
	static const char *const dirs[] = { "dev", "proc", "sys" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		uint32_t dir = tree_find_path(c->t, dirs[i]);

		if (dir != TREE_NONE)
			leave_out(c, dir, tree_subtree_end(c->t, dir), NANOS_KERNELS);
	}
	for (uint32_t i = 1; i < c->t->n; i++)
		if (is_special(&c->t->v[i]))
			c->left[i] = NANOS_KERNELS;
}

/* Libraries that are in without being wanted are there to be opened by somebody. */
static int want_plugins(struct nanos_choice *c, struct volt_error *e)
{
	int r = 0;

	for (uint32_t i = 1; i < c->t->n && r == 0 && c->p->dynamic; i++) {
		const struct tree_entry *t = &c->t->v[i];
		char path[PATH_MAX + 1] = "/";

		if (c->left[i] != NANOS_IN || c->want[i] || !S_ISREG(t->mode) ||
		    !looks_like_library(t->path) || content_of(c, i) != CONTENT_LIBRARY)
			continue;
		memcpy(path + 1, t->path, strlen(t->path) + 1);
		r = add_library(c, path, e);
	}
	return r;
}

/* What a plugin needs may be the reason for a directory to be in, which may have plugins. */
static int apply_until_settled(struct nanos_choice *c, struct volt_error *e)
{
	size_t before;
	int r;

	do {
		before = c->closure.n;
		apply_rules(c);
		r = want_plugins(c, e);
	} while (r == 0 && c->closure.n != before);
	return r;
}

/* A link that leads to what is out would lead nowhere. One that never led anywhere stays. */
static void leave_links(struct nanos_choice *c)
{
	for (uint32_t i = 1; i < c->t->n; i++) {
		char path[PATH_MAX + 1] = "/";
		uint32_t found;

		if (!S_ISLNK(c->t->v[i].mode) || c->left[i] != NANOS_IN || c->want[i])
			continue;
		memcpy(path + 1, c->t->v[i].path, strlen(c->t->v[i].path) + 1);
		if (tree_resolve(c->t, path, NULL, &found) == 0 && !c->want[found])
			c->left[i] = c->left[found];
	}
}

static void keep_wanted(struct nanos_choice *c)
{
	for (uint32_t i = 0; i < c->t->n; i++)
		if (c->want[i])
			c->left[i] = NANOS_IN;
}

int nanos_choose(struct nanos_choice *c, struct volt_error *e)
{
	int r;

	c->source = (struct elf_source){
		.root = "",
		.open = open_in_tree,
		.data = c,
		.library_path = nanos_env(c->w, "LD_LIBRARY_PATH"),
		.where = "in the image",
	};
	if ((r = want_program(c, e)) < 0 || (r = want_arguments(c, e)) < 0)
		return r;
	if (c->w->full) {
		apply_full(c);
		return 0;
	}
	r = apply_until_settled(c, e);
	keep_wanted(c);
	leave_links(c);
	return r;
}
