/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/wish.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "cli/lock-file.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/wish-nanos.h"
#include "cli/wish-parse.h"

static struct {
	const char *accel, *arch, *authfile, *cidfile, *cpus, *creds, *disk_format;
	const char *entrypoint;
	const char *guest, *hardware, *hostname, *kernel, *lock, *locked, *memory, *name;
	const char *network, *platform, *pull;
	const char *restart, *stop_signal, *user, *workdir;
	const char **env, **env_file, **label, **label_file, **log_opt, **publish;
	const char **tmpfs, **volume;
	int interactive, no_tpm, quiet, read_only, replace, rm, stop_timeout, tls_verify,
		tty;
} o = { .stop_timeout = -1, .tls_verify = -1 };

const struct poptOption wish_options[] = {
	{ "accel", 0, POPT_ARG_STRING, &o.accel, 0,
	  "auto (default), kvm, or tcg, which emulates", "ACCEL" },
	{ "arch", 0, POPT_ARG_STRING, &o.arch, 0,
	  "Run this architecture instead of the host's", "ARCH" },
	{ "authfile", 0, POPT_ARG_STRING, &o.authfile, 0,
	  "Take registry credentials from FILE", "FILE" },
	{ "cidfile", 0, POPT_ARG_STRING, &o.cidfile, 0, "Write the machine's id to FILE",
	  "FILE" },
	{ "cpus", 0, POPT_ARG_STRING, &o.cpus, 0, "Number of processors", "N" },
	{ "creds", 0, POPT_ARG_STRING, &o.creds, 0, "Credentials for the registry",
	  "USER[:PASSWORD]" },
	{ "disk-format", 0, POPT_ARG_STRING, &o.disk_format, 0,
	  "For a disk: raw or qcow2; else it is seen by its beginning", "raw|qcow2" },
	{ "entrypoint", 0, POPT_ARG_STRING, &o.entrypoint, 0,
	  "Run this instead of the image's ENTRYPOINT: a program or a JSON array",
	  "COMMAND" },
	{ "env", 'e', POPT_ARG_ARGV, &o.env, 0,
	  "Set a variable; without a value take the caller's; KEY* takes all that begin so",
	  "KEY[=VALUE]" },
	{ "env-file", 0, POPT_ARG_ARGV, &o.env_file, 0,
	  "Set the variables listed in FILE", "FILE" },
	{ "guest", 0, POPT_ARG_STRING, &o.guest, 0,
	  "linux (default) or nanos runs an image's program, disk boots a disk by UEFI",
	  "linux|disk|nanos" },
	{ "hardware", 0, POPT_ARG_STRING, &o.hardware, 0,
	  "For a disk: virtio (default), or generic, for a system without its drivers",
	  "virtio|generic" },
	{ "hostname", 'h', POPT_ARG_STRING, &o.hostname, 0, "Name inside the guest",
	  "NAME" },
	{ "interactive", 'i', POPT_ARG_NONE, &o.interactive, 0, "Keep stdin open", NULL },
	{ "kernel", 0, POPT_ARG_STRING, &o.kernel, 0, "Boot this kernel, see 'kernel ls'",
	  "KERNEL" },
	{ "label", 'l', POPT_ARG_ARGV, &o.label, 0, "Attach a label", "KEY[=VALUE]" },
	{ "label-file", 0, POPT_ARG_ARGV, &o.label_file, 0,
	  "Attach the labels listed in FILE", "FILE" },
	{ "lock", 0, POPT_ARG_STRING, &o.lock, 0,
	  "Write what the machine is made of, each thing by its digest, to FILE",
	  "FILE" },
	{ "locked", 0, POPT_ARG_STRING, &o.locked, 0,
	  "Run exactly what FILE names, which --lock wrote, or nothing", "FILE" },
	{ "log-opt", 0, POPT_ARG_ARGV, &o.log_opt, 0,
	  "Bound the log: max-size=BYTES or max-file=N", "KEY=VALUE" },
	{ "memory", 'm', POPT_ARG_STRING, &o.memory, 0, "Memory, such as 512m or 2g",
	  "SIZE" },
	{ "name", 0, POPT_ARG_STRING, &o.name, 0, "Name the machine", "NAME" },
	{ "network", 0, POPT_ARG_STRING, &o.network, 0, "user (default) or none",
	  "MODE" },
	{ "no-tpm", 0, POPT_ARG_NONE, &o.no_tpm, 0, "For a disk: give it no TPM", NULL },
	{ "platform", 0, POPT_ARG_STRING, &o.platform, 0,
	  "Run this platform instead of the host's", "[linux/]ARCH" },
	{ "publish", 'p', POPT_ARG_ARGV, &o.publish, 0,
	  "Make a guest's port, or a range, reachable on the host",
	  "[[IP:]HOST:]GUEST[/PROTOCOL]" },
	{ "pull", 0, POPT_ARG_STRING, &o.pull, 0,
	  "When to pull: always, missing (default), never or newer", "POLICY" },
	OPTION_NO_PROGRESS(&o.quiet),
	{ "read-only", 0, POPT_ARG_NONE, &o.read_only, 0,
	  "Give it no writable layer over the image, or do not write to the disk", NULL },
	{ "replace", 0, POPT_ARG_NONE, &o.replace, 0,
	  "Remove a machine that has the name first", NULL },
	{ "restart", 0, POPT_ARG_STRING, &o.restart, 0,
	  "When it ends: no (default), on-failure[:N], always or unless-stopped",
	  "POLICY" },
	{ "rm", 0, POPT_ARG_NONE, &o.rm, 0, "Remove it when it ends", NULL },
	{ "stop-signal", 0, POPT_ARG_STRING, &o.stop_signal, 0,
	  "Signal that asks it to end", "SIGNAL" },
	{ "stop-timeout", 0, POPT_ARG_INT, &o.stop_timeout, 0,
	  "Seconds it has for that (10, Nanos 35, a disk 60)", "SECONDS" },
	{ "tls-verify", 0, POPT_ARG_NONE, &o.tls_verify, 0,
	  "Insist on a registry's certificate; =false does not", NULL },
	{ "tmpfs", 0, POPT_ARG_ARGV, &o.tmpfs, 0, "Mount a file system in memory",
	  "DIR[:OPTIONS]" },
	{ "tty", 't', POPT_ARG_NONE, &o.tty, 0, "Give it a terminal", NULL },
	{ "user", 'u', POPT_ARG_STRING, &o.user, 0, "Run as this user", "USER[:GROUP]" },
	{ "volume", 'v', POPT_ARG_ARGV, &o.volume, 0, "Mount a host's file or directory",
	  "HOST:GUEST[:ro|rw]" },
	{ "workdir", 'w', POPT_ARG_STRING, &o.workdir, 0, "Directory it starts in",
	  "DIR" },
	OPTIONS_INCLUDE(wish_nanos_options),
	POPT_TABLEEND
};

