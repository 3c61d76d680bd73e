/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/select.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/path.h"
#include "base/strv.h"
#include "cli/cmd.h"
#include "cli/print.h"

#define AT_ONCE 16 /* processes */

int select_list(struct volt_ctx *ctx, bool all, const char **filters, json_t **ret,
		struct volt_error *e)
{
	json_auto_t *options = json_pack("{s:b, s:[]}", "all", all, "filters");
	json_t *list = json_object_get(options, "filters");
	_cleanup_free_ char *text = NULL;
	char *answer;
	int r;

	for (; filters && *filters; filters++)
		if (json_array_append_new(list, json_string(*filters)) < 0)
			return fail(e, EINVAL, "filter '%s' is not UTF-8", *filters);
	text = json_text(options);
	if (!text)
		return fail_oom(e);
	r = volt_machine_list(ctx, text, &answer, e);
	return r < 0 ? r : parse_answer(answer, ret, e);
}

int inspect_machine(struct volt_machine *m, json_t **ret, struct volt_error *e)
{
	char *text;
	int r = volt_machine_inspect(m, &text, e);

	return r < 0 ? r : parse_answer(text, ret, e);
}

int inspect_image(struct volt_ctx *ctx, const char *image, json_t **ret,
		  struct volt_error *e)
{
	char *text;
	int r = volt_image_inspect(ctx, image, &text, e);

	return r < 0 ? r : parse_answer(text, ret, e);
}

/* Those the user gave, and what --all means unless he says himself which status. */
static int add_filters(const struct selection *s, struct strv *filters)
{
	bool narrow = s->all && s->all_status;

	for (const char **f = s->filter; f && *f; f++) {
		if (strv_add(filters, *f) < 0)
			return -ENOMEM;
		narrow &= strncmp(*f, "status=", 7) != 0;
	}
	return narrow ? strv_add(filters, s->all_status) : 0;
}

static int add_listed(struct volt_ctx *ctx, const struct selection *s, struct strv *ids,
		      struct volt_error *e)
{
	_cleanup_strv_ struct strv filters = { 0 };
	json_auto_t *list = NULL;
	json_t *m;
	size_t i;
	int r;

	if (add_filters(s, &filters) < 0)
		return fail_oom(e);
	r = select_list(ctx, !s->running_only, (const char **)filters.v, &list, e);
	if (r < 0)
		return r;
	json_array_foreach(list, i, m)
		if (strv_add(ids, member(m, "id")) < 0)
			return fail_oom(e);
	return 0;
}

static int add_latest(struct volt_ctx *ctx, struct strv *ids, struct volt_error *e)
{
	json_auto_t *list = NULL;
	int r;

	r = select_list(ctx, true, NULL, &list, e);
	if (r < 0)
		return r;
	if (json_array_size(list) == 0)
		return fail(e, ENOENT, "there is no machine");
	return strv_add(ids, member(json_array_get(list, 0), "id")) < 0 ? fail_oom(e) : 0;
}

static int add_cidfile(const char *path, bool ignore, struct strv *ids,
		       struct volt_error *e)
{
	char *text;
	int r;

	r = read_file_at(AT_FDCWD, path, 4096, &text, NULL);
	if (r == -ENOENT && ignore)
		return 0;
	if (r < 0)
		return fail_code(e, r, "read id file '%s'", path);
	text[strcspn(text, "\n")] = '\0';
	return strv_take(ids, text) < 0 ? fail_oom(e) : 0;
}

static int collect(struct volt_ctx *ctx, const struct selection *s, const char **named,
		   struct strv *names, struct volt_error *e)
{
	bool listed = s->all || s->filter;
	int r = 0;

