/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/undo.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/path.h"
#include "vm/internal.h"

#define KILL_WAIT_MS 5000

static const char *const kind_texts[] = {
	[UNDO_RUNTIME] = "runtime",
	[UNDO_PROCESS] = "process",
};

int undo_add(struct undo *u, const struct undo_item *item)
{
	if (u->n == UNDO_MAX)
		return -ENOSPC;
	u->v[u->n++] = *item;
	return 0;
}

/* The start time stands after the program's name, which may hold anything but is ended by
 * the last ')'. */
static int process_start(pid_t pid, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	const char *p;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	r = read_file_at(-1, path, 4096, &text, NULL);
	if (r < 0)
		return r;
	p = strrchr(text, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -EBADMSG;
	*ret = strtoull(p + 1, NULL, 10);
	return 0;
}

int undo_add_process(struct undo *u, pid_t pid)
{
	struct undo_item item = { .kind = UNDO_PROCESS, .pid = pid };
	int r = process_start(pid, &item.start);

	return r < 0 ? r : undo_add(u, &item);
}

/* The pidfd is opened before the start time is compared, so what is killed is what was
 * compared. */
static int end_process(const struct undo_item *item)
{
	_cleanup_close_ int fd = pidfd_open(item->pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t start;

	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	if (process_start(item->pid, &start) < 0 || start != item->start)
		return 0;
	if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0)
		return errno == ESRCH ? 0 : -errno;
	return poll(&p, 1, KILL_WAIT_MS) == 1 ? 0 : -ETIMEDOUT;
}

static int undo_one(const struct undo_item *item, const struct undo_where *w)
{
	switch (item->kind) {
	case UNDO_RUNTIME:
		return remove_tree_at(w->runfd, w->id);
	case UNDO_PROCESS:
		/* Start times count from the boot: in another they can be a stranger's. */
		return w->rebooted ? 0 : end_process(item);
	}
	return -EINVAL;
}

int undo_run(struct undo *u, const struct undo_where *w, struct volt_error *e)
{
	size_t kept = 0;
	int first = 0;

	for (size_t i = u->n; i-- > 0;) {
		int r = undo_one(&u->v[i], w);

		if (r == 0) {
			memmove(&u->v[i], &u->v[i + 1], kept * sizeof(*u->v));
			continue;
		}
		kept++;
		if (first == 0)
			first = fail_code(e, r, "undo the %s of machine '%.12s'",
					  kind_texts[u->v[i].kind], w->id);
	}
	u->n = kept;
	return first;
}

json_t *undo_to_json(const struct undo *u)
{
	json_t *a = json_array();

	for (size_t i = 0; i < u->n; i++) {
		const struct undo_item *item = &u->v[i];
		json_t *o = json_pack("{s:s}", "kind", kind_texts[item->kind]);
		int bad = o == NULL;

		if (item->kind == UNDO_PROCESS)
			bad |= json_object_set_new(o, "pid", json_integer(item->pid)) |
			       json_object_set_new(o, "start",
						   json_integer((json_int_t)item->start));
		if (json_array_append_new(a, o) | bad) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

static int item_from_json(const json_t *o, struct undo_item *item, struct volt_error *e)
{
	const char *kind = "";
	int64_t pid = 0, start = 0;
	size_t k = 0;

	TRY(json_get_string(o, "kind", &kind, e));
	TRY(json_get_int(o, "pid", 2, INT32_MAX, &pid, e));
	TRY(json_get_int(o, "start", 0, INT64_MAX, &start, e));
	while (k < ARRAY_SIZE(kind_texts) && strcmp(kind_texts[k], kind) != 0)
		k++;
	if (k == ARRAY_SIZE(kind_texts))
		return fail(e, EINVAL, "unknown kind '%s' of what is to be undone", kind);
	*item = (struct undo_item){ .kind = (enum undo_kind)k,
				    .pid = (pid_t)pid,
				    .start = (uint64_t)start };
	if (item->kind == UNDO_PROCESS && pid == 0)
		return fail(e, EINVAL, "a process to be ended has no 'pid'");
	return 0;
}

int undo_from_json(const json_t *a, struct undo *u, struct volt_error *e)
{
	json_t *o;
	size_t i;

	u->n = 0;
	if (json_array_size(a) > UNDO_MAX)
		return fail(e, EINVAL, "more than %d things to undo", UNDO_MAX);
	json_array_foreach((json_t *)a, i, o) {
		TRY(item_from_json(o, &u->v[i], e));
		u->n++;
	}
	return 0;
}
