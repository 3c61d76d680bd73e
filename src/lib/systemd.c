/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation: units of systemd
 *
 * A unit's main process is the machine's supervisor itself: `volt start --foreground` finds
 * what a start needs and becomes it by execve(). So systemd has the pid it started, hears
 * READY=1 when the workload runs, and sees the workload's exit status. What it does to that
 * process is a stop as by volt: SIGTERM begins the ladder, and ExecStop= walks it and waits.
 * QEMU is never signalled by systemd unless all of that failed (KillMode=mixed).
 *
 * Two may restart a machine: its supervisor, by the machine's own policy, and systemd, which
 * is there for a supervisor that failed or died. With "new" the machine is one that is removed
 * when it ends and has no policy, so systemd applies the one that was wished for.
 *
 * Only what does not get in the way of QEMU, of its helpers and jail, and of a volume
 * anywhere on the host is forbidden to the service.
 */

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/strv.h"
#include "lib/internal.h"
#include "lib/unit-text.h"

#define START_S     360  /* more than a supervisor lets a guest take */
#define START_NEW_S 1200 /* … and its image may have to be pulled */
#define STOP_ROOM_S 45   /* for the ladder above its first rung, and attached clients */
#define LINE_MAX_   (1u << 20) /* systemd refuses a file with a longer one */
#define TIME_MAX_S  (86400 * 365)

struct unit {
	struct volt_ctx *ctx;
	const struct spec *spec;
	const char *who; /* the machine in commands */
	char root[PATH_MAX];
	const char *program, *restart;
	int64_t restart_s, start_s, stop_s; /* -1: not given */
	const char *const *after, *const *wants, *const *requires;
	bool is_new, by_id, header;
};

static void unit_done(struct unit *u)
{
	free((void *)u->after);
	free((void *)u->wants);
	free((void *)u->requires);
}

/* --- what was asked for --- */

static int units_from(const json_t *j, const char *key, const char *const **ret,
		      struct volt_error *e)
{
	int r = document_list(j, key, ret, e);

	for (const char *const *name = *ret; r == 0 && name && *name; name++)
		if (!unit_name_is_valid(*name))
			return fail(e, EINVAL, "'%s' is no name of a unit", *name);
	return r;
}

static int check_restart(const char *policy, struct volt_error *e)
{
	static const char *const known[] = { "no",          "on-success",  "on-failure",
					     "on-abnormal", "on-watchdog", "on-abort",
					     "always" };

	for (size_t i = 0; policy && i < ARRAY_SIZE(known); i++)
		if (strcmp(policy, known[i]) == 0)
			return 0;
	return !policy ? 0
		       : fail(e, EINVAL,
			      "restart policy '%s' is none of no, on-success, on-failure, "
			      "on-abnormal, on-watchdog, on-abort, always",
			      policy);
}

static int options_from(const char *options, struct unit *u, json_t **ret,
			struct volt_error *e)
{
	static const char *const known[] = { "new",
					     "id",
					     "header",
					     "program",
					     "restart_policy",
					     "restart_sec",
					     "start_timeout",
					     "stop_timeout",
					     "after",
					     "wants",
					     "requires",
					     NULL };
	int r = document_parse(options, known, ret, e);
	const json_t *j = *ret;

	if (r < 0 || (r = json_get_bool(j, "new", &u->is_new, e)) < 0 ||
	    (r = json_get_bool(j, "id", &u->by_id, e)) < 0 ||
	    (r = json_get_bool(j, "header", &u->header, e)) < 0 ||
	    (r = json_get_string(j, "program", &u->program, e)) < 0 ||
	    (r = json_get_string(j, "restart_policy", &u->restart, e)) < 0 ||
	    (r = json_get_int(j, "restart_sec", 0, TIME_MAX_S, &u->restart_s, e)) < 0 ||
	    (r = json_get_int(j, "start_timeout", 0, TIME_MAX_S, &u->start_s, e)) < 0 ||
	    (r = json_get_int(j, "stop_timeout", 0, TIME_MAX_S, &u->stop_s, e)) < 0 ||
	    (r = units_from(j, "after", &u->after, e)) < 0 ||
	    (r = units_from(j, "wants", &u->wants, e)) < 0 ||
	    (r = units_from(j, "requires", &u->requires, e)) < 0)
		return r;
	return check_restart(u->restart, e);
}

static int check(const struct unit *u, struct volt_error *e)
{
	if (!unit_program_is_valid(u->program))
		return fail(e, EINVAL, "systemd cannot run a program called '%s'",
			    u->program);
	if (u->is_new && u->by_id)
		return fail(e, EINVAL,
			    "a machine made anew has another id each time: name it");
	if (!u->is_new && u->spec->rm)
		return fail(
			e, EINVAL,
			"machine '%s' is removed when it ends, so there is nothing to "
			"start: have the unit make it anew (--new)",
			u->spec->name);
	return 0;
}

