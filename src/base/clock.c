/* SPDX-License-Identifier: Apache-2.0 */

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/io.h"

#define NS_PER_S INT64_C(1000000000)

static int64_t clock_read(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t clock_wall(void)
{
	return clock_read(CLOCK_REALTIME);
}

int64_t clock_monotonic(void)
{
	return clock_read(CLOCK_BOOTTIME);
}

const char *clock_text(int64_t ns, char text[static CLOCK_TEXT_SIZE])
{
	time_t s = ns / NS_PER_S;
	long rest = ns % NS_PER_S;
	struct tm tm;
	char day[24];

	if (rest < 0) {
		rest += NS_PER_S;
		s--;
	}
	(void)gmtime_r(&s, &tm);
	(void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text, CLOCK_TEXT_SIZE, "%.20s.%09uZ", day,
		       (unsigned int)rest % 1000000000u);
	return text;
}

/* ".123456789…": digits after the ninth are dropped. */
static const char *parse_fraction(const char *s, int64_t *ret_ns)
{
	int64_t unit = NS_PER_S;

	*ret_ns = 0;
	if (*s != '.' || !isdigit((unsigned char)s[1]))
		return s;
	for (s++; isdigit((unsigned char)*s); s++) {
		unit /= 10;
		*ret_ns += (*s - '0') * unit;
	}
	return s;
}

/* Two digits, or -1. */
static int two_digits(const char *s)
{
	if (!isdigit((unsigned char)s[0]) || !isdigit((unsigned char)s[1]))
		return -1;
	return (s[0] - '0') * 10 + s[1] - '0';
}

/* "Z" or "+hh:mm"; NULL when it is neither. */
static const char *parse_offset(const char *s, long *ret_seconds)
{
	int h, m;

	*ret_seconds = 0;
	if (*s == 'Z' || *s == 'z')
		return s + 1;
	if (*s != '+' && *s != '-')
		return NULL;
	h = two_digits(s + 1);
	m = h >= 0 && s[3] == ':' ? two_digits(s + 4) : -1;
	if (m < 0 || h > 23 || m > 59)
		return NULL;
	*ret_seconds = (h * 60L + m) * 60 * (*s == '-' ? -1 : 1);
	return s + 6;
}

int clock_parse(const char *text, int64_t *ret)
{
	struct tm tm = { 0 };
	int64_t fraction;
	long offset;
	time_t s;
	const char *p = strptime(text, "%Y-%m-%d", &tm);

	if (!p || (*p != 'T' && *p != 't' && *p != ' '))
		return -EINVAL;
	p = strptime(p + 1, "%H:%M:%S", &tm);
	if (!p)
		return -EINVAL;
	p = parse_offset(parse_fraction(p, &fraction), &offset);
	/* Nanoseconds since 1970 fit 64 bits in the years 1678 to 2261. */
	if (!p || *p || tm.tm_year < 1678 - 1900 || tm.tm_year > 2261 - 1900)
		return -EINVAL;
	s = timegm(&tm) - offset;
	*ret = s * NS_PER_S + fraction;
	return 0;
}

/* Digits with an optional fraction; no sign, exponent, "inf" or hexadecimal. Not strtod(),
 * whose point is what the caller's locale says. */
static const char *parse_decimal(const char *s, double *ret)
{
	size_t whole = strspn(s, "0123456789");
	size_t all = whole;
	double value = 0, scale = 1;

	if (s[whole] == '.')
		all += 1 + strspn(s + whole + 1, "0123456789");
	if (whole == 0 || all > 30)
		return NULL;
	for (size_t i = 0; i < all; i++) {
		if (i == whole)
			continue;
		value = value * 10 + (s[i] - '0');
		if (i > whole)
			scale *= 10;
	}
	*ret = value / scale;
	return s + all;
}

int duration_parse(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 },     { "us", 1e3 }, { "ms", 1e6 },
		      { "h", 3.6e12 }, { "m", 6e10 }, { "s", 1e9 } };
	double total = 0, value;

	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t i = 0;

		text = parse_decimal(text, &value);
		if (!text)
			return -EINVAL;
		while (i < ARRAY_SIZE(units) &&
		       strncmp(text, units[i].name, strlen(units[i].name)) != 0)
			i++;
		if (i == ARRAY_SIZE(units))
			return -EINVAL;
		total += value * units[i].ns;
		text += strlen(units[i].name);
	}
	if (total >= 9.2e18)
		return -EINVAL;
	*ret_ns = (int64_t)total;
	return 0;
}

/* "", "b", "k", "kb", "KiB", "m", …: how often the number doubles, or -1. */
static int unit_shift(const char *s)
{
	static const char letters[] = "bkmgtpBKMGTP";
	const char *letter = strchr(letters, *s);
	int shift;

	if (*s == '\0')
		return 0;
	if (!letter)
		return -1;
	shift = 10 * (int)((letter - letters) % 6);
	s++;
	if (*s == '\0')
		return shift;
	return shift > 0 && (strcasecmp(s, "b") == 0 || strcasecmp(s, "ib") == 0) ? shift
										  : -1;
}

int size_parse(const char *text, uint64_t *ret)
{
	double value;
	const char *p = parse_decimal(text, &value);
	int shift = p ? unit_shift(p) : -1;

	if (shift < 0)
		return -EINVAL;
	value = ldexp(value, shift);
	if (value >= 0x1p63)
		return -ERANGE;
	*ret = (uint64_t)value;
	return 0;
}

int boot_id(char id[static BOOT_ID_SIZE])
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &text,
			     &size);

	if (r < 0)
		return r;
	if (size < BOOT_ID_SIZE - 1)
		return -EIO;
	memcpy(id, text, BOOT_ID_SIZE - 1);
	id[BOOT_ID_SIZE - 1] = 0;
	return 0;
}