/* Sets a member, unless something failed before or @value was not to be had: *@r says. */
static void put(json_t *j, const char *key, json_t *value, int *r)
{
	if (*r < 0)
		json_decref(value);
	else if (json_object_set_new(j, key, value) < 0)
		*r = -ENOMEM;
}

static int put_text(json_t *j, const char *key, const char *text, struct volt_error *e)
{
	int r = 0;

	if (!text)
		return 0;
	if (!*text)
		return fail(e, EINVAL, "the %s is empty", key);
	put(j, key, json_string(text), &r);
	return r < 0 ? fail(e, EINVAL, "the %s '%s' is not UTF-8", key, text) : 0;
}

static int put_words(json_t *j, const char *key, const char **words, struct volt_error *e)
{
	json_t *list = json_array();
	int r = 0;

	put(j, key, list, &r);
	for (; r == 0 && words && *words; words++)
		if (json_array_append_new(list, json_string(*words)) < 0)
			return fail(e, EINVAL, "'%s' is not UTF-8", *words);
	return r < 0 ? fail_oom(e) : 0;
}

/* Parses every word of @words with @parse into an array. */
static int put_list(json_t *j, const char *key, const char **words,
		    int (*parse)(json_t *list, const char *word, struct volt_error *e),
		    struct volt_error *e)
{
	json_t *list = json_array();
	int r = 0;

