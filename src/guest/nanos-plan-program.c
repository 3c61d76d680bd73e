/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program of a Nanos machine, found in the image as the system it comes from would find
 * it, and refused where Nanos cannot run it: there is no fork and no exec, so nothing that
 * only starts something else is a program.
 */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"
#include "guest/nanos-plan-internal.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int nanos_resolve(const struct nanos_choice *c, const char *path,
		  const struct tree_walk *walk, uint32_t *ret)
{
	char from[PATH_MAX];
	int n;

	if (path[0] == '/')
		return tree_resolve(c->t, path, walk, ret);
	n = snprintf(from, sizeof(from), "%s/%s", c->w->cwd, path);
	if (n < 0 || (size_t)n >= sizeof(from))
		return -ENAMETOOLONG;
	return tree_resolve(c->t, from, walk, ret);
}

int nanos_open_entry(const struct nanos_choice *c, uint32_t entry)
{
	const struct tree_entry *t = &c->t->v[entry];

	if (!S_ISREG(t->mode) || t->size == 0)
		return -ENOENT;
	return store_open_object(c->s, &t->object, NULL);
}

struct found {
	uint32_t entry;
	char path[PATH_MAX]; /* by which it was found */
};

/* A regular file that may be executed, as execvp() looks for one. */
static int try_program(const struct nanos_choice *c, const char *path, struct found *ret)
{
	uint32_t entry;
	int r = nanos_resolve(c, path, NULL, &entry);

	if (r < 0)
		return r;
	if (!S_ISREG(c->t->v[entry].mode) || !(c->t->v[entry].mode & 0111))
		return -EACCES;
	ret->entry = entry;
	(void)snprintf(ret->path, sizeof(ret->path), "%s", path);
	return 0;
}

/* A directory of PATH that is empty is the current one. */
static int search_path(const struct nanos_choice *c, const char *name, struct found *ret)
{
	const char *path = nanos_env(c->w, "PATH");
	int best = -ENOENT;

	for (path = path ? path : DEFAULT_PATH;;) {
		size_t n = strcspn(path, ":");
		char file[PATH_MAX];
		int r, length = snprintf(file, sizeof(file), "%.*s/%s", n ? (int)n : 1,
					 n ? path : ".", name);

		if (length > 0 && (size_t)length < sizeof(file) && n < PATH_MAX) {
			r = try_program(c, file, ret);
			if (r == 0)
				return 0;
			if (r == -EACCES)
				best = r;
		}
		if (!path[n])
			return best;
		path += n + 1;
	}
}

static int find(const struct nanos_choice *c, const char *name, struct found *ret)
{
	if (!*name)
		return -ENOENT;
	return strchr(name, '/') ? try_program(c, name, ret) : search_path(c, name, ret);
}

static bool is_elf(const struct nanos_choice *c, uint32_t entry)
{
	_cleanup_close_ int fd = nanos_open_entry(c, entry);
	char head[4] = { 0 };

	return fd >= 0 && pread_full(fd, head, sizeof(head), 0) == sizeof(head) &&
	       memcmp(head, "\177ELF", sizeof(head)) == 0;
}

