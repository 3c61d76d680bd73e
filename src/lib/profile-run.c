/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/error.h"
#include "base/jail.h"
#include "base/spawn.h"
#include "base/strv.h"
#include "lib/profile.h"

#define BINDS_MAX 32
#define AT        "/qemu" /* where the profile's tree is in the jail */

struct run {
	struct jail jail;
	int fds[BINDS_MAX + 1]; /* what is bound into it */
	char *names[BINDS_MAX];
	size_t n, n_names;
	struct strv argv, env;
};

static void run_done(struct run *run)
{
	for (size_t i = 0; i < run->n; i++)
		closep(&run->fds[i]);
	for (size_t i = 0; i < run->n_names; i++)
		free(run->names[i]);
	strv_done(&run->argv);
	strv_done(&run->env);
}

/* -- what it sees ---------------------------------------------------------------- */

/* "HOST:/NAME[:ro|rw]"; a name in the jail is one or two words long. */
static int parse_bind(const char *text, char **ret_source, char **ret_name, bool *ret_ro,
		      struct volt_error *e)
{
	const char *colon = strchr(text, ':'), *name = colon ? colon + 1 : "", *mode;
	size_t n = strcspn(name, ":");

	mode = name[n] ? name + n + 1 : "rw";
	if (!colon || colon == text || n < 2 || name[0] != '/' ||
	    (strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0))
		return fail(e, EINVAL,
			    "volume '%s' is not HOST:/NAME, HOST:/NAME:ro or "
			    "HOST:/NAME:rw",
			    text);
	*ret_source = strndup(text, (size_t)(colon - text));
	*ret_name = strndup(name + 1, n - 1);
	*ret_ro = strcmp(mode, "ro") == 0;
	return *ret_source && *ret_name ? 0 : fail_oom(e);
}

static int add_bind(struct run *run, const char *text, struct volt_error *e)
{
	_cleanup_free_ char *source = NULL, *name = NULL;
	bool ro = false;
	int fd, r;

	if (run->n_names == BINDS_MAX)
		return fail(e, E2BIG, "more than %d volumes", BINDS_MAX);
	r = parse_bind(text, &source, &name, &ro, e);
	if (r < 0)
		return r;
	if (strncmp(name, "qemu", 4) == 0 && (!name[4] || name[4] == '/'))
		return fail(e, EINVAL, "volume '%s': '/qemu' is where QEMU itself is",
			    text);
	fd = open(source, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(e, "open volume '%s'", source);
	run->fds[run->n++] = fd;
	run->names[run->n_names++] = name;
	r = jail_add(&run->jail, fd, TAKE_PTR(name), ro ? 0 : JAIL_WRITABLE);
	return r < 0 ? fail_code(e, r, "volume '%s'", text) : 0;
}

static int add_kvm(struct run *run)
{
	int fd = open("/dev/kvm", O_PATH | O_CLOEXEC);

	if (fd < 0)
		return 0; /* QEMU says so if it is asked to use it */
	run->fds[run->n++] = fd;
	return jail_add(&run->jail, fd, "dev/kvm", JAIL_DEVICE | JAIL_WRITABLE);
}

/* -- how it is started ----------------------------------------------------------- */

/* @at is where the tree is, for QEMU. */
static int add_program(struct run *run, const struct profile *p, const char *at)
{
	struct strv *v = &run->argv;
	int r = 0;

	if (p->root < 0)
		return strv_add(v, p->qemu) < 0 ? -ENOMEM : 0;
	if (p->loader)
		r |= strv_addf(v, "%s/%s", at, p->loader) |
		     strv_add(v, "--library-path") | strv_addf(v, "%s/lib", at) |
		     strv_add(v, "--argv0") |
		     strv_addf(v, "qemu-system-%s", p->arch->qemu);
	r |= strv_addf(v, "%s/%s", at, p->qemu) | strv_add(v, "-L") |
	     strv_addf(v, "%s/%s", at, p->firmware) |
	     strv_addf(&run->env, "QEMU_MODULE_DIR=%s/lib/qemu", at) |
	     strv_add(&run->env, "LANG=C.UTF-8");
	return r;
}

static int start(struct run *run, const struct profile *p, const char *const *args,
		 bool jailed, int *ret_pidfd, struct volt_error *e)
{
	struct spawn s = SPAWN_INIT;
	pid_t pid;
	int r = 0;

	strv_done(&run->argv);
	strv_done(&run->env);
	r = add_program(run, p, jailed ? AT : p->path);
	for (; args && *args && r == 0; args++)
		r = strv_add(&run->argv, *args);
	if (r < 0)
		return fail_oom(e);
	s.argv = (const char *const *)run->argv.v;
	s.env = (const char *const *)run->env.v;
	s.in = STDIN_FILENO;
	s.out = STDOUT_FILENO;
	s.err = STDERR_FILENO;
	s.die_with_parent = true;
	s.jail = jailed ? &run->jail : NULL;
	return spawn_start(&s, &pid, ret_pidfd, e);
}

static int run_profile(struct volt_ctx *ctx, struct run *run, const struct profile *p,
		       const char *const *args, int *ret_pidfd, struct volt_error *e)
{
	struct volt_error why = { 0 };
	int r;

	run->jail.host_network = true;
	r = jail_add(&run->jail, p->root, &AT[1], JAIL_EXEC);
	if (r == 0)
		r = add_kvm(run);
	if (r < 0)
		return fail_code(e, r, "make a root for QEMU");
	r = start(run, p, args, true, ret_pidfd, &why);
	/* As in a machine: whose QEMU this is root cannot know, and it would be root. */
	if (r == -ENOTSUP && run->n_names == 0 && geteuid() != 0) {
		log_line(&ctx->log, LOG_WARNING, "QEMU sees all of this host's files: %s",
			 why.msg);
		return start(run, p, args, false, ret_pidfd, e);
	}
	return r < 0 ? fail(e, -r, "%s", why.msg) : 0;
}

int volt_profile_run(struct volt_ctx *ctx, const char *profile, const char *options,
		     const char *const *args, int *ret, struct volt_error *e)
{
	static const char *const known[] = { "arch", "volumes", NULL };
	_cleanup_(profile_freep) struct profile *p = NULL;
	_cleanup_free_ const char *const *volumes = NULL;
	_cleanup_(run_done) struct run run = { 0 };
	const struct profile_arch *arch = NULL;
	const char *word = NULL;
	json_auto_t *j = NULL;
	int r;

	if ((r = document_parse(options, known, &j, e)) < 0 ||
	    (r = json_get_string(j, "arch", &word, e)) < 0 ||
	    (r = document_list(j, "volumes", &volumes, e)) < 0 ||
	    (word && (r = profile_arch_parse(word, &arch, e)) < 0))
		return r;
	for (size_t i = 0; volumes && volumes[i]; i++)
		if ((r = add_bind(&run, volumes[i], e)) < 0)
			return r;
	r = profile_open(ctx, profile, arch, &p, e);
	return r < 0 ? r : run_profile(ctx, &run, p, args, ret, e);
}
