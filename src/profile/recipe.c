/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"
#include "base/path.h"

#define RECIPE_MAX (64u << 10)
#define WORDS_MAX  1000 /* of a recipe in all */
#define WORD_MAX   64

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

struct parser {
	struct recipe *r;
	const char *what;
	struct strv devices; /* of every target */
	size_t line, words;
};

/* What a word may consist of: it becomes a part of an argument or of a line, and begins
 * with what no option begins with. */
struct charset {
	const char *first, *rest;
};
static const struct charset package_name = { LOWER DIGITS, LOWER DIGITS "+.-" };
static const struct charset release_name = { LOWER, LOWER };
static const struct charset feature_name = { LOWER, LOWER DIGITS "-" };
static const struct charset format_name = { LOWER, LOWER DIGITS "_-" };
static const struct charset device_name = { UPPER, UPPER DIGITS "_" };

static int bad(const struct parser *p, const char *problem, const char *word,
	       struct volt_error *e)
{
	return fail(e, EINVAL, "recipe '%s', line %zu: %s '%.64s'", p->what, p->line,
		    problem, word);
}

static bool fits(const char *word, const struct charset *c)
{
	return strlen(word) <= WORD_MAX && strchr(c->first, word[0]) &&
	       !word[strspn(word, c->rest)];
}

static bool has(const struct strv *list, const char *word)
{
	strv_foreach(i, list->v)
		if (strcmp(*i, word) == 0)
			return true;
	return false;
}

static int add(const struct parser *p, struct strv *list, const char *word,
	       struct volt_error *e)
{
	if (has(list, word))
		return bad(p, "a second time", word, e);
	return strv_add(list, word) < 0 ? fail_oom(e) : 0;
}

/* The words of @text that are left, each to @list. */
static int add_words(const struct parser *p, char *text, const struct charset *c,
		     struct strv *list, struct volt_error *e)
{
	char *word;
	int r = 0;

	while (r == 0 && (word = strtok_r(text, " \t", &text)))
		r = fits(word, c) ? add(p, list, word, e)
				  : bad(p, "not a name for this", word, e);
	return r;
}

static int take_source(const struct parser *p, char *text, struct volt_error *e)
{
	char *package = strtok_r(text, " \t", &text);
	char *release = strtok_r(text, " \t", &text);

	if (!release || strtok_r(text, " \t", &text))
		return bad(p, "expected a package and a release after", "source", e);
	if (!fits(package, &package_name))
		return bad(p, "not a package's name:", package, e);
	if (!fits(release, &release_name))
		return bad(p, "not a release's name:", release, e);
	if (p->r->source)
		return bad(p, "a second time", "source", e);
	p->r->source = strdup(package);
	p->r->release = strdup(release);
	return p->r->source && p->r->release ? 0 : fail_oom(e);
}

static int take_target(const struct parser *p, char *text, struct volt_error *e)
{
	char *word = strtok_r(text, " \t", &text);
	const struct profile_arch *arch = word ? profile_arch_find(word) : NULL;
	struct recipe_target *more;

	if (!arch || strcmp(arch->qemu, word) != 0)
		return bad(p, "not an architecture of QEMU's:", word ?: "", e);
	for (size_t i = 0; i < p->r->n_targets; i++)
		if (p->r->targets[i].arch == arch)
			return bad(p, "a second time", word, e);
	more = reallocarray(p->r->targets, p->r->n_targets + 1, sizeof(*more));
	if (!more)
		return fail_oom(e);
	p->r->targets = more;
	more += p->r->n_targets++;
	*more = (struct recipe_target){ .arch = arch };
	return add_words(p, text, &device_name, &more->devices, e);
}

static bool is_file_name(const char *word)
{
	return strlen(word) <= WORD_MAX && path_is_clean(word) &&
	       strchr(LOWER UPPER DIGITS, word[0]) &&
	       !word[strspn(word, LOWER UPPER DIGITS "._-/")];
}

static int take_firmware(const struct parser *p, char *text, struct volt_error *e)
{
	char *word;
	int r = 0;

	while (r == 0 && (word = strtok_r(text, " \t", &text)))
		r = is_file_name(word) ? add(p, &p->r->firmware, word, e)
				       : bad(p, "not a file's name:", word, e);
	return r;
}

/* Each feature is an argument --enable-<feature>. A module would be a file apart, which is
 * not among a profile's. */
static int take_features(const struct parser *p, char *text, struct volt_error *e)
{
	int r = add_words(p, text, &feature_name, &p->r->features, e);

	if (r == 0 && recipe_has_feature(p->r, "modules"))
		return bad(p, "a profile cannot have the feature", "modules", e);
	return r;
}

