/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "base/macro.h"
#include "cli/find.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/terminal.h"
#include "cli/wish-parse.h"
#include "tap.h"

/* --- the command line --- */

static int flag, number;
static const char *text;
static const char **list;
static const struct poptOption options[] = {
	{ "flag", 'f', POPT_ARG_NONE, &flag, 0, "", NULL },
	{ "list", 'l', POPT_ARG_ARGV, &list, 0, "", "X" },
	{ "number", 'n', POPT_ARG_INT, &number, 0, "", "N" },
	{ "text", 't', POPT_ARG_STRING, &text, 0, "", "X" },
	POPT_TABLEEND
};

static int parse_as(bool mixed, const char **argv, struct words *w, struct volt_error *e)
{
	int n = 0;

	flag = number = 0;
	free((void *)text); /* the parser's copy */
	text = NULL;
	while (argv[n])
		n++;
	return options_parse(options, mixed, n, argv, w, e);
}

static int parse(const char **argv, struct words *w, struct volt_error *e)
{
	return parse_as(false, argv, w, e);
}

#define ARGV(...) ((const char *[]){ "volt test", __VA_ARGS__, NULL })

static void options_end_at_the_first_word(void)
{
	_cleanup_(words_done) struct words w = { 0 };

	CHECK_INT(parse(ARGV("-f", "image", "-t", "x"), &w, NULL), 0);
	CHECK_INT(flag, 1);
	CHECK_INT(w.n, 3);
	CHECK_STR(w.v[1], "-t");
	CHECK(!text);
}

static void options_may_stand_among_words(void)
{
	_cleanup_(words_done) struct words w = { 0 }, ended = { 0 };
	struct volt_error e = { 0 };

	CHECK_INT(parse_as(true, ARGV("a", "-t", "x!#:+", "b!#:+", "-f", "c"), &w, &e),
		  0);
	CHECK_STR(text, "x!#:+");
	CHECK_INT(flag, 1);
	CHECK_INT(w.n, 3);
	CHECK_STR(w.v[0], "a");
	CHECK_STR(w.v[1], "b!#:+");
	CHECK_STR(w.v[2], "c");
	CHECK_INT(parse_as(true, ARGV("a", "--", "-f", "b"), &ended, &e), 0);
	CHECK_INT(flag, 0);
	CHECK_INT(ended.n, 3);
	CHECK_STR(ended.v[1], "-f");
	CHECK_INT(parse_as(true, ARGV("a", "--nope"), &ended, &e), -EINVAL);
	CHECK(strstr(e.msg, "unknown option '--nope'"));
}

static void a_double_dash_ends_options_and_is_no_word(void)
{
	_cleanup_(words_done) struct words w = { 0 };

	CHECK_INT(parse(ARGV("--", "-f"), &w, NULL), 0);
	CHECK_INT(flag, 0);
	CHECK_INT(w.n, 1);
	CHECK_STR(w.v[0], "-f");
}

static void short_options_combine_with_values(void)
{
	_cleanup_(words_done) struct words w = { 0 };

	CHECK_INT(parse(ARGV("-fn7", "-tx=y", "word"), &w, NULL), 0);
	CHECK_INT(flag, 1);
	CHECK_INT(number, 7);
	CHECK_STR(text, "x=y");
	CHECK_INT(w.n, 1);
}

static void flags_take_a_value_after_an_equals_sign(void)
{
	_cleanup_(words_done) struct words w = { 0 }, again = { 0 };

	CHECK_INT(parse(ARGV("--flag=true", "w"), &w, NULL), 0);
	CHECK_INT(flag, 1);
	CHECK_INT(w.n, 1);
	CHECK_INT(parse(ARGV("-f", "--flag=false", "--text", "after"), &again, NULL), 0);
	CHECK_INT(flag, 0);
	CHECK_STR(text, "after");
}

