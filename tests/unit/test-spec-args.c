/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wish, said as arguments of `volt run` and parsed again, is the same wish. The program's
 * own tables and parser are used, each time in a process of its own, since they keep what
 * they parsed in variables.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/strv.h"
#include "cli/options.h"
#include "cli/wish.h"
#include "tap.h"
#include "vm/spec.h"

#define TEXT_MAX  (1u << 20)
#define diag(...) (printf("# " __VA_ARGS__), (void)putchar('\n'))

/* --- arguments → wish, as `volt run` does it --- */

static void parse_and_write(int fd, struct strv *args)
{
	_cleanup_(words_done) struct words w = { 0 };
	struct volt_error e = { 0 };
	json_t *spec = NULL;
	char *text;

	if (options_parse(wish_options, false, (int)args->n, (const char **)args->v, &w,
			  &e) < 0 ||
	    w.n < 1 || wish_spec(w.n, w.v, &spec, &e) < 0) {
		diag("not parsed: %s", e.msg);
		(void)fflush(stdout);
		_exit(1);
	}
	text = json_text(spec);
	_exit(!text || write_all(fd, text, strlen(text)) < 0);
}

/* @args begins with a title. */
static json_t *wish_of(struct strv *args)
{
	_cleanup_free_ char *text = calloc(1, TEXT_MAX);
	int fds[2], status = -1;
	json_t *j = NULL;
	ssize_t n = -1;
	pid_t pid;

	if (!text || pipe(fds) < 0)
		return NULL;
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		parse_and_write(fds[1], args);
	}
	(void)close(fds[1]);
	if (pid > 0)
		n = read_full(fds[0], text, TEXT_MAX - 1);
	(void)close(fds[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0 || n < 0)
		return NULL;
	return json_parse(text, (size_t)n, "wish", &j, NULL) < 0 ? NULL : j;
}

/* --- wish → arguments → wish --- */

static struct spec *spec_of(struct strv *args)
{
	json_auto_t *wish = wish_of(args);
	struct volt_error e = { 0 };
	struct spec *s = NULL;

	if (!wish || spec_parse(wish, SPEC_WISH, &s, &e) < 0) {
		diag("no wish: %s", e.msg);
		return NULL;
	}
	return s;
}

/* "" and absent are one for a tmpfs. */
static void smooth(json_t *spec)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(spec, "tmpfs"), i, item)
		if (json_is_null(json_object_get(item, "options")))
			(void)json_object_set_new(item, "options", json_string(""));
}

static bool same_wish(const struct spec *a, const struct spec *b)
{
	json_auto_t *ja = spec_to_json(a), *jb = spec_to_json(b);

	smooth(ja);
	smooth(jb);
	if (json_equal(ja, jb))
		return true;
	_cleanup_free_ char *ta = json_text(ja), *tb = json_text(jb);
	diag("%s", ta);
	diag("%s", tb);
	return false;
}

/* @words: as a person would type them after `volt run`. */
static bool survives(struct strv *words)
{
	_cleanup_(spec_freep) struct spec *first = spec_of(words), *second = NULL;
	_cleanup_strv_ struct strv args = { 0 };
	struct volt_error e = { 0 };

	if (!first || strv_add(&args, "volt run") < 0)
		return false;
	if (spec_args(first, &args, &e) < 0) {
		diag("no arguments: %s", e.msg);
		return false;
	}
	second = spec_of(&args);
	return second && same_wish(first, second);
}

static bool words_survive(const char *const *words)
{
	_cleanup_strv_ struct strv v = { 0 };

	if (strv_add(&v, "volt run") < 0)
		return false;
	for (; *words; words++)
		if (strv_add(&v, *words) < 0)
			return false;
	return survives(&v);
}
#define SURVIVES(...) CHECK(words_survive((const char *const[]){ __VA_ARGS__, NULL }))

/* --- the table: every option of `volt run` that is a part of the wish --- */

