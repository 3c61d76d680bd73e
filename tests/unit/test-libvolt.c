/* SPDX-License-Identifier: Apache-2.0 */

/* The shared library as a C program sees it: by volt.h and nothing else. */

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <volt.h>

#include "tap.h"

static char root[] = "/tmp/volt-test-XXXXXX";
static struct volt_ctx *ctx;

static size_t length_of(char *text)
{
	json_t *j = json_loads(text, 0, NULL);
	size_t n = json_is_array(j) ? json_array_size(j) : SIZE_MAX;

	json_decref(j);
	free(text);
	return n;
}

static void a_new_root_is_made_for_its_owner_alone(void)
{
	struct volt_error e = { 0 };
	struct stat st;
	char sub[64];
	struct volt_ctx *c = NULL;

	(void)snprintf(sub, sizeof(sub), "%s/a/b", root);
	CHECK_INT(volt_ctx_new(sub, &c, &e), 0);
	CHECK_INT(stat(sub, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0700);
	volt_ctx_free(c);
}

static void a_root_that_cannot_be_made_is_named(void)
{
	struct volt_error e = { 0 };
	struct volt_ctx *c = NULL;

	CHECK_INT(volt_ctx_new("/proc/nowhere", &c, &e), -ENOENT);
	CHECK_INT(e.code, ENOENT);
	CHECK(strstr(e.msg, "'/proc/nowhere'"));
	CHECK(!c);
}

static void empty_lists_are_empty_arrays(void)
{
	char *text = NULL;

	CHECK_INT(volt_machine_list(ctx, NULL, &text, NULL), 0);
	CHECK_INT(length_of(text), 0);
	CHECK_INT(volt_machine_list(ctx, "{\"all\":true,\"filters\":[\"name=x\"]}", &text,
				    NULL),
		  0);
	CHECK_INT(length_of(text), 0);
	CHECK_INT(volt_image_list(ctx, &text, NULL), 0);
	CHECK_INT(length_of(text), 0);
	CHECK_INT(volt_kernel_list(ctx, &text, NULL), 0);
	CHECK_INT(length_of(text), 0);
}

static void options_are_checked_before_anything_is_done(void)
{
	static const struct {
		const char *options, *why;
	} bad[] = {
		{ "{", "options" },
		{ "[]", "not a JSON object" },
		{ "{\"al\":true}", "al" },
		{ "{\"all\":1}", "all" },
		{ "{\"filters\":[1]}", "filter" },
		{ "{\"filters\":[\"color=red\"]}", "color=red" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct volt_error e = { 0 };
		char *text = NULL;

		CHECK(volt_machine_list(ctx, bad[i].options, &text, &e) < 0);
		CHECK(strstr(e.msg, bad[i].why));
		CHECK(!text);
	}
}

static void a_wish_is_checked_before_anything_is_done(void)
{
	static const struct {
		const char *spec, *why;
	} bad[] = {
		{ "", "spec" },
		{ "{}", "image" },
		{ "{\"image\":{\"ref\":\"x\"},\"colour\":1}", "colour" },
		{ "{\"image\":{\"ref\":\"x\"},\"cpus\":0}", "cpus" },
		{ "{\"image\":{\"ref\":\"x\"},\"name\":\"../x\"}", "../x" },
		{ "{\"image\":{\"ref\":\"x\"},\"ports\":[\"1:2:3:4\"]}", "1:2:3:4" },
		{ "{\"image\":{\"ref\":\"x\"},\"process\":{}}", "process" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct volt_machine *m = NULL;
		struct volt_error e = { 0 };

		CHECK(volt_machine_create(ctx, bad[i].spec, NULL, &m, &e) < 0);
		CHECK(strstr(e.msg, bad[i].why));
		CHECK(!m);
	}
}

static void what_is_not_there_is_enoent(void)
{
	struct volt_machine *m = NULL;
	struct volt_error e = { 0 };
	char *text = NULL;

	CHECK_INT(volt_machine_open(ctx, "nobody", &m, &e), -ENOENT);
	CHECK(strstr(e.msg, "'nobody'"));
	CHECK_INT(volt_machine_open(ctx, "../etc", &m, NULL), -ENOENT);
	CHECK_INT(volt_image_inspect(ctx, "nothing", &text, &e), -ENOENT);
	CHECK_INT(volt_image_exists(ctx, "nothing", &e), 0);
	CHECK_INT(volt_image_remove(ctx, "nothing", ~0u, NULL, &e), -EINVAL);
	CHECK_INT(volt_image_remove(ctx, "nothing", VOLT_REMOVE_FORCE, NULL, &e),
		  -ENOENT);
	CHECK_INT(volt_kernel_remove(ctx, "nothing", &e), -ENOENT);
	CHECK_INT(volt_machine_create(ctx, "{\"image\":{\"ref\":\"nothing\"}}",
				      "{\"pull\":\"never\"}", &m, &e),
		  -ENOENT);
	CHECK(!m && !text);
}

static void contexts_on_one_root_see_the_same(void)
{
	struct volt_ctx *other = NULL;
	char *text = NULL;

	CHECK_INT(volt_ctx_new(root, &other, NULL), 0);
	CHECK_INT(volt_image_list(other, &text, NULL), 0);
	CHECK_INT(length_of(text), 0);
	CHECK_INT(volt_image_prune(ctx, true, NULL, NULL), 0);
	volt_ctx_free(other);
	CHECK_INT(volt_image_list(ctx, &text, NULL), 0);
	CHECK_INT(length_of(text), 0);
}

static void the_caller_s_world_is_left_alone(void)
{
	char before[256], after[256];
	struct sigaction sa = { 0 };
	mode_t mask = umask(0123);
	sigset_t set;
	char *text = NULL;

	CHECK(getcwd(before, sizeof(before)));
	CHECK(volt_info(ctx, &text, NULL) >= 0);
	free(text);
	CHECK(volt_doctor(ctx, &text, NULL) >= 0);
	free(text);
	CHECK(getcwd(after, sizeof(after)));
	CHECK_STR(after, before);
	CHECK_INT(umask(mask), 0123);
	CHECK_INT(sigaction(SIGPIPE, NULL, &sa), 0);
	CHECK(sa.sa_handler == SIG_DFL);
	CHECK_INT(sigprocmask(SIG_BLOCK, NULL, &set), 0);
	CHECK_INT(sigismember(&set, SIGCHLD), 0);
	CHECK_INT(sigismember(&set, SIGINT), 0);
}

/* Such as here: no init, no supervisor, perhaps no QEMU. */
static void the_doctor_looks_at_what_is_not_installed_too(void)
{
	struct volt_ctx *c = NULL;
	char *text = NULL;
	size_t n;

	CHECK_INT(volt_ctx_new(root, &c, NULL), 0);
	CHECK(volt_doctor(c, &text, NULL) >= 0);
	n = length_of(text);
	CHECK(n >= 10 && n != SIZE_MAX);
	volt_ctx_free(c);
}

static void nothing_is_freed_twice(void)
{
	volt_ctx_free(NULL);
	volt_machine_free(NULL);
	volt_attach_free(NULL);
	CHECK(volt_version()[0] != '\0');
}

static void remove_root(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", root);
	if (system(command) != 0)
		(void)fprintf(stderr, "# cannot remove %s\n", root);
}

int main(void)
{
	struct volt_error e = { 0 };

	if (!mkdtemp(root) || volt_ctx_new(root, &ctx, &e) < 0) {
		printf("Bail out! %s\n", e.msg);
		return 1;
	}
	RUN(a_new_root_is_made_for_its_owner_alone);
	RUN(a_root_that_cannot_be_made_is_named);
	RUN(empty_lists_are_empty_arrays);
	RUN(options_are_checked_before_anything_is_done);
	RUN(a_wish_is_checked_before_anything_is_done);
	RUN(what_is_not_there_is_enoent);
	RUN(contexts_on_one_root_see_the_same);
	RUN(the_caller_s_world_is_left_alone);
	RUN(the_doctor_looks_at_what_is_not_installed_too);
	RUN(nothing_is_freed_twice);
	volt_ctx_free(ctx);
	remove_root();
	return tap_done();
}