static void a_flag_s_other_values_are_refused_by_name(void)
{
	_cleanup_(words_done) struct words w = { 0 };
	struct volt_error e = { 0 };

	CHECK_INT(parse(ARGV("--flag=perhaps"), &w, &e), -EINVAL);
	CHECK(strstr(e.msg, "--flag=perhaps"));
}

static void unknown_options_are_named_with_where_to_look(void)
{
	_cleanup_(words_done) struct words w = { 0 };
	struct volt_error e = { 0 };

	CHECK_INT(parse(ARGV("--nope"), &w, &e), -EINVAL);
	CHECK_STR(e.msg, "unknown option '--nope'; see 'volt test --help'");
	CHECK_INT(parse(ARGV("-x"), &w, &e), -EINVAL);
	CHECK(strstr(e.msg, "unknown option '-x'"));
	CHECK_INT(parse(ARGV("--text"), &w, &e), -EINVAL);
	CHECK_STR(e.msg, "option '--text' needs a value; see 'volt test --help'");
	CHECK_INT(parse(ARGV("--number=x"), &w, &e), -EINVAL);
	CHECK(strstr(e.msg, "--number=x"));
}

static void the_parser_s_own_magic_means_nothing(void)
{
	_cleanup_(words_done) struct words w = { 0 }, joined = { 0 }, after = { 0 };

	CHECK_INT(parse(ARGV("-t", "a!#:+b!#:+", "-l", "~#:+!#:+", "-l", "x", "y!#:+~"),
			&w, NULL),
		  0);
	CHECK_STR(text, "a!#:+b!#:+");
	CHECK_STR(list[0], "~#:+!#:+");
	CHECK_STR(list[1], "x");
	CHECK_INT(w.n, 1);
	CHECK_STR(w.v[0], "y!#:+~");
	CHECK_INT(parse(ARGV("--text=!#:+!#:+", "word"), &joined, NULL), 0);
	CHECK_STR(text, "!#:+!#:+");
	CHECK_INT(joined.n, 1);
	CHECK_INT(parse(ARGV("word", "a!#:+b", "#:+"), &after, NULL), 0);
	CHECK_STR(after.v[1], "a!#:+b");
	CHECK_STR(after.v[2], "#:+");
}

static void every_table_is_complete(void)
{
	for (const struct cmd *const *c = cmds; *c; c++) {
		const struct cmd *found = NULL;
		char name[64], *space;
		const char *argv[2] = { name, NULL };
		int words = 0;

		CHECK(strlen((*c)->name) < sizeof(name));
		CHECK((*c)->args && (*c)->help && (*c)->options && (*c)->run);
		CHECK((*c)->max_args < 0 || (*c)->max_args >= (*c)->min_args);
		(void)snprintf(name, sizeof(name), "%s", (*c)->name);
		space = strchr(name, ' ');
		if (space) {
			*space = '\0';
			argv[1] = space + 1;
		}
		CHECK_INT(cmd_find(space ? 2 : 1, argv, &found, &words, NULL), 0);
		CHECK(found == *c);
		CHECK_INT(words, space ? 2 : 1);
	}
}

static int option_is_complete(void *data, const struct poptOption *opt)
{
	const struct poptOption **bad = data;

	if (opt->longName && opt->descrip &&
	    (!option_takes_value(opt) || opt->argDescrip))
		return 0;
	*bad = opt;
	return 1;
}

static void every_option_says_what_it_is(void)
{
	const struct poptOption *bad = NULL;

	for (const struct cmd *const *c = cmds; *c; c++)
		CHECK_INT(options_each((*c)->options, option_is_complete, &bad), 0);
}

static void a_mistyped_command_is_guessed(void)
{
	const struct cmd *c = NULL;
	struct volt_error e = { 0 };
	int words;

	CHECK_INT(cmd_find(1, (const char *[]){ "rnu" }, &c, &words, &e), -ENOENT);
	CHECK(strstr(e.msg, "did you mean 'run'?"));
	CHECK_INT(cmd_find(1, (const char *[]){ "frobnicate" }, &c, &words, &e), -ENOENT);
	CHECK(!strstr(e.msg, "did you mean"));
	CHECK_INT(cmd_find(2, (const char *[]){ "image", "insepct" }, &c, &words, &e),
		  -ENOENT);
	CHECK(strstr(e.msg, "did you mean 'image inspect'?"));
}