static int take_line(struct parser *p, char *text, struct volt_error *e)
{
	char *word = strtok_r(text, " \t", &text);

	if (!word)
		return 0;
	if (strcmp(word, "source") == 0)
		return take_source(p, text, e);
	if (strcmp(word, "target") == 0)
		return take_target(p, text, e);
	if (strcmp(word, "firmware") == 0)
		return take_firmware(p, text, e);
	if (strcmp(word, "feature") == 0)
		return take_features(p, text, e);
	if (strcmp(word, "package") == 0)
		return add_words(p, text, &package_name, &p->r->packages, e);
	if (strcmp(word, "format") == 0)
		return add_words(p, text, &format_name, &p->r->formats, e);
	if (strcmp(word, "device") == 0)
		return add_words(p, text, &device_name, &p->devices, e);
	return bad(p, "not a word of recipes:", word, e);
}

/* A line of plain text, its comment cut off. */
static int check_line(struct parser *p, char *line, struct volt_error *e)
{
	for (char *c = line; *c; c++) {
		if (*c == '#') {
			*c = 0;
			break;
		}
		if ((unsigned char)*c < 0x20 && *c != '\t')
			return bad(p, "a control character in", line, e);
		if ((*c == ' ' || *c == '\t') && ++p->words > WORDS_MAX)
			return bad(p, "too many words, from", line, e);
	}
	return 0;
}

/* What is for every target is for each. */
static int share_devices(const struct parser *p, struct volt_error *e)
{
	for (size_t i = 0; i < p->r->n_targets; i++) {
		struct strv *list = &p->r->targets[i].devices;

		strv_foreach(word, p->devices.v)
			if (!has(list, *word) && strv_add(list, *word) < 0)
				return fail_oom(e);
	}
	return 0;
}

static int finish(const struct parser *p, struct volt_error *e)
{
	const struct recipe *r = p->r;
	const char *missing =
		!r->source          ? "source"
		: r->n_targets == 0 ? "target"
		: r->formats.n == 0 ? "format"
		: !recipe_has_feature(r, "kvm") && !recipe_has_feature(r, "tcg")
			? "feature kvm' or 'feature tcg"
			: NULL;

	if (missing)
		return fail(e, EINVAL, "recipe '%s' has no '%s'", p->what, missing);
	return share_devices(p, e);
}

static int parse(struct parser *p, char *text, struct volt_error *e)
{
	char *line;
	int r = 0;

	while (r == 0 && (line = strsep(&text, "\n"))) {
		p->line++;
		r = check_line(p, line, e);
		r = r < 0 ? r : take_line(p, line, e);
	}
	return r < 0 ? r : finish(p, e);
}

int recipe_parse(const char *text, size_t size, const char *what, struct recipe *ret,
		 struct volt_error *e)
{
	_cleanup_recipe_ struct recipe recipe = { 0 };
	_cleanup_free_ char *copy = NULL;
	struct parser p = { .r = &recipe, .what = what };
	int r;

	if (size > RECIPE_MAX || memchr(text, 0, size))
		return fail(e, EINVAL, "recipe '%s' is %s", what,
			    size > RECIPE_MAX ? "too large" : "not text");
	copy = strndup(text, size);
	if (!copy)
		return fail_oom(e);
	r = parse(&p, copy, e);
	strv_done(&p.devices);
	if (r < 0)
		return r;
	*ret = recipe;
	recipe = (struct recipe){ 0 };
	return 0;
}

int recipe_read(const char *path, struct recipe *ret, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = read_file_at(AT_FDCWD, path, RECIPE_MAX, &text, &size);

	return r < 0 ? fail_code(e, r, "read the recipe '%s'", path)
		     : recipe_parse(text, size, path, ret, e);
}

void recipe_done(struct recipe *r)
{
	free(r->source);
	free(r->release);
	strv_done(&r->packages);
	strv_done(&r->features);
	strv_done(&r->formats);
	strv_done(&r->firmware);
	for (size_t i = 0; i < r->n_targets; i++)
		strv_done(&r->targets[i].devices);
	free(r->targets);
	*r = (struct recipe){ 0 };
}

bool recipe_has_feature(const struct recipe *r, const char *name)
{
	return has(&r->features, name);
}

bool recipe_has_firmware(const struct recipe *r, const char *name)
{
	return has(&r->firmware, name);
}

bool recipe_has_device(const struct recipe *r, const char *name)
{
	for (size_t i = 0; i < r->n_targets; i++)
		if (has(&r->targets[i].devices, name))
			return true;
	return false;
}

char *recipe_devices(const struct recipe_target *t)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	_cleanup_fclose_ FILE *f = open_memstream(&text, &size);

	strv_foreach(word, t->devices.v)
		if (f)
			(void)fprintf(f, "CONFIG_%s=y\n", *word);
	if (!f || fflush(f) != 0)
		return NULL;
	fclosep(&f);
	f = NULL;
	return TAKE_PTR(text);
}
