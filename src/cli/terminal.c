/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/terminal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"

/* There is one terminal, and it must be put right wherever the program ends. */
static struct termios saved;
static bool is_raw;

void terminal_restore(void)
{
	if (is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	is_raw = false;
}

int terminal_raw(struct volt_error *e)
{
	static bool registered;
	struct termios raw;

	if (is_raw || !isatty(STDIN_FILENO))
		return 0;
	if (tcgetattr(STDIN_FILENO, &saved) < 0)
		return fail_errno(e, "read the terminal's settings");
	raw = saved;
	cfmakeraw(&raw);
	if (!registered && atexit(terminal_restore) != 0)
		return fail_oom(e);
	registered = true;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
		return fail_errno(e, "put the terminal in raw mode");
	is_raw = true;
	return 0;
}

bool terminal_size(unsigned int *rows, unsigned int *columns)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 &&
	    ioctl(STDIN_FILENO, TIOCGWINSZ, &w) < 0)
		return false;
	*rows = w.ws_row;
	*columns = w.ws_col;
	return true;
}

static int key_parse(const char *name)
{
	static const char controls[] = "@abcdefghijklmnopqrstuvwxyz[\\]^_";
	char letter = name[0] ? name[strlen(name) - 1] : '\0';

	if (letter >= 'A' && letter <= 'Z')
		letter = (char)(letter | 0x20);
	if (strlen(name) == 1)
		return (unsigned char)name[0];
	if (strlen(name) != 6 || strncmp(name, "ctrl-", 5) != 0)
		return -EINVAL;
	for (int i = 0; controls[i]; i++)
		if (controls[i] == letter)
			return i;
	return -EINVAL;
}

int detach_keys_parse(const char *text, struct detach_keys *ret, struct volt_error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	struct detach_keys k = { 0 };
	char *save = NULL;

	if (!copy)
		return fail_oom(e);
	for (char *t = strtok_r(copy, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
		int key = key_parse(t);

		if (key < 0 || k.n == DETACH_KEYS_MAX)
			return fail(e, EINVAL,
				    "detach keys '%s' are not like 'ctrl-p,ctrl-q'",
				    text);
		k.keys[k.n++] = (unsigned char)key;
	}
	*ret = k;
	return 0;
}

/* Lets go of as few held keys as leave the beginning of the sequence held. */
static size_t release(struct detach_keys *k, unsigned char *out)
{
	size_t n = 1;

	while (memcmp(k->keys, k->keys + n, k->seen - n) != 0)
		n++;
	memcpy(out, k->keys, n);
	k->seen -= n;
	return n;
}

bool detach_keys_filter(struct detach_keys *k, const unsigned char *in, size_t size,
			unsigned char *out, size_t *out_size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		/* What was held back may not be the beginning after all. */
		while (k->seen > 0 && in[i] != k->keys[k->seen])
			n += release(k, out + n);
		if (k->n == 0 || in[i] != k->keys[k->seen]) {
			out[n++] = in[i];
		} else if (++k->seen == k->n) {
			*out_size = n;
			return true;
		}
	}
	*out_size = n;
	return false;
}