/* --- what options mean --- */

static void variables_take_the_caller_s_value(void)
{
	json_auto_t *j = json_array();
	struct volt_error e = { 0 };

	CHECK_INT(setenv("VOLT_T_A", "1", 1), 0);
	CHECK_INT(setenv("VOLT_T_B", "2=3", 1), 0);
	CHECK_INT(env_parse(j, "X=", &e), 0);
	CHECK_INT(env_parse(j, "VOLT_T_A", &e), 0);
	CHECK_INT(env_parse(j, "VOLT_T_NOT_SET", &e), 0);
	CHECK_INT(json_array_size(j), 2);
	CHECK_STR(json_string_value(json_array_get(j, 0)), "X=");
	CHECK_STR(json_string_value(json_array_get(j, 1)), "VOLT_T_A=1");
	CHECK_INT(json_array_clear(j), 0);
	CHECK_INT(env_parse(j, "VOLT_T_*", &e), 0);
	CHECK_INT(json_array_size(j), 2);
	CHECK_INT(env_parse(j, "=x", &e), -EINVAL);
	CHECK_STR(e.msg, "variable '=x' has no name");
	CHECK_INT(env_parse(j, "", &e), -EINVAL);
}

static void volumes_are_refused_with_the_reason(void)
{
	static const struct {
		const char *word, *why;
	} bad[] = {
		{ "/tmp", "not HOST:GUEST" },  { ":/x", "not HOST:GUEST" },
		{ "/tmp:", "not HOST:GUEST" }, { "./no:/x", "No such file" },
		{ "/tmp:x", "absolute" },      { "/tmp:/x:Z", "option 'Z'" },
		{ "/tmp:/x:ro,rw", "one of" }, { "/no/such:/x", "No such file" },
	};
	json_auto_t *j = json_array();
	struct volt_error e = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK(volume_parse(j, bad[i].word, &e) < 0);
		CHECK(strstr(e.msg, bad[i].why));
		CHECK(strstr(e.msg, bad[i].word));
	}
	CHECK_INT(json_array_size(j), 0);
}

static void b23_the_third_part_of_a_volume_is_its_options(void)
{
	json_auto_t *j = json_array();
	const json_t *v;

	CHECK_INT(volume_parse(j, "/usr/../tmp:/x:ro", NULL), 0);
	v = json_array_get(j, 0);
	CHECK_STR(member(v, "source"), "/tmp");
	CHECK_STR(member(v, "target"), "/x");
	CHECK(json_is_true(json_object_get(v, "read_only")));
	CHECK_INT(volume_parse(j, "/tmp:/x", NULL), 0);
	CHECK(json_is_false(json_object_get(json_array_get(j, 1), "read_only")));
}

static void restart_policies_have_a_bound_only_on_failure(void)
{
	static const char *const bad[] = {
		"",         "on-failure:", "on-failure:0",  "on-failure:-1",
		"always:3", "No",          "on-failure:1x", "on-failure: 1"
	};
	struct volt_error e = { 0 };
	json_t *j = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(restart_parse(bad[i], &j, &e), -EINVAL);
	CHECK_INT(restart_parse("on-failure:3", &j, &e), 0);
	CHECK_INT(member_int(j, "max_retries"), 3);
	json_decref(j);
	CHECK_INT(restart_parse("always", &j, &e), 0);
	CHECK(!json_object_get(j, "max_retries"));
	json_decref(j);
}