#define HOSTILE "a b\t\"'$X${Y}%n\\ ;\n#!#:+ \xc3\xa9\xe2\x80\xa8-- "

static const struct sample {
	const char *option;
	const char *values[6]; /* NULL first: a flag */
	bool elsewhere;        /* it says how to make the machine, not what it is */
	bool of_other;         /* it goes with another --guest: see below */
} samples[] = {
	{ "accel", { "auto", "kvm", "tcg" } },
	{ "arch", { "arm64", "x86_64" } },
	{ "authfile", { NULL }, true },
	{ "boot", { "direct", "bios", "uefi" }, false, true },
	{ "cidfile", { NULL }, true },
	{ "config", { NULL }, true }, /* other options in a file */
	{ "cpus", { "1", "3", "4.0" } },
	{ "creds", { NULL }, true },
	{ "disk-format", { "raw", "qcow2" }, false, true },
	{ "entrypoint",
	  { "", "/bin/x y", "[]", "[\"a\",\"b c\",\"\"]", "[not json", HOSTILE } },
	{ "env", { "A=", "A=b=c", "A=" HOSTILE, "-x=--", "A*=1", "A=!#:+" } },
	{ "env-file", { "/dev/null" } },
	{ "full", { NULL }, false, true },
	{ "guest", { "linux", "nanos" } },
	{ "hardware", { "virtio", "generic" }, false, true },
	{ "hostname", { "web.example" } },
	{ "interactive", { NULL } },
	{ "kernel", { "small" } },
	{ "klib", { "tls" }, false, true },
	{ "label", { "k", "k=", "k=v=w", "k=" HOSTILE, HOSTILE "=v", "-k=--" } },
	{ "label-file", { "/dev/null" } },
	{ "lock", { NULL }, true },
	{ "locked", { NULL }, true }, /* a lock is refused: see below */
	{ "log-opt", { "max-size=1m", "max-file=7" } },
	{ "memory", { "512m", "1.5g", "67108865" } },
	{ "name", { "a.b_c-1" } },
	{ "nanos", { "trace" }, false, true },
	{ "network", { "user", "none" } },
	{ "no-tpm", { NULL }, false, true },
	{ "platform", { "linux/arm64", "riscv64" } },
	{ "publish",
	  { "80", "8080:80/udp", "0.0.0.0:1000-1003:2000-2003", "[::1]:53:53/udp",
	    "127.0.0.2::80", "[::]::7" } },
	{ "pull", { NULL }, true },
	{ "quiet", { NULL }, true },
	{ "read-only", { NULL } },
	{ "replace", { NULL }, true },
	{ "restart", { "no", "always", "unless-stopped", "on-failure", "on-failure:7" } },
	{ "rm", { NULL } },
	{ "stop-signal", { "TERM", "SIGUSR1", "9", "rtmin+3" } },
	{ "stop-timeout", { "0", "10", "31536000" } },
	{ "tls-verify", { NULL }, true },
	{ "tmpfs", { "/run", "/tmp:size=1m,mode=1777", "/a b", "/x:" } },
	{ "tty", { NULL } },
	{ "user", { "0", "1000:1000", "web:web", "a b" } },
	{ "volume", { "/:/host", "/usr:/mnt/u:ro", "/etc/passwd:/p p:rw" } },
	{ "workdir", { "/", "/a b", "/" HOSTILE } },
};

static const struct sample *sample_of(const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		if (strcmp(samples[i].option, option) == 0)
			return &samples[i];
	return NULL;
}

/* The number of values that do not survive. */
static int try_option(const struct sample *s, const struct poptOption *opt)
{
	char option[64];
	int bad = 0;

	(void)snprintf(option, sizeof(option), "--%s", s->option);
	if (!option_takes_value(opt))
		return !words_survive((const char *const[]){ option, "image", NULL });
	for (size_t i = 0; i < ARRAY_SIZE(s->values) && s->values[i]; i++) {
		const char *const words[] = { option, s->values[i], "image", "word",
					      NULL };

		if (words_survive(words))
			continue;
		diag("%s %s", option, s->values[i]);
		bad++;
	}
	return s->values[0] ? bad : 1;
}