/* --- its parts --- */

static void put_units(FILE *f, const char *key, const char *const *units)
{
	for (; units && *units; units++)
		(void)fprintf(f, "%s=%s\n", key, *units);
}

/* The directories without which it cannot start. One that a unit cannot name is missed at
 * the start at the latest. */
static void put_mounts(FILE *f, const struct unit *u)
{
	(void)fputs("RequiresMountsFor=", f);
	(void)unit_path(f, u->root);
	for (size_t i = 0; i < u->spec->n_volumes; i++) {
		if (volume_is_named(&u->spec->volumes[i]))
			continue;
		(void)fputc(' ', f);
		(void)unit_path(f, u->spec->volumes[i].source);
	}
	if (u->spec->guest == GUEST_DISK) {
		(void)fputc(' ', f);
		(void)unit_path(f, u->spec->disk.path);
	}
	(void)fputc('\n', f);
}

static void put_unit_section(FILE *f, const struct unit *u)
{
	(void)fprintf(f,
		      "[Unit]\n"
		      "Description=volt machine %s\n"
		      "Documentation=man:volt-generate-systemd(1)\n",
		      u->who);
	if (u->spec->network != NET_NONE || u->is_new)
		(void)fputs("Wants=network-online.target\n"
			    "After=network-online.target\n",
			    f);
	put_units(f, "Wants", u->wants);
	put_units(f, "After", u->after);
	put_units(f, "Requires", u->requires);
	put_mounts(f, u);
}

/* "volt --root DIR": the same machines as here. */
static void put_command(FILE *f, const char *key, const struct unit *u,
			const char *command)
{
	(void)fprintf(f, "%s=", key);
	(void)unit_path(f, u->program);
	if (u->ctx->root_given) {
		unit_argument(f, "--root");
		unit_argument(f, u->root);
	}
	if (u->ctx->qemu_dir) {
		unit_argument(f, "--qemu");
		unit_argument(f, u->ctx->qemu_dir);
	}
	unit_argument(f, command);
}

/* The wish, but for who removes and who restarts it: systemd does both by starting anew. */
static int put_run(FILE *f, const struct unit *u, struct volt_error *e)
{
	_cleanup_strv_ struct strv args = { 0 };
	struct spec wish = *u->spec; /* borrows all it has */
	int r;

	wish.rm = true;
	wish.restart = RESTART_NO;
	wish.max_retries = 0;
	r = spec_args(&wish, &args, e);
	if (r < 0)
		return fail_in(e, r, "machine '%s'", wish.name);
	put_command(f, "ExecStart", u, "run");
	(void)fputs(" --foreground --replace", f);
	strv_foreach(word, args.v)
		unit_argument(f, *word);
	(void)fputc('\n', f);
	return 0;
}

static int put_commands(FILE *f, const struct unit *u, struct volt_error *e)
{
	int r = 0;

	if (u->is_new) {
		r = put_run(f, u, e);
	} else {
		put_command(f, "ExecStart", u, "start");
		(void)fprintf(f, " --foreground %s\n", u->who);
	}
	put_command(f, "ExecStop", u, "stop");
	(void)fputs(" --ignore", f);
	if (u->stop_s >= 0)
		(void)fprintf(f, " --time %lld", (long long)u->stop_s);
	(void)fprintf(f, " %s\n", u->who);
	if (u->is_new) {
		/* What a supervisor that was killed could not do. */
		put_command(f, "ExecStopPost", u, "rm");
		(void)fprintf(f, " --force --ignore %s\n", u->who);
	}
	return r;
}

static const char *restart_policy(const struct unit *u)
{
	if (u->restart)
		return u->restart;
	if (!u->is_new)
		/* Its supervisor counts the failures, and gives up. */
		return u->spec->max_retries ? "on-abnormal" : "on-failure";
	return u->spec->restart == RESTART_ALWAYS ||
			       u->spec->restart == RESTART_UNLESS_STOPPED
		       ? "always"
		       : "on-failure";
}

static void put_life(FILE *f, const struct unit *u)
{
	long long start = u->start_s >= 0 ? u->start_s
			  : u->is_new     ? START_NEW_S
					  : START_S;
	long long stop = u->stop_s >= 0 ? u->stop_s : u->spec->stop_timeout;

	(void)fprintf(f, "Restart=%s\n", restart_policy(u));
	if (u->restart_s >= 0)
		(void)fprintf(f, "RestartSec=%lld\n", (long long)u->restart_s);
	(void)fprintf(f,
		      "TimeoutStartSec=%lld\n"
		      "TimeoutStopSec=%lld\n"
		      "KillMode=mixed\n"
		      "Delegate=yes\n",
		      start, stop + STOP_ROOM_S);
}

