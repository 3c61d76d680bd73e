/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/path.h"
#include "vm/internal.h"

#define STATE_VERSION   1
#define JAIL_EMPTY_ROOT "empty-root"
#define COMMAND_MAX     200 /* of the command line that `ps` shows */

static const char *const status_texts[] = {
	[STATUS_CREATED] = "created",   [STATUS_STARTING] = "starting",
	[STATUS_RUNNING] = "running",   [STATUS_PAUSED] = "paused",
	[STATUS_STOPPING] = "stopping", [STATUS_EXITED] = "exited",
	[STATUS_FAILED] = "failed",
};
static const char *const phase_texts[] = {
	[PHASE_BEGIN] = "begin",   [PHASE_RESOLVE] = "resolve",
	[PHASE_ROOTFS] = "rootfs", [PHASE_NETWORK] = "network",
	[PHASE_QEMU] = "qemu",     [PHASE_KERNEL] = "kernel",
	[PHASE_INIT] = "init",     [PHASE_WORKLOAD] = "workload",
};
static const char *const rung_texts[] = {
	[RUNG_NONE] = "none",         [RUNG_SIGNAL] = "signal", [RUNG_BUTTON] = "button",
	[RUNG_SHUTDOWN] = "shutdown", [RUNG_QUIT] = "quit",     [RUNG_KILL] = "kill",
};
_Static_assert(ARRAY_SIZE(phase_texts) == PHASE_MAX, "one text a phase");

const char *status_text(enum status s)
{
	return status_texts[s];
}

bool status_is_up(enum status s)
{
	return s == STATUS_STARTING || s == STATUS_RUNNING || s == STATUS_PAUSED ||
	       s == STATUS_STOPPING;
}

const char *phase_text(enum phase p)
{
	return phase_texts[p];
}

const char *rung_text(enum stop_rung r)
{
	return rung_texts[r];
}

void state_done(struct state *st)
{
	free(st->name);
	free(st->image);
	free(st->command);
	free(st->jail_note);
	pins_done(&st->pins);
	free(st->reason);
	free(st->last_console);
	free(st->accel_note);
	free(st->network);
	free(st->network_note);
	strv_done(&st->labels);
	ports_done(&st->ports);
	*st = (struct state){ 0 };
}

/* The arguments with spaces between, cut at a character's boundary, without anything that
 * could move a terminal's cursor. */
static char *command_line(const struct strv *args)
{
	_cleanup_free_ char *text = NULL;
	size_t size, n = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	strv_foreach(a, args->v)
		if (ftell(f) < COMMAND_MAX * 2)
			(void)fprintf(f, "%s%.*s", a == args->v ? "" : " ",
				      COMMAND_MAX * 2, *a);
	if (fclose(f) != 0)
		return NULL;
	for (char *p = text; *p && n < COMMAND_MAX; p++, n++) {
		unsigned char *b = (unsigned char *)p;

		if (b[0] == 0xc2 && b[1] < 0xa0) /* U+0080 to U+009F */
			b[0] = b[1] = ' ';
		else if (b[0] < ' ' || b[0] == 0x7f)
			b[0] = ' ';
	}
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	text[n] = '\0';
	return TAKE_PTR(text);
}

/* What `ps` shows as the image. */
static const char *what_boots(const struct spec *s)
{
	if (s->guest == GUEST_DISK)
		return s->disk.path;
	return s->image.name ? s->image.name : s->image.ref;
}

int state_init(struct state *st, const struct spec *s, struct volt_error *e)
{
	_cleanup_(state_done) struct state new = { .status = STATUS_CREATED };

	memcpy(new.id, s->id, sizeof(new.id));
	new.created_at = s->created_at;
	new.rm = s->rm;
	new.name = strdup(s->name);
	new.image = strdup(what_boots(s));
	new.command = command_line(&s->process.args);
	if (!new.name || !new.image || !new.command)
		return fail_oom(e);
	strv_foreach(l, s->labels.v)
		if (strv_add(&new.labels, *l) < 0)
			return fail_oom(e);
	for (size_t i = 0; i < s->ports.n; i++)
		TRY(ports_add(&new.ports, &s->ports.v[i], e));
	*st = new;
	new = (struct state){ 0 };
	return 0;
}

