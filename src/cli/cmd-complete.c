/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scripts of `volt completion` ask: given the words of a command line, what
 * could stand in place of the last? The answer follows the parser: global options, one or
 * two words of a command, its options (whose values are skipped), its arguments.
 */

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/strv.h"
#include "cli/cmd.h"
#include "cli/find.h"
#include "cli/global.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/print.h"

static const struct poptOption options[] = { POPT_TABLEEND };

struct wanted {
	const char *word;
	size_t length; /* of its name, before any "=" */
	const struct poptOption *found;
};

static int find_option(void *data, const struct poptOption *opt)
{
	struct wanted *w = data;
	bool is_long = w->word[1] == '-';

	if (is_long && (!opt->longName || strlen(opt->longName) != w->length - 2 ||
			strncmp(opt->longName, w->word + 2, w->length - 2) != 0))
		return 0;
	/* of a cluster such as -it, the last takes the value */
	if (!is_long && (!opt->shortName || opt->shortName != w->word[w->length - 1]))
		return 0;
	w->found = opt;
	return 1;
}

/* The option that takes the word after @word as its value; NULL: none does. */
static const struct poptOption *waits_for_value(const struct poptOption *table,
						const char *word)
{
	struct wanted w = { .word = word, .length = strcspn(word, "=") };

	if (word[0] != '-' || !word[1] || word[w.length] == '=')
		return NULL;
	if (options_each(table, find_option, &w) == 0)
		return NULL;
	return option_takes_value(w.found) ? w.found : NULL;
}

static int print_option(void *data, const struct poptOption *opt)
{
	if (opt->longName && !(opt->argInfo & POPT_ARGFLAG_DOC_HIDDEN))
		(void)printf("--%s\n", opt->longName);
	return 0;
}

/* Its first word, where an earlier command has not offered that already. */
static void print_first_word(const struct cmd *const *c)
{
	size_t n = strcspn((*c)->name, " ");

	for (const struct cmd *const *before = cmds; before < c; before++)
		if (strncmp((*before)->name, (*c)->name, n + 1) == 0 &&
		    (*c)->name[n] == ' ')
			return;
	(void)printf("%.*s\n", (int)n, (*c)->name);
}

static void print_commands(const char *group)
{
	size_t n = group ? strlen(group) : 0;

	for (const struct cmd *const *c = cmds; *c; c++) {
		if (*c == &cmd_complete)
			continue;
		if (!group)
			print_first_word(c);
		else if (strncmp((*c)->name, group, n) == 0 && (*c)->name[n] == ' ')
			(void)puts((*c)->name + n + 1);
	}
}

static void print_names(struct volt_ctx *ctx,
			int (*list)(struct volt_ctx *ctx, char **ret,
				    struct volt_error *e))
{
	json_auto_t *all = NULL;
	json_t *item, *name;
	size_t i, k;

	if (ask_list(ctx, list, &all, NULL) < 0)
		return;
	json_array_foreach(all, i, item) {
		if (*member(item, "name"))
			(void)puts(member(item, "name"));
		if (*member(item, "hash"))
			(void)puts(member(item, "hash"));
		json_array_foreach(json_object_get(item, "names"), k, name)
			(void)puts(json_string_value(name));
	}
}

static int list_machines(struct volt_ctx *ctx, char **ret, struct volt_error *e)
{
	return volt_machine_list(ctx, "{\"all\":true}", ret, e);
}

/* Those that volt makes itself when they are needed. */
static void print_profile_names(void)
{
	(void)puts("emulate-foreign\nemulate-x86\nkvm-linux\nkvm-uefi");
}

static void print_profiles(struct volt_ctx *ctx)
{
	json_auto_t *all = NULL;
	json_t *p;
	size_t i;

	print_profile_names();
	if (ask_list(ctx, volt_profile_list, &all, NULL) < 0)
		return;
	json_array_foreach(all, i, p) {
		if (json_is_true(json_object_get(p, "current")))
			(void)puts(member(p, "name"));
		(void)puts(member(p, "ref"));
	}
}