static bool is_below(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Does the machine, or volt for it, write to what ProtectSystem=yes makes read-only? */
static bool writes_to_system(const struct unit *u)
{
	static const char *const directories[] = { "/usr", "/boot", "/efi" };
	const char *disk = u->spec->read_only ? NULL : u->spec->disk.path;
	bool found = false;

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		found |= is_below(u->root, directories[i]);
		found |= disk && is_below(disk, directories[i]);
		for (size_t k = 0; k < u->spec->n_volumes; k++) {
			const struct spec_volume *v = &u->spec->volumes[k];

			found |= !v->read_only && (is_below(v->source, directories[i]) ||
						   strcmp(v->source, "/") == 0);
		}
	}
	return found;
}

static void put_hardening(FILE *f, const struct unit *u)
{
	(void)fputs(
		"NoNewPrivileges=yes\n"
		"LockPersonality=yes\n"
		"RestrictRealtime=yes\n"
		"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET "
		"AF_VSOCK\n"
		"SystemCallArchitectures=native\n",
		f);
	/* A user's manager would need a user namespace for this, in which /dev/kvm and the
	 * owners of files are lost. More that mounts (over /proc, /dev, /home, /tmp) would
	 * hide what volumes, helpers and their namespaces need. */
	if (geteuid() == 0 && !writes_to_system(u))
		(void)fputs("ProtectSystem=yes\n", f);
}

static int put_service_section(FILE *f, const struct unit *u, struct volt_error *e)
{
	const char *data = secure_getenv("XDG_DATA_HOME");
	_cleanup_free_ char *variable = NULL;
	int r;

	(void)fputs("\n[Service]\n"
		    "Type=notify\n"
		    "NotifyAccess=main\n",
		    f);
	if (!u->ctx->root_given && geteuid() != 0 && data && data[0] == '/') {
		if (asprintf(&variable, "XDG_DATA_HOME=%s", data) < 0)
			return fail_oom(e);
		(void)fputs("Environment=", f);
		unit_variable(f, variable);
		(void)fputc('\n', f);
	}
	r = put_commands(f, u, e);
	put_life(f, u);
	put_hardening(f, u);
	return r;
}

/* --- the whole --- */

static int check_lines(const char *text, struct volt_error *e)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		if (n >= LINE_MAX_)
			return fail(e, E2BIG,
				    "its arguments are too long for a unit of systemd: "
				    "%zu bytes, at most %u",
				    n, LINE_MAX_);
		text += n + (text[n] == '\n');
	}
	return 0;
}

static int write_unit(const struct unit *u, const char *name, char **ret,
		      struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	bool bad;
	int r;

	if (!f)
		return fail_oom(e);
	if (u->header)
		(void)fprintf(f, "# %s\n# Made by volt %s: volt generate systemd\n\n",
			      name, VERSION);
	put_unit_section(f, u);
	r = put_service_section(f, u, e);
	(void)fputs("\n[Install]\nWantedBy=default.target\n", f);
	bad = ferror(f) != 0;
	if (fclose(f) != 0 || bad)
		return fail_oom(e);
	if (r < 0 || (r = check_lines(text, e)) < 0)
		return r;
	*ret = TAKE_PTR(text);
	return 0;
}

int volt_generate_systemd(struct volt_machine *m, const char *options, char **ret,
			  struct volt_error *e)
{
	_cleanup_(unit_done) struct unit u = { .ctx = m->ctx,
					       .program = PREFIX "/bin/volt",
					       .restart_s = -1,
					       .start_s = -1,
					       .stop_s = -1,
					       .header = true };
	_cleanup_free_ char *name = NULL, *text = NULL;
	json_auto_t *j = NULL;
	int r;

	if ((r = options_from(options, &u, &j, e)) < 0 ||
	    (r = machine_spec(m->m, &u.spec, e)) < 0 || (r = check(&u, e)) < 0)
		return r;
	if (!realpath(m->ctx->root, u.root))
		return fail_errno(e, "find '%s'", m->ctx->root);
	u.who = u.by_id ? u.spec->id : u.spec->name;
	if (asprintf(&name, "volt-%s.service", u.who) < 0)
		return fail_oom(e);
	r = write_unit(&u, name, &text, e);
	if (r < 0)
		return r;
	return answer(0, json_pack("{s:s, s:s}", "unit", name, "text", text), ret, e);
}