/* --- to JSON --- */

static void put(json_t *j, int *bad, const char *key, json_t *value)
{
	*bad |= json_object_set_new(j, key, value);
}

static void put_text(json_t *j, int *bad, const char *key, const char *text)
{
	if (text && *text)
		put(j, bad, key, json_string(text));
}

static void put_time(json_t *j, int *bad, const char *key, int64_t ns)
{
	char text[CLOCK_TEXT_SIZE];

	if (ns)
		put(j, bad, key, json_string(clock_text(ns, text)));
}

static void put_int(json_t *j, int *bad, const char *key, int64_t value)
{
	if (value)
		put(j, bad, key, json_integer(value));
}

static json_t *phases_to_json(const struct state *st)
{
	json_t *o = json_object();
	int bad = 0;

	for (int i = 0; i < PHASE_MAX; i++)
		put_int(o, &bad, phase_texts[i], st->phase[i]);
	if (bad) {
		json_decref(o);
		return NULL;
	}
	return o;
}

static void put_summary(json_t *j, int *bad, const struct state *st)
{
	put(j, bad, "version", json_integer(STATE_VERSION));
	put(j, bad, "id", json_string(st->id));
	put(j, bad, "name", json_string(st->name));
	put(j, bad, "image", json_string(st->image));
	put_text(j, bad, "command", st->command);
	put_time(j, bad, "created_at", st->created_at);
	if (st->labels.n)
		put(j, bad, "labels", labels_to_json(&st->labels));
	if (st->ports.n)
		put(j, bad, "ports", ports_to_json(&st->ports));
	if (st->rm)
		put(j, bad, "rm", json_true());
}

static void put_pins(json_t *j, int *bad, const struct pins *p)
{
	if (p->kernel)
		put(j, bad, "kernel", pins_kernel_to_json(p));
	if (p->profile)
		put(j, bad, "profile", pins_profile_to_json(p));
}

static void put_end(json_t *j, int *bad, const struct state *st)
{
	put_text(j, bad, "reason", st->reason);
	put_text(j, bad, "last_console", st->last_console);
	if (st->status == STATUS_EXITED || st->status == STATUS_FAILED ||
	    st->finished_at) {
		put(j, bad, "exit_code", json_integer(st->exit_code));
		put(j, bad, "stopped_by", json_string(rung_texts[st->rung]));
	}
	if (st->oom)
		put(j, bad, "oom", json_true());
	put_time(j, bad, "finished_at", st->finished_at);
}

json_t *state_to_json(const struct state *st)
{
	json_t *j = json_object();
	int bad = 0;

	put_summary(j, &bad, st);
	put(j, &bad, "status", json_string(status_texts[st->status]));
	put_text(j, &bad, "boot_id", st->boot_id);
	put_int(j, &bad, "supervisor", st->supervisor);
	put_int(j, &bad, "qemu", st->qemu);
	put_int(j, &bad, "qemu_uid", st->qemu_uid);
	if (st->jailed || st->jail_note)
		put_text(j, &bad, "jail", st->jailed ? JAIL_EMPTY_ROOT : "none");
	put_text(j, &bad, "jail_note", st->jail_note);
	put_pins(j, &bad, &st->pins);
	put_time(j, &bad, "started_at", st->started_at);
	put_int(j, &bad, "restarts", st->restarts);
	if (st->accel != ACCEL_AUTO)
		put_text(j, &bad, "accel", spec_accel_text(st->accel));
	put_text(j, &bad, "accel_note", st->accel_note);
	put_text(j, &bad, "network", st->network);
	put_text(j, &bad, "network_note", st->network_note);
	put_end(j, &bad, st);
	if (st->undo.n)
		put(j, &bad, "undo", undo_to_json(&st->undo));
	if (st->phase[PHASE_BEGIN])
		put(j, &bad, "phases", phases_to_json(st));
	if (bad) {
		json_decref(j);
		return NULL;
	}
	return j;
}