static void print_words(struct volt_ctx *ctx, enum word kind)
{
	switch (kind) {
	case WORD_MACHINE:
		print_names(ctx, list_machines);
		break;
	case WORD_IMAGE:
	case WORD_IMAGE_FIRST:
		print_names(ctx, volt_image_list);
		break;
	case WORD_KERNEL:
		print_names(ctx, volt_kernel_list);
		break;
	case WORD_VOLUME:
		print_names(ctx, volt_volume_list);
		break;
	case WORD_OBJECT:
		print_names(ctx, volt_store_list);
		break;
	case WORD_PROFILE:
		print_profiles(ctx);
		break;
	case WORD_PROFILE_NAME:
		print_profile_names();
		break;
	case WORD_FILE:
		(void)puts(":file");
		break;
	case WORD_COMMAND:
		print_commands(NULL);
		break;
	case WORD_NONE:
		break;
	}
}

/* "raw|qcow2": one of these words. */
static void print_choices(const char *kind)
{
	for (size_t n; *kind; kind += n, kind += *kind == '|') {
		n = strcspn(kind, "|");
		(void)fwrite(kind, 1, n, stdout);
		(void)putchar('\n');
	}
}

static void print_value(struct volt_ctx *ctx, const struct poptOption *opt)
{
	const char *kind = opt->argDescrip ? opt->argDescrip : "";

	if (strcmp(kind, "KERNEL") == 0)
		print_words(ctx, WORD_KERNEL);
	else if (strcmp(kind, "FORMAT") == 0)
		(void)puts("json\ntable");
	else if (strstr(kind, "FILE") || strcmp(kind, "DIR") == 0 ||
		 strncmp(kind, "HOST:", 5) == 0)
		(void)puts(":file");
	else if (strchr(kind, '|') && !strchr(kind, '['))
		print_choices(kind);
}

/* Skips options (and their values) from *@i on. False: the last word was reached, and
 * what could stand there is printed. */
static bool skip_options(struct volt_ctx *ctx, const struct poptOption *table, int argc,
			 const char **argv, int *i)
{
	for (; *i < argc && argv[*i][0] == '-'; (*i)++) {
		const struct poptOption *opt = waits_for_value(table, argv[*i]);

		if (*i == argc - 1) {
			(void)options_each(table, print_option, NULL);
			(void)puts("--help");
			return false;
		}
		if (opt && ++*i == argc - 1) {
			print_value(ctx, opt);
			return false;
		}
	}
	return *i < argc;
}

/* In place of an image there stands a file then. */
static bool boots_disk(const struct cmd *c, int argc, const char **argv)
{
	for (int i = 0; i < argc && c->words == WORD_IMAGE_FIRST; i++)
		if (strcmp(argv[i], "--guest=disk") == 0 ||
		    (strcmp(argv[i], "--guest") == 0 && i + 1 < argc &&
		     strcmp(argv[i + 1], "disk") == 0))
			return true;
	return false;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	const struct cmd *c = NULL;
	int i = 0, words = 0;

	if (argc == 0 || !skip_options(ctx, global_options, argc, argv, &i))
		return 0;
	if (i == argc - 1) {
		print_commands(NULL);
		return 0;
	}
	if (i == argc - 2 && cmd_is_group(argv[i])) {
		print_commands(argv[i]);
		return 0;
	}
	if (cmd_find(argc - i, argv + i, &c, &words, NULL) < 0)
		return 0;
	i += words;
	for (; skip_options(ctx, c->options, argc, argv, &i); i++) {
		if (i == argc - 1) {
			print_words(ctx,
				    boots_disk(c, argc, argv) ? WORD_FILE : c->words);
		} else if (c->words == WORD_IMAGE_FIRST) {
			(void)puts(":file"); /* the guest's words: as good as any */
			break;
		}
	}
	return 0;
}

const struct cmd cmd_complete = {
	.name = "complete",
	.args = "[WORD...]",
	.help = "Print what could stand in place of the last word, for shells",
	.options = options,
	.max_args = -1,
	.run = run,
};
