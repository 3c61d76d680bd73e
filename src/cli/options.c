/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/options.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

void words_done(struct words *w)
{
	if (w->context)
		(void)poptFreeContext(w->context);
	w->context = NULL;
	strv_done(&w->shown);
}

int options_each(const struct poptOption *options,
		 int (*fn)(void *data, const struct poptOption *opt), void *data)
{
	const struct poptOption *o;
	int r;

	for (o = options; o->longName || o->shortName || o->arg; o++) {
		if ((o->argInfo & POPT_ARG_MASK) == POPT_ARG_INCLUDE_TABLE)
			r = options_each(o->arg, fn, data);
		else
			r = fn(data, o);
		if (r != 0)
			return r;
	}
	return 0;
}

bool option_takes_value(const struct poptOption *opt)
{
	unsigned int type = opt->argInfo & POPT_ARG_MASK;

	return type != POPT_ARG_NONE && type != POPT_ARG_VAL;
}

static int is_h(void *data, const struct poptOption *opt)
{
	return opt->shortName == 'h';
}

char help_letter(const struct poptOption *options)
{
	return options_each(options, is_h, NULL) ? '\0' : 'h';
}

/* As Go's ParseBool. -EINVAL. */
static int bool_parse(const char *text)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		if (strcmp(text, yes[i]) == 0)
			return 1;
		if (strcmp(text, no[i]) == 0)
			return 0;
	}
	return -EINVAL;
}

struct flag {
	const char *name;
	size_t length;
};

static int is_flag(void *data, const struct poptOption *opt)
{
	const struct flag *f = data;

	if (!opt->longName || option_takes_value(opt) ||
	    strlen(opt->longName) != f->length ||
	    memcmp(opt->longName, f->name, f->length) != 0)
		return 0;
	return 1;
}

struct assign {
	struct flag flag;
	int value;
};

static int assign_flag(void *data, const struct poptOption *opt)
{
	const struct assign *a = data;

	if (!is_flag((void *)&a->flag, opt))
		return 0;
	*(int *)opt->arg = a->value;
	return 1;
}

/* popt refuses "--rm=false"; podman's users write it. Its parser stands behind the word
 * when it says so, and goes on from there. */
static int set_flag(const struct poptOption *options, const char *word)
{
	const char *equals = strchr(word, '=');
	struct assign a;

	if (strncmp(word, "--", 2) != 0 || !equals)
		return -EINVAL;
	a.flag.name = word + 2;
	a.flag.length = (size_t)(equals - a.flag.name);
	a.value = bool_parse(equals + 1);
	if (a.value < 0)
		return -EINVAL;
	return options_each(options, assign_flag, &a) == 1 ? 0 : -EINVAL;
}

static int bad_option(poptContext p, int r, const char *title, struct volt_error *e)
{
	const char *word = poptBadOption(p, POPT_BADOPTION_NOALIAS);

	if (r == POPT_ERROR_BADOPT)
		return fail(e, EINVAL, "unknown option '%s'; see '%s --help'", word,
			    title);
	if (r == POPT_ERROR_NOARG)
		return fail(e, EINVAL, "option '%s' needs a value; see '%s --help'", word,
			    title);
	return fail(e, EINVAL, "option '%s': %s", word, poptStrerror(r));
}

/* In a value "!#:+" is the parser's own: it puts the next word there, for aliases that
 * volt has not. Such words are shown to it with another mark than '!', one that none of
 * them has there already, and put right where they arrive. */
#define MAGIC "#:+"

/* Changes @from to @to where it stands before MAGIC. True: somewhere it did. */
static bool change_mark(char *text, char from, char to)
{
	bool changed = false;

	for (char *p = strstr(text, MAGIC); p; p = strstr(p + 1, MAGIC)) {
		if (p == text || p[-1] != from)
			continue;
		p[-1] = to;
		changed = true;
	}
	return changed;
}

static bool has_mark(const struct strv *words, char mark)
{
	strv_foreach(w, words->v)
		if (change_mark(*w, mark, mark))
			return true;
	return false;
}

/* Copies @argv for the parser; *@ret_mark stands for '!', '\0' where nothing does. */
static int hide_magic(int argc, const char **argv, struct strv *ret, char *ret_mark,
		      struct volt_error *e)
{
	char mark = '~';

	for (int i = 0; i < argc; i++)
		if (strv_add(ret, argv[i]) < 0)
			return fail_oom(e);
	*ret_mark = '\0';
	if (!has_mark(ret, '!'))
		return 0;
	while (strchr("!" MAGIC, mark) || has_mark(ret, mark))
		if (--mark == '\0')
			return fail(e, EINVAL, "too many words have '%s'", MAGIC);
	strv_foreach(w, ret->v)
		(void)change_mark(*w, '!', mark);
	*ret_mark = mark;
	return 0;
}

static int show_magic(void *data, const struct poptOption *opt)
{
	const char *mark = data;
	unsigned int type = opt->argInfo & POPT_ARG_MASK;

	if (type == POPT_ARG_STRING && *(char **)opt->arg)
		(void)change_mark(*(char **)opt->arg, *mark, '!');
	if (type == POPT_ARG_ARGV)
		strv_foreach(w, *(char ***)opt->arg)
			(void)change_mark(*w, *mark, '!');
	return 0;
}

static int count(const char **v)
{
	int n = 0;

	while (v && v[n])
		n++;
	return n;
}

int options_parse(const struct poptOption *options, bool mixed, int argc,
		  const char **argv, struct words *ret, struct volt_error *e)
{
	char mark;
	int help = 0, r;
	const struct poptOption table[] = {
		// clang-format off
		{ NULL, 0, POPT_ARG_INCLUDE_TABLE, (void *)(uintptr_t)options, 0, NULL, NULL },
		{ "help", help_letter(options), POPT_ARG_NONE, &help, 0, NULL, NULL },
		POPT_TABLEEND
		// clang-format on
	};
	_cleanup_(words_done) struct words w = { 0 };

	r = hide_magic(argc, argv, &w.shown, &mark, e);
	if (r < 0)
		return r;
	w.context = poptGetContext("volt", argc, (const char **)w.shown.v, table,
				   mixed ? 0 : POPT_CONTEXT_POSIXMEHARDER);
	if (!w.context)
		return fail_oom(e);

	while ((r = poptGetNextOpt(w.context)) != -1) {
		if (r == POPT_ERROR_UNWANTEDARG &&
		    set_flag(table, poptBadOption(w.context, POPT_BADOPTION_NOALIAS)) ==
			    0)
			continue;
		if (r < -1)
			return bad_option(w.context, r, argv[0], e);
	}
	w.v = poptGetArgs(w.context);
	w.n = count(w.v);
	if (mark) {
		(void)options_each(options, show_magic, &mark);
		strv_foreach(v, (char **)w.v)
			(void)change_mark(*v, mark, '!');
	}
	w.help = help;
	*ret = w;
	w = (struct words){ 0 };
	return 0;
}