	if (named && *named && (listed || s->latest))
		return fail(e, EINVAL,
			    "name machines, or use an option that selects them");
	for (; named && *named; named++)
		if (strv_add(names, *named) < 0)
			return fail_oom(e);
	for (const char **f = s->cidfile; r == 0 && f && *f; f++)
		r = add_cidfile(*f, s->ignore, names, e);
	if (r == 0 && s->latest)
		r = add_latest(ctx, names, e);
	if (r == 0 && listed)
		r = add_listed(ctx, s, names, e);
	if (r == 0 && names->n == 0 && !listed && !s->cidfile)
		return fail(e, EINVAL, "which machine? name one; see 'volt %s --help'",
			    s->command);
	return r;
}

struct each {
	struct volt_ctx *ctx;
	const struct selection *s;
	int (*fn)(struct volt_machine *m, const char *name, void *data,
		  struct volt_error *e);
	void *data;
};

/* The exit status. */
static int do_one(const struct each *each, const char *name, struct volt_error *e)
{
	const struct selection *s = each->s;
	struct volt_machine *m = NULL;
	bool gone;
	int r;

	r = volt_machine_open(each->ctx, name, &m, e);
	gone = r == -ENOENT;
	if (r == 0) {
		r = each->fn(m, name, each->data, e);
		gone = r == -EIDRM;
	}
	volt_machine_free(m);
	/* One that has gone since it was listed is none that was asked for. What can be no
	 * machine's name was not meant. */
	if (gone && (s->ignore || s->all || s->filter) && name_is_valid(name))
		return 0;
	if (gone && s->other)
		r = s->other(each->ctx, name, each->data, e);
	if (r >= 0) {
		if (s->print_names)
			(void)puts(name);
		return 0;
	}
	(void)fprintf(stderr, "volt %s: %s\n", s->command, e->msg);
	return s->status ? s->status(r) : EXIT_VOLT;
}

static int reap(int *left, int status)
{
	int how;

	if (waitpid(-1, &how, 0) < 0) {
		if (errno == EINTR)
			return status;
		*left = 0; /* there is none to wait for */
		return EXIT_VOLT;
	}
	(*left)--;
	if (!WIFEXITED(how))
		return EXIT_VOLT;
	return WEXITSTATUS(how) ? WEXITSTATUS(how) : status;
}

/* A process for each: a context waits for one machine at a time. */
static int do_at_once(const struct each *each, const struct strv *names,
		      struct volt_error *e)
{
	int left = 0, status = 0;

	(void)fflush(stdout);
	strv_foreach(name, names->v) {
		pid_t pid;

		while (left >= AT_ONCE)
			status = reap(&left, status);
		pid = fork();
		if (pid == 0) {
			status = do_one(each, *name, e);
			_exit(fflush(stdout) == 0 ? status : EXIT_VOLT);
		}
		if (pid > 0)
			left++;
		else
			status = do_one(each, *name, e);
	}
	while (left > 0)
		status = reap(&left, status);
	return status;
}

int select_each(struct volt_ctx *ctx, const struct selection *s, const char **named,
		int (*fn)(struct volt_machine *m, const char *name, void *data,
			  struct volt_error *e),
		void *data, struct volt_error *e)
{
	const struct each each = { ctx, s, fn, data };
	_cleanup_strv_ struct strv names = { 0 };
	int r, status = 0;

	if (s->time < -1)
		return fail(e, EINVAL, "option '--time': %d is less than 0", s->time);
	r = collect(ctx, s, named, &names, e);
	if (r < 0)
		return r;
	if (s->at_once && names.n > 1)
		return do_at_once(&each, &names, e);
	strv_foreach(name, names.v) {
		r = do_one(&each, *name, e);
		if (r > 0)
			status = r;
	}
	return status;
}

int select_one(struct volt_ctx *ctx, const struct selection *s, const char **named,
	       struct volt_machine **ret, struct volt_error *e)
{
	_cleanup_strv_ struct strv names = { 0 };
	int r;

	r = collect(ctx, s, named, &names, e);
	if (r < 0)
		return r;
	if (names.n != 1)
		return fail(e, EINVAL, "one machine at a time");
	return volt_machine_open(ctx, names.v[0], ret, e);
}
