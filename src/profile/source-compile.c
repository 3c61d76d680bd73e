/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/path.h"
#include "base/tool.h"
#include "profile/source-internal.h"

#define CONFIG "volt" /* what volt calls its lists of devices in QEMU's tree */

/* What every profile has: nothing that a recipe does not name, no reference to this build's
 * directories, and a compiler's protections, which go with the other defaults otherwise.
 * What no machine of the profile uses is not linked in. */
static const char *const always[] = {
	"--prefix=/usr",
	"--disable-download",
	"--without-default-features",
	"--without-default-devices",
	"--disable-debug-info",
	"--disable-docs",
	"--disable-install-blobs",
	"--disable-plugins",
	"--enable-stack-protector",
	"--audio-drv-list=",
	"--enable-trace-backends=nop",
	"--extra-cflags=-ffunction-sections -fdata-sections -D_FORTIFY_SOURCE=2",
	"--extra-ldflags=-Wl,--gc-sections -Wl,--as-needed",
};

static int write_devices(const struct source_build *b, const struct recipe_target *t,
			 struct volt_error *e)
{
	_cleanup_free_ char *text = recipe_devices(t);
	_cleanup_close_ int fd = -1;
	char path[128];
	int r;

	if (!text)
		return fail_oom(e);
	(void)snprintf(path, sizeof(path), "source/configs/devices/%s-softmmu",
		       t->arch->qemu);
	fd = open_beneath(b->work.fd, path, O_DIRECTORY, 0);
	if (fd == -ENOENT)
		return fail(e, ENOENT, "the sources are no QEMU's that knows '%s'",
			    t->arch->qemu);
	r = fd < 0 ? fd : write_file_atomic(fd, CONFIG ".mak", text, strlen(text), 0600);
	return r < 0 ? fail_code(e, r, "write the devices of '%s'", t->arch->qemu) : 0;
}

/* "env [PYTHONPATH=…]": where python finds meson. */
static int add_environment(const struct source_build *b, struct strv *argv)
{
	int r = strv_add(argv, "env");

	if (r == 0 && b->own_meson)
		r = strv_addf(argv, "PYTHONPATH=%s/meson", b->work.path);
	return r;
}

static int add_targets(const struct recipe *recipe, struct strv *argv)
{
	char list[512] = "";
	int r = 0;

	for (size_t i = 0; i < recipe->n_targets && r == 0; i++) {
		const char *qemu = recipe->targets[i].arch->qemu;
		size_t at = strlen(list);

		(void)snprintf(list + at, sizeof(list) - at, "%s%s-softmmu", i ? "," : "",
			       qemu);
		r = strv_addf(argv, "--with-devices-%s=" CONFIG, qemu);
	}
	return r ?: strv_addf(argv, "--target-list=%s", list);
}

static int add_formats(const struct recipe *recipe, struct strv *argv)
{
	char list[512] = "";

	strv_foreach(word, recipe->formats.v) {
		size_t at = strlen(list);

		(void)snprintf(list + at, sizeof(list) - at, "%s%s", at ? "," : "",
			       *word);
	}
	return strv_addf(argv, "--block-drv-rw-whitelist=%s", list);
}

static int configure_arguments(const struct source_build *b, struct strv *argv)
{
	int r = add_environment(b, argv) ?: strv_add(argv, "../source/configure");

	for (size_t i = 0; i < ARRAY_SIZE(always) && r == 0; i++)
		r = strv_add(argv, always[i]);
	if (!recipe_has_feature(&b->recipe, "tcg"))
		r = r ?: strv_add(argv, "--disable-tcg");
	strv_foreach(feature, b->recipe.features.v)
		r = r ?: strv_addf(argv, "--enable-%s", *feature);
	return r ?: add_targets(&b->recipe, argv) ?: add_formats(&b->recipe, argv);
}

static int configure(const struct source_build *b, int object, struct volt_error *e)
{
	_cleanup_strv_ struct strv argv = { 0 };
	struct tool t = { .cwd = object,
			  .dirfd = b->work.fd,
			  .log_name = "configure.log" };
	int r;

	if (configure_arguments(b, &argv) < 0)
		return fail_oom(e);
	t.argv = (const char *const *)argv.v;
	log_line(b->log, 6, "configuring QEMU");
	r = tool_run(&t, e);
	return r < 0 ? fail_in(e, r, "configure QEMU") : 0;
}

/* ninja's "[12/1313] Compiling …": every tenth is told. */
static void follow(void *data, const char *line)
{
	struct source_build *b = data;
	unsigned long done, all, tenths;
	char *end;

	if (line[0] != '[')
		return;
	done = strtoul(line + 1, &end, 10);
	all = *end == '/' ? strtoul(end + 1, &end, 10) : 0;
	tenths = all < 10 ? 0 : done / (all / 10);
	if (*end != ']' || tenths <= b->tenths)
		return;
	b->tenths = (unsigned int)tenths;
	log_line(b->log, 6, "compiling QEMU: %lu of %lu", done, all);
}

static int ninja(struct source_build *b, int object, struct volt_error *e)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int jobs = b->o->jobs ? b->o->jobs : cpus > 0 ? (unsigned int)cpus : 1;
	_cleanup_strv_ struct strv argv = { 0 };
	struct tool t = { .cwd = object,
			  .dirfd = b->work.fd,
			  .log_name = "compile.log",
			  .line = follow,
			  .data = b };
	int r = add_environment(b, &argv) ?: strv_add(&argv, "ninja") ?:
		strv_addf(&argv, "-j%u", jobs);

	for (size_t i = 0; i < b->recipe.n_targets && r == 0; i++)
		r = strv_addf(&argv, "qemu-system-%s", b->recipe.targets[i].arch->qemu);
	if (r < 0)
		return fail_oom(e);
	t.argv = (const char *const *)argv.v;
	log_line(b->log, 6, "compiling QEMU; this takes minutes");
	r = tool_run(&t, e);
	return r < 0 ? fail_in(e, r, "compile QEMU") : 0;
}

int source_compile(struct source_build *b, struct volt_error *e)
{
	_cleanup_close_ int object = -1;
	int r = 0;

	for (size_t i = 0; i < b->recipe.n_targets && r == 0; i++)
		r = write_devices(b, &b->recipe.targets[i], e);
	if (r < 0)
		return r;
	object = mkdir_beneath(b->work.fd, "object", 0700);
	if (object < 0)
		return fail_code(e, object, "make a directory to compile in");
	return configure(b, object, e) ?: ninja(b, object, e);
}