static int count_option(void *data, const struct poptOption *opt)
{
	const struct sample *s = sample_of(opt->longName);
	int *bad = data;

	if (!s)
		diag("option '--%s' is not in the table", opt->longName);
	if (!s || !(s->elsewhere || s->of_other))
		*bad += s ? try_option(s, opt) : 1;
	return 0;
}

static void every_option_of_run_survives(void)
{
	int bad = 0;

	(void)options_each(wish_options, count_option, &bad);
	CHECK_INT(bad, 0);
}

/* /dev/null is a path that is there; nobody opens it. */
static void disks_survive(void)
{
	SURVIVES("--guest", "disk", "/dev/null");
	SURVIVES("--guest", "disk", "--disk-format", "raw", "/dev/null");
	SURVIVES("--guest", "disk", "--disk-format", "qcow2", "--no-tpm", "--hardware",
		 "generic", "--read-only", "--rm", "-it", "-m", "2g", "-p", "22",
		 "/dev/null");
}

static void nanos_guests_survive(void)
{
	SURVIVES("--guest", "nanos", "image");
	SURVIVES("--guest", "nanos", "--boot", "bios", "--full", "--klib", "tls",
		 "--klib", "ntp", "-m", "64m", "--read-only", "--user", "0", "image",
		 "a b", "");
	SURVIVES("--guest", "nanos", "--boot=uefi", "--nanos", "trace", "--nanos",
		 "a=" HOSTILE, "--nanos", "b=", "--nanos", "firewall.rules=[{\"a\":1}]",
		 "--nanos", "o={\"x\":[true,\"\"]}", "image");
}

static void what_a_nanos_attribute_means_is_not_guessed(void)
{
	const char *const pairs[][2] = {
		{ "a.b", "x" }, { "a=b", "x" }, { "a", "[x" }, { "a", "{x" }
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		json_auto_t *wish = json_pack("{s:s, s:{s:s}, s:{s:{s:s}}}", "guest",
					      "nanos", "image", "ref", "x", "nanos",
					      "attributes", pairs[i][0], pairs[i][1]);
		_cleanup_(spec_freep) struct spec *s = NULL;
		_cleanup_strv_ struct strv args = { 0 };
		struct volt_error e = { 0 };

		CHECK_INT(spec_parse(wish, SPEC_WISH, &s, &e), 0);
		CHECK_INT(spec_args(s, &args, &e), -ENOTSUP);
		CHECK(strstr(e.msg, "that --nanos would take for something else"));
	}
}

static void commands_survive(void)
{
	SURVIVES("image");
	SURVIVES(
		"docker.io/library/x@sha256:0000000000000000000000000000000000000000000000"
		"000000000000000000");
	SURVIVES("image", "");
	SURVIVES("image", "--rm", "-e", "--", "--name=x");
	SURVIVES("image", "--", "x", "--");
	SURVIVES("image", HOSTILE, "!#:+", "", "\x01\x1b[31m\x7f");
	SURVIVES("--entrypoint", "", "image", "x");
}

static void all_at_once_survives(void)
{
	SURVIVES("--env", "A=1", "--env", "B=" HOSTILE, "--env", "A=2", "--label", "z=1",
		 "--label", "a=2", "--publish", "80", "--publish", "81-83:91-93/udp",
		 "--volume", "/usr:/u:ro", "--volume", "/etc:/e", "--tmpfs", "/t:size=1m",
		 "--tmpfs", "/s", "--memory", "1g", "--cpus", "2", "--stop-signal",
		 "SIGINT", "--restart", "on-failure:3", "--log-opt", "max-size=2m",
		 "--log-opt", "max-file=2", "-it", "--name", "n", "--read-only", "-u",
		 "1:2", "-w", "/w", "--hostname", "h", "image", "a", "b");
}