/* --- from JSON --- */

static int get_text(const json_t *j, const char *key, char **ret, struct volt_error *e)
{
	const char *text = NULL;

	TRY(json_get_string(j, key, &text, e));
	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : fail_oom(e);
}

static int get_time(const json_t *j, const char *key, int64_t *ret, struct volt_error *e)
{
	const char *text = NULL;

	TRY(json_get_string(j, key, &text, e));
	if (text && clock_parse(text, ret) < 0)
		return fail(e, EBADMSG, "state: '%s' is not a time", key);
	return 0;
}

static int get_choice(const json_t *j, const char *key, const char *const *texts,
		      size_t n, struct volt_error *e)
{
	const char *text = texts[0];

	TRY(json_get_string(j, key, &text, e));
	for (size_t i = 0; i < n; i++)
		if (strcmp(texts[i], text) == 0)
			return (int)i;
	return fail(e, EBADMSG, "state: '%s' is the unknown '%s'", key, text);
}

static int get_lists(const json_t *j, struct state *st, struct volt_error *e)
{
	json_t *labels = NULL, *ports = NULL;

	TRY(json_get_object(j, "labels", &labels, e));
	TRY(labels_from_json(labels, &st->labels, e));
	TRY(json_get_array(j, "ports", &ports, e));
	return ports_from_json(ports, &st->ports, e);
}

static int get_summary(const json_t *j, struct state *st, struct volt_error *e)
{
	const char *id = "";
	struct digest d;

	TRY(json_get_string(j, "id", &id, e));
	if (digest_parse(id, &d) < 0)
		return fail(e, EBADMSG, "state: 'id' must be 64 hexadecimal digits");
	memcpy(st->id, id, sizeof(st->id));
	TRY(get_text(j, "name", &st->name, e));
	TRY(get_text(j, "image", &st->image, e));
	TRY(get_text(j, "command", &st->command, e));
	if (!st->name || !name_is_valid(st->name) || !st->image)
		return fail(e, EBADMSG, "state: no valid 'name' or 'image'");
	if (!st->command && !(st->command = strdup("")))
		return fail_oom(e);
	TRY(get_time(j, "created_at", &st->created_at, e));
	return json_get_bool(j, "rm", &st->rm, e);
}

static int get_numbers(const json_t *j, struct state *st, struct volt_error *e)
{
	int64_t supervisor = 0, qemu = 0, uid = 0, restarts = 0;

	TRY(json_get_int(j, "supervisor", 0, INT32_MAX, &supervisor, e));
	TRY(json_get_int(j, "qemu", 0, INT32_MAX, &qemu, e));
	TRY(json_get_int(j, "qemu_uid", 0, UINT32_MAX, &uid, e));
	TRY(json_get_int(j, "restarts", 0, UINT32_MAX, &restarts, e));
	st->supervisor = (pid_t)supervisor;
	st->qemu = (pid_t)qemu;
	st->qemu_uid = (uid_t)uid;
	st->restarts = (unsigned int)restarts;
	return get_time(j, "started_at", &st->started_at, e);
}

static int get_jail(const json_t *j, struct state *st, struct volt_error *e)
{
	const char *jail = "none";

	TRY(json_get_string(j, "jail", &jail, e));
	st->jailed = strcmp(jail, JAIL_EMPTY_ROOT) == 0;
	return get_text(j, "jail_note", &st->jail_note, e);
}

static int get_run(const json_t *j, struct state *st, struct volt_error *e)
{
	const char *boot = "", *accel = NULL;

	TRY(json_get_string(j, "boot_id", &boot, e));
	if (strlen(boot) >= sizeof(st->boot_id))
		return fail(e, EBADMSG, "state: 'boot_id' is too long");
	memcpy(st->boot_id, boot, strlen(boot) + 1);
	TRY(json_get_string(j, "accel", &accel, e));
	if (accel)
		st->accel = strcmp(accel, "kvm") == 0 ? ACCEL_KVM : ACCEL_TCG;
	TRY(get_text(j, "accel_note", &st->accel_note, e));
	TRY(get_text(j, "network", &st->network, e));
	TRY(get_text(j, "network_note", &st->network_note, e));
	TRY(get_jail(j, st, e));
	TRY(pins_from_json(j, &st->pins, e));
	return get_numbers(j, st, e);
}