	put(j, key, list, &r);
	if (r < 0)
		return fail_oom(e);
	for (; words && *words; words++) {
		r = parse(list, *words, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_env(json_t *j, struct volt_error *e)
{
	json_t *list = json_array();
	int r = 0;

	put(j, "env", list, &r);
	for (const char **f = o.env_file; r == 0 && f && *f; f++)
		r = env_file_parse(list, *f, e);
	for (const char **w = o.env; r == 0 && w && *w; w++)
		r = env_parse(list, *w, e);
	return r;
}

static int put_labels(json_t *j, struct volt_error *e)
{
	json_t *labels = json_object();
	int r = 0;

	put(j, "labels", labels, &r);
	for (const char **f = o.label_file; r == 0 && f && *f; f++)
		r = label_file_parse(labels, *f, e);
	for (const char **w = o.label; r == 0 && w && *w; w++)
		r = label_parse(labels, *w, e);
	return r;
}

static int put_log(json_t *j, struct volt_error *e)
{
	json_t *log = json_object();
	int r = 0;

	if (!o.log_opt) {
		json_decref(log);
		return 0;
	}
	put(j, "log", log, &r);
	for (const char **w = o.log_opt; r == 0 && *w; w++)
		r = log_opt_parse(log, *w, e);
	return r;
}

static int put_arch(json_t *j, struct volt_error *e)
{
	const char *arch = o.arch;

	if (o.arch && o.platform)
		return fail(e, EINVAL, "'--arch' and '--platform' exclude each other");
	if (o.platform) {
		arch = platform_arch(o.platform, e);
		if (!arch)
			return -EINVAL;
	}
	return put_text(j, "arch", arch, e);
}

static int put_entrypoint(json_t *j, struct volt_error *e)
{
	json_t *list = NULL;
	int r;

	if (!o.entrypoint)
		return 0;
	r = entrypoint_parse(o.entrypoint, &list, e);
	if (r < 0)
		return r;
	put(j, "entrypoint", list, &r);
	return r < 0 ? fail_oom(e) : 0;
}

static int put_numbers(json_t *j, struct volt_error *e)
{
	int64_t memory, cpus;
	int r = 0;

	if (o.memory) {
		r = memory_parse(o.memory, &memory, e);
		if (r < 0)
			return r;
		put(j, "memory", json_integer(memory), &r);
	}
	if (o.cpus) {
		r = cpus_parse(o.cpus, &cpus, e);
		if (r < 0)
			return r;
		put(j, "cpus", json_integer(cpus), &r);
	}
	if (o.stop_timeout < -1)
		return fail(e, EINVAL, "option '--stop-timeout': %d is less than 0",
			    o.stop_timeout);
	if (o.stop_timeout >= 0)
		put(j, "stop_timeout", json_integer(o.stop_timeout), &r);
	return r < 0 ? fail_oom(e) : 0;
}

static int put_flags(json_t *j, struct volt_error *e)
{
	int r = 0;

	put(j, "tty", json_boolean(o.tty), &r);
	put(j, "stdin", json_boolean(o.interactive), &r);
	put(j, "read_only", json_boolean(o.read_only), &r);
	put(j, "rm", json_boolean(o.rm), &r);
	return r < 0 ? fail_oom(e) : 0;
}

static int put_texts(json_t *j, struct volt_error *e)
{
	const struct {
		const char *key, *value;
	} texts[] = {
		{ "accel", o.accel },       { "guest", o.guest },
		{ "hostname", o.hostname }, { "kernel", o.kernel },
		{ "name", o.name },         { "stop_signal", o.stop_signal },
		{ "user", o.user },         { "workdir", o.workdir },
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(texts) && r == 0; i++)
		r = put_text(j, texts[i].key, texts[i].value, e);
	return r;
}

static int one_of(const char *what, const char *word, const char *const *known,
		  struct volt_error *e)
{
	for (const char *const *k = known; *k; k++)
		if (strcmp(word, *k) == 0)
			return 0;
	return fail(e, EINVAL, "%s '%s' is not one of: %s, %s%s%s", what, word, known[0],
		    known[1], known[2] ? ", " : "", known[2] ? known[2] : "");
}

static int check_words(struct volt_error *e)
{
	static const char *const accels[] = { "auto", "kvm", "tcg", NULL };
	static const char *const networks[] = { "user", "none", NULL };
	static const char *const guests[] = { "linux", "disk", "nanos", NULL };
	static const char *const formats[] = { "raw", "qcow2", NULL };
	static const char *const hardware[] = { "virtio", "generic", NULL };
	int r = 0;

	if (o.accel)
		r = one_of("accelerator", o.accel, accels, e);
	if (r == 0 && o.network)
		r = one_of("network", o.network, networks, e);
	if (r == 0 && o.guest)
		r = one_of("guest", o.guest, guests, e);
	if (r == 0 && o.disk_format)
		r = one_of("disk format", o.disk_format, formats, e);
	if (r == 0 && o.hardware)
		r = one_of("hardware", o.hardware, hardware, e);
	return r;
}

static int put_policies(json_t *j, struct volt_error *e)
{
	json_t *restart = NULL;
	int r = 0;

	if (o.restart) {
		r = restart_parse(o.restart, &restart, e);
		if (r < 0)
			return r;
		put(j, "restart", restart, &r);
	}
	if (o.network)
		put(j, "network", json_pack("{s:s}", "mode", o.network), &r);
	return r < 0 ? fail_oom(e) : 0;
}

static bool is_guest(const char *kind)
{
	return o.guest && strcmp(o.guest, kind) == 0;
}

static bool is_disk(void)
{
	return is_guest("disk");
}

/* What is done inside a guest, or with an image, cannot be asked of one that boots a disk;
 * and the other way round. */
static int check_guest(int argc, struct volt_error *e)
{
	const struct {
		const char *option;
		bool given, of_disk;
	} options[] = {
		{ "authfile", o.authfile != NULL, false },
		{ "creds", o.creds != NULL, false },
		{ "entrypoint", o.entrypoint != NULL, false },
		{ "env", o.env != NULL, false },
		{ "env-file", o.env_file != NULL, false },
		{ "hostname", o.hostname != NULL, false },
		{ "kernel", o.kernel != NULL, false },
		{ "lock", o.lock != NULL, false },
		{ "locked", o.locked != NULL, false },
		{ "platform", o.platform != NULL, false },
		{ "pull", o.pull != NULL, false },
		{ "stop-signal", o.stop_signal != NULL, false },
		{ "tls-verify", o.tls_verify >= 0, false },
		{ "tmpfs", o.tmpfs != NULL, false },
		{ "user", o.user != NULL, false },
		{ "volume", o.volume != NULL, false },
		{ "workdir", o.workdir != NULL, false },
		{ "disk-format", o.disk_format != NULL, true },
		{ "hardware", o.hardware != NULL, true },
		{ "no-tpm", o.no_tpm, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (options[i].given && options[i].of_disk != is_disk())
			return fail(e, EINVAL,
				    "'--%s' cannot be used with%s '--guest disk'",
				    options[i].option, is_disk() ? "" : "out");
	if (wish_nanos_given() && !is_guest("nanos"))
		return fail(e, EINVAL, "'--%s' cannot be used without '--guest nanos'",
			    wish_nanos_given());
	if (is_disk() && argc > 1)
		return fail(e, EINVAL,
			    "a command cannot be used with '--guest disk': its system "
			    "decides what runs");
	return 0;
}

/* As the user sees it from here; a machine is started from anywhere. */
static int put_disk(json_t *j, const char *path, struct volt_error *e)
{
	_cleanup_free_ char *full = realpath(path, NULL);
	json_t *disk;
	int r = 0;

	if (!full)
		return fail_errno(e, "open disk '%s'", path);
	disk = json_pack("{s:s, s:b}", "path", full, "tpm", !o.no_tpm);
	if (!disk)
		return fail(e, EINVAL, "disk '%s': its path is not UTF-8", path);
	put(j, "disk", disk, &r);
	if (o.disk_format)
		put(disk, "format", json_string(o.disk_format), &r);
	if (o.hardware)
		put(disk, "hardware", json_string(o.hardware), &r);
	return r < 0 ? fail_oom(e) : 0;
}

/* What boots. */
static int put_source(json_t *j, const char *name, struct volt_error *e)
{
	int r = 0;

	if (is_disk())
		return put_disk(j, name, e);
	if (is_guest("nanos") && (r = wish_nanos_put(j, e)) < 0)
		return r;
	put(j, "image", json_pack("{s:s}", "ref", name), &r);
	return r < 0 ? fail(e, EINVAL, "image name '%s' is not UTF-8", name) : 0;
}

int wish_spec(int argc, const char **argv, json_t **ret, struct volt_error *e)
{
	json_auto_t *j = json_object();
	int r = 0;

	if (o.rm && o.restart && strcmp(o.restart, "no") != 0)
		return fail(e, EINVAL, "'--rm' and '--restart=%s' exclude each other",
			    o.restart);
	if ((r = check_words(e)) < 0 || (r = check_guest(argc, e)) < 0 ||
	    (r = put_source(j, argv[0], e)) < 0 || (r = put_texts(j, e)) < 0 ||
	    (r = put_flags(j, e)) < 0 || (r = put_numbers(j, e)) < 0 ||
	    (r = put_policies(j, e)) < 0 || (r = put_arch(j, e)) < 0 ||
	    (r = put_entrypoint(j, e)) < 0 || (r = put_env(j, e)) < 0 ||
	    (r = put_labels(j, e)) < 0 || (r = put_log(j, e)) < 0 ||
	    (o.locked && (r = lock_file_read(o.locked, j, e)) < 0) ||
	    (r = put_words(j, "ports", o.publish, e)) < 0 ||
	    (r = put_list(j, "volumes", o.volume, volume_parse, e)) < 0 ||
	    (r = put_list(j, "tmpfs", o.tmpfs, tmpfs_parse, e)) < 0)
		return r;
	if ((argc > 1 && (r = put_words(j, "cmd", argv + 1, e)) < 0) ||
	    (r = wish_nanos_config(j, e)) < 0)
		return r;
	*ret = TAKE_PTR(j);
	return 0;
}

static int create_options(bool start, json_t **ret, struct volt_error *e)
{
	json_auto_t *j = json_object();
	int r = 0;

	put(j, "replace", json_boolean(o.replace), &r);
	put(j, "start", json_boolean(start), &r);
	put(j, "lock", json_boolean(o.lock != NULL), &r);
	if (o.pull)
		put(j, "pull", json_string(o.pull), &r);
	if (o.authfile)
		put(j, "authfile", json_string(o.authfile), &r);
	if (o.creds)
		put(j, "creds", json_string(o.creds), &r);
	if (o.tls_verify >= 0)
		put(j, "tls_verify", json_boolean(o.tls_verify), &r);
	if (r < 0)
		return fail(e, EINVAL,
			    "'--authfile', '--creds' or '--pull' is not UTF-8");
	*ret = TAKE_PTR(j);
	return 0;
}

/* Made before the machine, as podman does: a file that is there already belongs to
 * another machine and is refused before anything is done. */
static int open_cidfile(int *ret, struct volt_error *e)
{
	if (!o.cidfile)
		return 0;
	*ret = open(o.cidfile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (*ret < 0)
		return fail_errno(e, "make id file '%s'", o.cidfile);
	return 0;
}

/* What is to be on file when there is a machine. */
static int write_files(struct volt_machine *m, int idfile, struct volt_error *e)
{
	const char *id = volt_machine_id(m);
	int r = idfile >= 0 ? write_all(idfile, id, strlen(id)) : 0;

	if (r < 0)
		return fail_code(e, r, "write id file '%s'", o.cidfile);
	return o.lock ? lock_file_write(o.lock, m, e) : 0;
}

int wish_create(struct volt_ctx *ctx, const json_t *spec, bool start,
		struct volt_machine **ret, struct volt_error *e)
{
	_cleanup_close_ int idfile = -1;
	_cleanup_free_ char *text = NULL, *options = NULL;
	json_auto_t *j = NULL;
	struct volt_machine *m = NULL;
	int r;

	if (o.replace && !o.name)
		return fail(e, EINVAL, "'--replace' needs '--name'");
	if ((o.lock && (r = lock_file_check(o.lock, e)) < 0) ||
	    (r = create_options(start, &j, e)) < 0)
		return r;
	text = json_text(spec);
	options = json_text(j);
	if (!text || !options)
		return fail_oom(e);
	r = open_cidfile(&idfile, e);
	if (r < 0)
		return r;
	if (!o.quiet)
		progress_show(ctx);
	r = volt_machine_create(ctx, text, options, &m, e);
	if (r == -ESTALE && o.locked)
		(void)fail_in(e, r, "'%s'", o.locked);
	if (r == 0)
		r = write_files(m, idfile, e);
	if (r < 0) {
		if (idfile >= 0)
			(void)unlink(o.cidfile);
		if (m)
			(void)volt_machine_remove(m, true, NULL);
		volt_machine_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void wish_forget(void)
{
	if (o.cidfile)
		(void)unlink(o.cidfile);
}

bool wish_is_quiet(void)
{
	return o.quiet;
}
