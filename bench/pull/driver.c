/* SPDX-License-Identifier: Apache-2.0 */
/* The image layer as a program: what is measured and tested without the rest of volt.
 * driver ROOT pull IMAGE [ARCH] | load PATH | list | inspect IMAGE */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "image/build.h"
#include "image/image.h"
#include "image/transfer.h"

static void on_log(void *data, int level, const char *line)
{
	(void)fprintf(stderr, "driver: %s\n", line);
}

static void on_progress(void *data, const struct volt_progress *p)
{
	(void)fprintf(stderr, "%s %llu/%llu %u/%u\n", p->what,
		      (unsigned long long)p->done, (unsigned long long)p->total, p->items,
		      p->items_total);
}

static int print(json_t *j)
{
	char *text = json_text(j);

	(void)puts(text ? text : "");
	free(text);
	json_decref(j);
	return 0;
}

static int pull(struct images *is, char **args, struct volt_error *e)
{
	const struct image_pull o = {
		.arch = args[1], .transport = { .tls_verify = getenv("TLS_VERIFY") }
	};
	_cleanup_(image_freep) struct image *img = NULL;
	char hex[DIGEST_HEX_SIZE];
	int r = image_pull(is, args[0], &o, &img, e);

	if (r == 0)
		(void)printf("%s\n", digest_hex(&img->manifest, hex));
	return r;
}

/* 1: no such command. */
static int run_other(struct images *is, char **args, struct volt_error *e)
{
	const struct image_transport t = { .tls_verify = getenv("TLS_VERIFY"),
					   .creds = getenv("CREDS") };
	_cleanup_(image_removed_done) struct image_removed gone = { 0 };
	_cleanup_(image_freep) struct image *img = NULL;
	const struct image_binary b = { .path = args[1] };
	const struct image_context c = { .directory = args[1] };
	enum image_format format;
	int r = 1;

	if (strcmp(args[0], "tag") == 0 && args[2])
		r = image_tag(is, args[1], args[2], e);
	else if (strcmp(args[0], "untag") == 0)
		r = image_untag(is, args[1], args[2], e);
	else if (strcmp(args[0], "rmi") == 0)
		r = image_remove(is, args[1], args[2] != NULL, &gone, e);
	else if (strcmp(args[0], "prune") == 0)
		r = image_prune(is, strcmp(args[1], "all") == 0, &gone, e);
	else if (strcmp(args[0], "push") == 0)
		r = image_push(is, args[1], args[2], &t, e);
	else if (strcmp(args[0], "build") == 0)
		r = image_build_binary(is, &b, args[2], &img, e);
	else if (strcmp(args[0], "build-context") == 0)
		r = image_build_context(is, &c, args[2], &img, e);
	else if (strcmp(args[0], "save") == 0 && args[2] && args[3])
		r = image_format_parse(args[3], &format, e) < 0
			    ? -EINVAL
			    : image_save(is, args[1], args[2], format, e);
	for (size_t i = 0; i < gone.untagged.n; i++)
		(void)printf("untagged %s\n", gone.untagged.v[i]);
	for (size_t i = 0; i < gone.deleted.n; i++)
		(void)printf("deleted %s\n", gone.deleted.v[i]);
	return r;
}

static int run(struct images *is, char **args, struct volt_error *e)
{
	_cleanup_(image_freep) struct image *img = NULL;
	json_t *j = NULL;
	int r;

	if (strcmp(args[0], "pull") == 0 && args[1])
		return pull(is, args + 1, e);
	if (strcmp(args[0], "load") == 0 && args[1])
		return image_load(is, args[1], NULL, e);
	if (args[1] && (r = run_other(is, args, e)) != 1)
		return r;
	if (strcmp(args[0], "list") == 0) {
		r = image_list(is, &j, e);
		return r < 0 ? r : print(j);
	}
	if (strcmp(args[0], "inspect") == 0 && args[1]) {
		r = image_find(is, args[1], &img, e);
		if (r == 0)
			r = image_inspect(is, img, &j, e);
		return r < 0 ? r : print(j);
	}
	return -1;
}

int main(int argc, char **argv)
{
	const struct log log = { on_log, NULL };
	struct volt_error e = { 0 };
	struct images *is = NULL;
	struct store *s = NULL;
	int root, r;

	if (argc < 3)
		return 2;
	root = mkdir_open(argv[1], 0755);
	r = store_open(root, &s, &e);
	if (r == 0)
		r = images_open(root, s, &is, &e);
	if (r == 0) {
		images_set_log(is, &log);
		if (getenv("PROGRESS"))
			images_set_progress(is, on_progress, NULL);
		r = run(is, argv + 2, &e);
	}
	if (r < 0)
		(void)fprintf(stderr, "driver: %s\n", e.msg);
	images_close(is);
	store_close(s);
	(void)close(root);
	return r < 0 ? 1 : 0;
}
