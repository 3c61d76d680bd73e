/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text from outside in a unit file. systemd takes a line apart in steps, each of which has
 * characters of its own: lines and continuation (newline, backslash), words (space, quotes,
 * backslash), specifiers (%), in commands variables ($) and ";" between two of them. What is
 * in double quotes, with backslash escapes, "%%" and "$$", comes out of all of them as it
 * went in. A file must be UTF-8, and systemd's idea of that knows no noncharacters, so those
 * are escaped byte by byte as control characters are.
 */

#include "lib/unit-text.h"

#include <ctype.h>
#include <string.h>

#define UNIT_NAME_MAX 255

/* U+FDD0 … U+FDEF and the last two of each plane; @s is valid UTF-8. Their length, or 0. */
static size_t noncharacter(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;

	if (u[0] == 0xef && u[1] == 0xb7 && u[2] >= 0x90 && u[2] <= 0xaf)
		return 3;
	if (u[0] == 0xef && u[1] == 0xbf && u[2] >= 0xbe)
		return 3;
	if (u[0] >= 0xf0 && (u[1] & 0x0f) == 0x0f && u[2] == 0xbf && u[3] >= 0xbe)
		return 4;
	return 0;
}

static void put_char(FILE *f, char c, bool is_command)
{
	if (c == '"' || c == '\\')
		(void)fprintf(f, "\\%c", c);
	else if (c == '%' || (c == '$' && is_command))
		(void)fprintf(f, "%c%c", c, c);
	else if (c == '\n')
		(void)fputs("\\n", f);
	else if (iscntrl((unsigned char)c))
		(void)fprintf(f, "\\x%02x", (unsigned char)c);
	else
		(void)fputc(c, f);
}

static void put_quoted(FILE *f, const char *text, bool is_command)
{
	size_t escaped = 0;

	(void)fputc('"', f);
	for (; *text; text++) {
		if (!escaped)
			escaped = noncharacter(text);
		if (!escaped) {
			put_char(f, *text, is_command);
			continue;
		}
		(void)fprintf(f, "\\x%02x", (unsigned char)*text);
		escaped--;
	}
	(void)fputc('"', f);
}

/* What needs no quotes, so that the usual unit reads well. */
static bool is_plain(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/_.,:=+@-[]{}()<>";

	return *text && text[strspn(text, plain)] == '\0';
}

void unit_argument(FILE *f, const char *text)
{
	(void)fputc(' ', f);
	if (is_plain(text))
		(void)fputs(text, f);
	else
		put_quoted(f, text, true);
}

void unit_variable(FILE *f, const char *assignment)
{
	put_quoted(f, assignment, false);
}

bool unit_path(FILE *f, const char *path)
{
	/* No escapes but of quotes and backslashes in this place. */
	for (const char *p = path; *p; p++)
		if (iscntrl((unsigned char)*p) || noncharacter(p))
			return false;
	if (is_plain(path))
		(void)fputs(path, f);
	else
		put_quoted(f, path, false);
	return true;
}

bool unit_program_is_valid(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *p = path; *p; p++)
		if (iscntrl((unsigned char)*p) || strchr("\"'\\", *p) || noncharacter(p))
			return false;
	return true;
}

bool unit_name_is_valid(const char *name)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789:-_.\\@";

	return strlen(name) <= UNIT_NAME_MAX && name[0] != '.' && strchr(name, '.') &&
	       name[strspn(name, allowed)] == '\0';
}