/* Options drawn at random, with random bytes of text where any text may stand. */
static void random_text(unsigned int *seed, char *text, size_t size)
{
	static const char *const pieces[] = { " ",
					      "\"",
					      "'",
					      "\\",
					      "$",
					      "${A}",
					      "%",
					      "%n",
					      "\n",
					      "\t",
					      ";",
					      "#",
					      "--",
					      "=",
					      "!#:+",
					      "a",
					      "\xc3\xa9",
					      "\x01",
					      "\xef\xbf\xbe",
					      ":",
					      ",",
					      "*",
					      "~#:+" };
	size_t n = (size_t)rand_r(seed) % 12;

	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		const char *piece = pieces[(size_t)rand_r(seed) % ARRAY_SIZE(pieces)];

		if (strlen(text) + strlen(piece) + 1 < size)
			(void)strcat(text, piece);
	}
}

static void random_texts_survive(void)
{
	unsigned int seed = 20;

	for (int i = 0; i < 200; i++) {
		char env[128] = "K=", label[128] = "k=", dir[128] = "/", word[128],
		     other[128];

		random_text(&seed, env + 2, 100);
		random_text(&seed, label + 2, 100);
		random_text(&seed, dir + 1, 100);
		random_text(&seed, word, sizeof(word));
		random_text(&seed, other, sizeof(other));
		SURVIVES("-e", env, "-l", label, "-w", dir, "--entrypoint", word, "image",
			 other, word);
	}
}

static void what_cannot_be_said_is_refused(void)
{
	static const struct {
		const char *json, *why;
	} wishes[] = {
		{ "{'image':{'ref':'i'},'volumes':[{'source':'/a:b','target':'/c'}]}",
		  "colon in volume '/a:b'" },
		{ "{'image':{'ref':'i'},'volumes':[{'source':'/a','target':'/c:d'}]}",
		  "'/c:d'" },
		{ "{'image':{'ref':'i'},'tmpfs':[{'target':'/c:d'}]}",
		  "colon in tmpfs '/c:d'" },
		{ "{'image':{'ref':'i'},'cmd':[]}", "command is wished to be empty" },
		{ "{'image':{'ref':'i'},'user':''}", "user is wished to be empty" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		_cleanup_(spec_freep) struct spec *s = NULL;
		_cleanup_strv_ struct strv args = { 0 };
		_cleanup_free_ char *text = strdup(wishes[i].json);
		struct volt_error e = { 0 };
		json_auto_t *j = NULL;

		for (char *p = text; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		CHECK_INT(json_parse(text, strlen(text), "wish", &j, &e), 0);
		CHECK_INT(spec_parse(j, SPEC_WISH, &s, &e), 0);
		CHECK_INT(spec_args(s, &args, &e), -ENOTSUP);
		CHECK(strstr(e.msg, wishes[i].why));
	}
}

static void a_lock_cannot_be_said(void)
{
	_cleanup_(spec_freep) struct spec *s = NULL;
	_cleanup_strv_ struct strv args = { 0 };
	struct volt_error e = { 0 };
	json_auto_t *wish = json_pack("{s:{s:s}}", "image", "ref", "i");

	CHECK_INT(spec_parse(wish, SPEC_WISH, &s, &e), 0);
	CHECK_INT(spec_args(s, &args, &e), 0);
	s->lock = json_object();
	CHECK_INT(spec_args(s, &args, &e), -ENOTSUP);
	CHECK(strstr(e.msg, "it has a lock"));
}

int main(void)
{
	RUN(every_option_of_run_survives);
	RUN(disks_survive);
	RUN(nanos_guests_survive);
	RUN(what_a_nanos_attribute_means_is_not_guessed);
	RUN(commands_survive);
	RUN(all_at_once_survives);
	RUN(random_texts_survive);
	RUN(what_cannot_be_said_is_refused);
	RUN(a_lock_cannot_be_said);
	return tap_done();
}