static void an_entrypoint_is_a_program_or_an_array(void)
{
	json_t *j = NULL;

	CHECK_INT(entrypoint_parse("/bin/sh", &j, NULL), 0);
	CHECK_INT(json_array_size(j), 1);
	json_decref(j);
	CHECK_INT(entrypoint_parse("[\"/bin/sh\",\"-c\"]", &j, NULL), 0);
	CHECK_INT(json_array_size(j), 2);
	json_decref(j);
	CHECK_INT(entrypoint_parse("", &j, NULL), 0);
	CHECK_INT(json_array_size(j), 0);
	json_decref(j);
	CHECK_INT(entrypoint_parse("[1]", &j, NULL), 0); /* a strange name, but one */
	CHECK_STR(json_string_value(json_array_get(j, 0)), "[1]");
	json_decref(j);
}

static void numbers_are_whole_and_in_range(void)
{
	static const char *const bad[] = { "",    "0",  "257", "-1",
					   "1.5", "1x", " 1",  "99999999999999999999" };
	struct volt_error e = { 0 };
	int64_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_INT(cpus_parse(bad[i], &n, &e), -EINVAL);
	CHECK_INT(cpus_parse("2.0", &n, &e), 0);
	CHECK_INT(n, 2);
	CHECK_INT(memory_parse("512m", &n, &e), 0);
	CHECK_INT(n, 512 << 20);
	CHECK_INT(memory_parse("12q", &n, &e), -EINVAL);
	CHECK_STR(e.msg, "memory '12q' is not a size such as 512m or 2g");
}

static void lists_in_files_skip_comments(void)
{
	char path[] = "/tmp/volt-test-XXXXXX";
	_cleanup_close_ int fd = mkstemp(path);
	json_auto_t *j = json_array(), *labels = json_object();
	struct volt_error e = { 0 };
	static const char lines[] = "# no\n\nA=1\r\n  B=2\n";

	CHECK(fd >= 0);
	CHECK(write(fd, lines, sizeof(lines) - 1) == (ssize_t)sizeof(lines) - 1);
	CHECK_INT(env_file_parse(j, path, &e), 0);
	CHECK_INT(json_array_size(j), 2);
	CHECK_STR(json_string_value(json_array_get(j, 0)), "A=1");
	CHECK_STR(json_string_value(json_array_get(j, 1)), "B=2");
	CHECK_INT(label_file_parse(labels, path, &e), 0);
	CHECK_STR(member(labels, "B"), "2");
	CHECK_INT(unlink(path), 0);
	CHECK_INT(env_file_parse(j, path, &e), -ENOENT);
	CHECK(strstr(e.msg, path));
}

/* --- what is shown --- */

static void sizes_have_three_digits(void)
{
	char t[HUMAN_SIZE];

	CHECK_STR(human_size(0, t), "0 B");
	CHECK_STR(human_size(999, t), "999 B");
	CHECK_STR(human_size(1000, t), "1 kB");
	CHECK_STR(human_size(7049000, t), "7.05 MB");
	CHECK_STR(human_size(142000000, t), "142 MB");
	CHECK_STR(human_size(999999, t), "1 MB");
	CHECK_STR(human_size(UINT64_MAX, t), "18.4 EB");
}

static void durations_are_as_podman_says_them(void)
{
	const int64_t s = 1000000000;
	char t[HUMAN_SIZE];

	CHECK_STR(human_duration(-5, t), "Less than a second");
	CHECK_STR(human_duration(s, t), "1 second");
	CHECK_STR(human_duration(59 * s, t), "59 seconds");
	CHECK_STR(human_duration(60 * s, t), "About a minute");
	CHECK_STR(human_duration(120 * s, t), "2 minutes");
	CHECK_STR(human_duration(50 * 60 * s, t), "About an hour");
	CHECK_STR(human_duration(5 * 3600 * s, t), "5 hours");
	CHECK_STR(human_duration(47 * 3600 * s, t), "47 hours");
	CHECK_STR(human_duration(49 * 3600 * s, t), "2 days");
	CHECK_STR(human_duration(15 * 86400 * s, t), "2 weeks");
	CHECK_STR(human_duration(70 * 86400 * s, t), "2 months");
	CHECK_STR(human_duration(800 * 86400 * s, t), "2 years");
}