static bool among(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

static bool is_shell(const char *name)
{
	static const char *const shells[] = { "sh",   "bash",  "dash",    "ash", "ksh",
					      "mksh", "zsh",   "fish",    "csh", "tcsh",
					      "hush", "rbash", "busybox", NULL };

	return among(name, shells);
}

/* These only ever start another program. */
static bool is_starter(const char *name)
{
	static const char *const starters[] = {
		"tini",     "tini-static", "dumb-init", "docker-init", "catatonit",
		"gosu",     "su-exec",     "setpriv",   "env",         "nohup",
		"nice",     "timeout",     "chroot",    "runuser",     "su",
		"sudo",     "stdbuf",      "xargs",     "s6-svscan",   "s6-supervise",
		"runsvdir", "init",        "systemd",   NULL
	};

	return among(name, starters);
}

/* Is that word the name of a program that Nanos could run? */
static bool could_run(const struct nanos_choice *c, const char *word, size_t n,
		      char ret[static NAME_MAX + 1])
{
	char name[NAME_MAX + 1];
	struct found found;

	if (n == 0 || n > NAME_MAX)
		return false;
	memcpy(name, word, n);
	name[n] = '\0';
	if (is_shell(path_base(name)) || is_starter(path_base(name)) ||
	    find(c, name, &found) < 0 || !is_elf(c, found.entry))
		return false;
	memcpy(ret, name, n + 1);
	return true;
}

/* The first such word of what follows, also within one argument (sh -c "exec redis-server x"). */
static bool guess(const struct nanos_choice *c, char ret[static NAME_MAX + 1])
{
	for (size_t i = 1; i < c->w->args->n; i++) {
		const char *word = c->w->args->v[i];

		while (*word) {
			size_t n = strcspn(word, " \t\n;&|\"'");

			if (could_run(c, word, n, ret))
				return true;
			word += n + (word[n] != '\0');
		}
	}
	return false;
}

/* -ENOEXEC: @why, and what to do. */
static int refuse(const struct nanos_choice *c, struct volt_error *e, const char *why)
{
	char name[NAME_MAX + 1];

	if (guess(c, name))
		return fail(e, ENOEXEC,
			    "%s: Nanos runs one program; name it with --entrypoint, "
			    "perhaps '%s', and its arguments after the image",
			    why, name);
	return fail(e, ENOEXEC,
		    "%s: Nanos runs one program; name that directly with --entrypoint, "
		    "and its arguments after the image",
		    why);
}

/* What stands behind "#!", and what "env" would look for. */
static void interpreter_of(char *line, char ret[static NAME_MAX + 1])
{
	char *save = NULL, *word = strtok_r(line, " \t", &save);

	if (word && strcmp(path_base(word), "env") == 0)
		do
			word = strtok_r(NULL, " \t", &save);
		while (word && (word[0] == '-' || strchr(word, '=')));
	(void)snprintf(ret, NAME_MAX + 1, "%s", word ? word : "");
}

/* 0: it is no script. */
static int check_script(const struct nanos_choice *c, const char *name,
			struct volt_error *e)
{
	_cleanup_close_ int fd = nanos_open_entry(c, c->program);
	char line[256] = "", why[PATH_MAX + 512], interpreter[NAME_MAX + 1];
	ssize_t n = fd < 0 ? fd : pread_full(fd, line, sizeof(line) - 1, 0);

	if (n < 0)
		return fail_code(e, (int)n, "read program '%s'", name);
	line[n] = '\0';
	if (n < 2 || line[0] != '#' || line[1] != '!')
		return 0;
	line[strcspn(line, "\n")] = '\0';
	interpreter_of(line + 2, interpreter);
	if (is_shell(path_base(interpreter))) {
		(void)snprintf(why, sizeof(why), "'%s' is a script for the shell '%s'",
			       name, interpreter);
		return refuse(c, e, why);
	}
	return fail(e, ENOEXEC,
		    "'%s' is a script for '%s': name that with --entrypoint, and the "
		    "script as its first argument after the image",
		    name, interpreter);
}

/* busybox is what its name says, and where that is its own, what its argument says. */
static bool runs_shell(const struct nanos_choice *c)
{
	const struct strv *args = c->w->args;
	const char *name = path_base(args->v[0]);

	if (strcmp(name, "busybox") == 0)
		return args->n < 2 || is_shell(args->v[1]);
	return is_shell(name) ||
	       (is_shell(path_base(c->t->v[c->program].path)) &&
		strcmp(path_base(c->t->v[c->program].path), "busybox") != 0);
}

static int check_kind(const struct nanos_choice *c, struct volt_error *e)
{
	const char *name = c->w->args->v[0];
	const char *real = path_base(c->t->v[c->program].path);
	char why[PATH_MAX + 64];

	if (runs_shell(c)) {
		(void)snprintf(why, sizeof(why), "'%.1000s' is a shell", name);
		return refuse(c, e, why);
	}
	if (is_starter(path_base(name)) || is_starter(real)) {
		(void)snprintf(why, sizeof(why), "'%.1000s' only starts another program",
			       name);
		return refuse(c, e, why);
	}
	return check_script(c, name, e);
}

static int check_machine(const struct nanos_choice *c, const struct elf_file *f,
			 const char *name, struct volt_error *e)
{
	const struct platform *p = elf_file_platform(f);

	if (f->type == ET_REL)
		return fail(e, ENOEXEC, "'%s' is an object file, not a program", name);
	if (f->type == ET_CORE)
		return fail(e, ENOEXEC, "'%s' is a core dump, not a program", name);
	if (f->class == ELFCLASS32)
		return fail(e, ENOEXEC,
			    "'%s' is a 32-bit program; Nanos runs 64-bit ones: take an "
			    "image for another platform",
			    name);
	if (!p || strcmp(p->arch, c->w->arch) != 0)
		return fail(e, ENOEXEC, "'%s' is a program for %s, and the machine is %s",
			    name, p ? p->arch : "a machine that volt does not know",
			    c->w->arch);
	if (!elf_file_is_program(f))
		return fail(e, ENOEXEC, "'%s' is a library, not a program", name);
	return 0;
}

static int check_elf(struct nanos_choice *c, struct volt_error *e)
{
	_cleanup_close_ int fd = nanos_open_entry(c, c->program);
	_cleanup_elf_ struct elf_file f = { 0 };
	const char *name = c->w->args->v[0];
	int r;

	if (fd < 0)
		return fail(e, ENOEXEC, "'%s' is empty, not an ELF program", name);
	r = elf_file_read_fd(fd, name, &f, e);
	if (r == 0)
		r = check_machine(c, &f, name, e);
	c->p->dynamic = f.interpreter != NULL;
	return r;
}

int nanos_find_program(struct nanos_choice *c, struct volt_error *e)
{
	const struct strv *args = c->w->args;
	struct found found;
	int r;

	if (args->n == 0)
		return fail(e, EINVAL,
			    "the image does not say what to run: name a "
			    "command after it");
	r = find(c, args->v[0], &found);
	if (r == -EACCES)
		return fail(e, EACCES, "program '%s' is no executable file in the image",
			    args->v[0]);
	if (r < 0)
		return fail(e, -r, "program '%s' is not in the image%s", args->v[0],
			    r == -ELOOP               ? ": a loop of symbolic links"
			    : strchr(args->v[0], '/') ? ""
						      : ", nowhere on its PATH");
	c->program = found.entry;
	c->found = strdup(found.path);
	if (!c->found || asprintf(&c->p->program, "/%s", c->t->v[found.entry].path) < 0)
		return fail_oom(e);
	if (c->t->v[c->program].size == 0)
		return fail(e, ENOEXEC, "'%s' is empty, not an ELF program", args->v[0]);
	r = check_kind(c, e);
	return r < 0 ? r : check_elf(c, e);
}
