/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <signal.h>

#include "image/image.h"
#include "lib/internal.h"
#include "lib/summary.h"
#include "tap.h"

/* What runs, for the wish @wish and an image with @config. */
static int merge(const char *wish, const char *config, struct spec **ret,
		 struct volt_error *e)
{
	json_auto_t *j = json_loads(wish, 0, NULL);
	struct image img = { .config_json = json_loads(config, 0, NULL) };
	_cleanup_(spec_freep) struct spec *s = NULL;
	int r;

	if (!j || !img.config_json)
		return -EDOM;
	r = spec_parse(j, SPEC_WISH, &s, e);
	if (r == 0)
		r = process_make(s, &img, e);
	json_decref(img.config_json);
	if (r == 0)
		*ret = TAKE_PTR(s);
	return r;
}

#define IMAGE                                                                        \
	"{\"config\":{\"Entrypoint\":[\"/entry\"],\"Cmd\":[\"a\",\"b\"],"            \
	"\"Env\":[\"PATH=/bin\",\"X=1\"],\"WorkingDir\":\"/work\",\"User\":\"app\"," \
	"\"StopSignal\":\"SIGQUIT\",\"Labels\":{\"z\":\"1\",\"a\":\"2\"}}}"
#define WISH(rest) "{\"image\":{\"ref\":\"i\"}" rest "}"

static void check_args(const struct spec *s, const char *wanted)
{
	char all[256] = "";

	strv_foreach(a, s->process.args.v)
		(void)strcat(strcat(all, *a), " ");
	CHECK_STR(all, wanted);
}

static void args_are_merged_as_podman_does(void)
{
	static const struct {
		const char *wish, *config, *args;
	} cases[] = {
		{ WISH(""), IMAGE, "/entry a b " },
		{ WISH(",\"cmd\":[\"c\"]"), IMAGE, "/entry c " },
		{ WISH(",\"entrypoint\":[\"/e\"]"), IMAGE, "/e " },
		{ WISH(",\"entrypoint\":[\"/e\"],\"cmd\":[\"c\"]"), IMAGE, "/e c " },
		{ WISH(",\"entrypoint\":[],\"cmd\":[\"c\"]"), IMAGE, "c " },
		{ WISH(""), "{\"config\":{\"Cmd\":[\"x\"]}}", "x " },
		{ WISH(""), "{\"config\":{\"Entrypoint\":null,\"Cmd\":[\"x\"]}}", "x " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases) && !tap_bad; i++) {
		_cleanup_(spec_freep) struct spec *s = NULL;
		struct volt_error e = { 0 };

		CHECK_INT(merge(cases[i].wish, cases[i].config, &s, &e), 0);
		check_args(s, cases[i].args);
	}
}

static void nothing_to_run_is_said(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;
	struct volt_error e = { 0 };

	CHECK_INT(merge(WISH(""), "{}", &s, &e), -EINVAL);
	CHECK_STR(e.msg, "image 'i' does not say what to run: name a command after it");
}

static void b4_the_image_s_config_is_followed(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;

	CHECK_INT(merge(WISH(""), IMAGE, &s, NULL), 0);
	CHECK_STR(s->process.cwd, "/work");
	CHECK_STR(s->process.user, "app");
	CHECK_INT(s->process.stop_signal, SIGQUIT);
	CHECK_INT(s->labels.n, 2);
	CHECK_STR(s->labels.v[0], "a=2");
	CHECK_STR(s->labels.v[1], "z=1");
}

static void the_wish_goes_before_the_image(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;

	CHECK_INT(merge(WISH(",\"workdir\":\"/w\",\"user\":\"0\",\"stop_signal\":\"HUP\","
			     "\"env\":[\"X=2\",\"Y=3\"],\"labels\":{\"a\":\"mine\"}"),
			IMAGE, &s, NULL),
		  0);
	CHECK_STR(s->process.cwd, "/w");
	CHECK_STR(s->process.user, "0");
	CHECK_INT(s->process.stop_signal, SIGHUP);
	CHECK_INT(s->process.env.n, 3);
	CHECK_STR(s->process.env.v[0], "PATH=/bin");
	CHECK_STR(s->process.env.v[1], "X=2");
	CHECK_STR(s->process.env.v[2], "Y=3");
	CHECK_STR(s->labels.v[0], "a=mine");
}

static void there_is_always_a_path_a_directory_and_a_signal(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;

	CHECK_INT(merge(WISH(",\"cmd\":[\"x\"],\"tty\":true"), "{}", &s, NULL), 0);
	CHECK_STR(s->process.cwd, "/");
	CHECK_STR(s->process.user, "");
	CHECK_INT(s->process.stop_signal, SIGTERM);
	CHECK(strncmp(s->process.env.v[0], "PATH=/usr/local/sbin:", 21) == 0);
	CHECK_STR(s->process.env.v[1], "TERM=xterm");
}

static void a_config_of_other_types_is_refused(void)
{
	static const char *const bad[] = {
		"{\"config\":{\"Entrypoint\":\"/bin/sh\"}}",
		"{\"config\":{\"Cmd\":[1]}}",
		"{\"config\":{\"Cmd\":[\"x\"],\"Env\":{}}}",
		"{\"config\":{\"Cmd\":[\"x\"],\"StopSignal\":\"SIGNOPE\"}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(spec_freep) struct spec *s = NULL;
		struct volt_error e = { 0 };

		CHECK_INT(merge(WISH(""), bad[i], &s, &e), -EBADMSG);
		CHECK(e.msg[0] != '\0');
	}
}

static void a_list_shows_what_the_state_has(void)
{
	struct port ports[] = { { "127.0.0.1", 8080, 80, false },
				{ "::1", 53, 53, true } };
	char *labels[] = { (char[]){ "a=b\"c\\" }, (char[]){ "k=" }, NULL };
	struct state st = {
		.id = "00ff",
		.name = (char[]){ "web" },
		.image = (char[]){ "localhost/x:1" },
		.command = (char[]){ "sh -c \"\t\x01\xc3\xa4\"" },
		.created_at = 1700000000123456789,
		.labels = { labels, 2 },
		.ports = { ports, 2 },
		.rm = true,
		.status = STATUS_FAILED,
		.reason = (char[]){ "it \\ broke" },
		.exit_code = 125,
		.oom = true,
		.rung = RUNG_KILL,
		.started_at = 1700000001000000000,
		.finished_at = 1700000002000000000,
		.restarts = 3,
		.accel = ACCEL_TCG,
	};
	json_auto_t *whole = state_to_json(&st), *shown = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	CHECK(f && whole);
	summary_write(f, &st);
	CHECK_INT(fclose(f), 0);
	shown = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	CHECK(shown != NULL);
	CHECK_INT(json_object_del(whole, "version"), 0);
	CHECK(json_equal(whole, shown));
}

int main(void)
{
	RUN(a_list_shows_what_the_state_has);
	RUN(args_are_merged_as_podman_does);
	RUN(nothing_to_run_is_said);
	RUN(b4_the_image_s_config_is_followed);
	RUN(the_wish_goes_before_the_image);
	RUN(there_is_always_a_path_a_directory_and_a_signal);
	RUN(a_config_of_other_types_is_refused);
	return tap_done();
}