static void tables_are_aligned_and_clean(void)
{
	static const char *const titles[] = { "A", "LONG" };
	_cleanup_(table_freep) struct table *t = NULL;
	_cleanup_free_ char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	CHECK(f != NULL);
	CHECK_INT(table_new(titles, 2, &t), 0);
	CHECK_INT(table_add(t, "x\033[31m\xc2\x9b"), 0);
	CHECK_INT(table_add(t, NULL), 0);
	CHECK_INT(table_add(t, "\xc3\xa4"), 0);
	CHECK_INT(table_addf(t, "%d", 5), 0);
	table_print(t, true, f);
	CHECK_INT(fclose(f), 0);
	CHECK_STR(out, "A         LONG\nx?[31m??  \n\xc3\xa4         5\n");
}

/* --- keys --- */

static void feed(struct detach_keys *k, const char *in, char *out, bool *done)
{
	size_t size = 0;

	*done = detach_keys_filter(k, (const unsigned char *)in, strlen(in),
				   (unsigned char *)out, &size);
	out[size] = '\0';
}

static void detach_keys_are_held_back_until_they_are_not(void)
{
	struct detach_keys k = { 0 };
	char out[64];
	bool done;

	CHECK_INT(detach_keys_parse("ctrl-p,ctrl-q", &k, NULL), 0);
	feed(&k, "ab\x10", out, &done);
	CHECK(!done);
	CHECK_STR(out, "ab");
	feed(&k, "c", out, &done);
	CHECK_STR(out, "\x10"
		       "c");
	feed(&k, "x\x10\x11ignored", out, &done);
	CHECK(done);
	CHECK_STR(out, "x");
}

static void detach_keys_that_repeat_are_found(void)
{
	struct detach_keys k = { 0 };
	char out[64];
	bool done;

	CHECK_INT(detach_keys_parse("a,a,b", &k, NULL), 0);
	feed(&k, "aaab", out, &done);
	CHECK(done);
	CHECK_STR(out, "a");
}

static void no_detach_keys_let_everything_through(void)
{
	struct detach_keys k = { 0 };
	struct volt_error e = { 0 };
	char out[64];
	bool done;

	CHECK_INT(detach_keys_parse("", &k, NULL), 0);
	feed(&k, "\x10\x11", out, &done);
	CHECK(!done);
	CHECK_STR(out, "\x10\x11");
	CHECK_INT(detach_keys_parse("ctrl-", &k, &e), -EINVAL);
	CHECK_INT(detach_keys_parse("ctrl-1", &k, &e), -EINVAL);
	CHECK_STR(e.msg, "detach keys 'ctrl-1' are not like 'ctrl-p,ctrl-q'");
}

int main(void)
{
	RUN(options_end_at_the_first_word);
	RUN(options_may_stand_among_words);
	RUN(a_double_dash_ends_options_and_is_no_word);
	RUN(short_options_combine_with_values);
	RUN(flags_take_a_value_after_an_equals_sign);
	RUN(a_flag_s_other_values_are_refused_by_name);
	RUN(unknown_options_are_named_with_where_to_look);
	RUN(the_parser_s_own_magic_means_nothing);
	RUN(every_table_is_complete);
	RUN(every_option_says_what_it_is);
	RUN(a_mistyped_command_is_guessed);
	RUN(variables_take_the_caller_s_value);
	RUN(volumes_are_refused_with_the_reason);
	RUN(b23_the_third_part_of_a_volume_is_its_options);
	RUN(restart_policies_have_a_bound_only_on_failure);
	RUN(an_entrypoint_is_a_program_or_an_array);
	RUN(numbers_are_whole_and_in_range);
	RUN(lists_in_files_skip_comments);
	RUN(sizes_have_three_digits);
	RUN(durations_are_as_podman_says_them);
	RUN(tables_are_aligned_and_clean);
	RUN(detach_keys_are_held_back_until_they_are_not);
	RUN(detach_keys_that_repeat_are_found);
	RUN(no_detach_keys_let_everything_through);
	return tap_done();
}