static int get_end(const json_t *j, struct state *st, struct volt_error *e)
{
	int64_t code = 0;
	int rung;

	TRY(get_text(j, "reason", &st->reason, e));
	TRY(get_text(j, "last_console", &st->last_console, e));
	TRY(json_get_int(j, "exit_code", 0, 255, &code, e));
	st->exit_code = (int)code;
	rung = get_choice(j, "stopped_by", rung_texts, ARRAY_SIZE(rung_texts), e);
	if (rung < 0)
		return rung;
	st->rung = (enum stop_rung)rung;
	TRY(json_get_bool(j, "oom", &st->oom, e));
	return get_time(j, "finished_at", &st->finished_at, e);
}

/* On disk an array, in the order of enum phase: a list of a thousand machines is read
 * often, and eight keys each are a third of that. */
static int get_phases(const json_t *j, struct state *st, struct volt_error *e)
{
	json_t *a = NULL, *item;
	size_t i;

	TRY(json_get_array(j, "phases", &a, e));
	if (json_array_size(a) > PHASE_MAX)
		return fail(e, EBADMSG, "state: there are too many phases");
	json_array_foreach(a, i, item) {
		if (!json_is_integer(item) || json_integer_value(item) < 0)
			return fail(e, EBADMSG, "state: a phase is not a time");
		st->phase[i] = json_integer_value(item);
	}
	return 0;
}

static json_t *phases_to_array(const struct state *st)
{
	json_t *a = json_array();
	int bad = 0;

	for (int i = 0; i < PHASE_MAX; i++)
		bad |= json_array_append_new(a, json_integer(st->phase[i]));
	if (bad) {
		json_decref(a);
		return NULL;
	}
	return a;
}

static int get_undo(const json_t *j, struct state *st, struct volt_error *e)
{
	json_t *undo = NULL;

	TRY(json_get_array(j, "undo", &undo, e));
	return undo_from_json(undo, &st->undo, e);
}

static int check_version(const json_t *j, struct volt_error *e)
{
	int64_t version = 0;

	TRY(json_get_int(j, "version", 0, INT64_MAX, &version, e));
	return version == STATE_VERSION
		       ? 0
		       : fail(e, EBADMSG, "state: version %" PRId64 " is not supported",
			      version);
}

int state_parse(const json_t *j, struct state *ret, struct volt_error *e)
{
	_cleanup_(state_done) struct state st = { 0 };
	int status;

	TRY(check_version(j, e));
	TRY(get_summary(j, &st, e));
	TRY(get_lists(j, &st, e));
	status = get_choice(j, "status", status_texts, ARRAY_SIZE(status_texts), e);
	if (status < 0)
		return status;
	st.status = (enum status)status;
	TRY(get_run(j, &st, e));
	TRY(get_end(j, &st, e));
	TRY(get_undo(j, &st, e));
	TRY(get_phases(j, &st, e));
	*ret = st;
	st = (struct state){ 0 };
	return 0;
}

int state_read(int dirfd, struct state *ret, struct volt_error *e)
{
	json_auto_t *j = NULL;

	TRY(json_read_at(dirfd, "state.json", &j, e));
	return state_parse(j, ret, e);
}

int state_write(int dirfd, const struct state *st, struct volt_error *e)
{
	json_auto_t *j = state_to_json(st);
	_cleanup_free_ char *text = NULL;
	int r;

	if (j && json_object_get(j, "phases") &&
	    json_object_set_new(j, "phases", phases_to_array(st)) < 0)
		return fail_oom(e);
	text = j ? json_text(j) : NULL;
	if (!text)
		return fail_oom(e);
	r = write_file_atomic(dirfd, "state.json", text, strlen(text), 0600);
	return r < 0 ? fail_code(e, r, "write 'state.json'") : 0;
}
