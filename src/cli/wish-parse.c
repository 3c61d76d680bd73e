/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/wish-parse.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"

#define LIST_FILE_MAX (1u << 20)

/* Takes ownership of @value. */
static int append(json_t *list, json_t *value, const char *word, struct volt_error *e)
{
	if (json_array_append_new(list, value) < 0)
		return fail(e, EINVAL, "'%s' is not UTF-8", word);
	return 0;
}

static int append_variable(json_t *list, const char *variable, struct volt_error *e)
{
	return append(list, json_string(variable), variable, e);
}

int env_parse(json_t *list, const char *word, struct volt_error *e)
{
	size_t n = strcspn(word, "=");
	bool glob = word[n] == '\0' && n > 0 && word[n - 1] == '*';
	size_t compare = glob ? n - 1 : n;
	int r = 0;

	if (n == 0)
		return fail(e, EINVAL, "variable '%s' has no name", word);
	if (word[n] == '=')
		return append_variable(list, word, e);
	for (char **v = environ; r == 0 && v && *v; v++)
		if (strncmp(*v, word, compare) == 0 && (glob || (*v)[n] == '='))
			r = append_variable(list, *v, e);
	return r;
}

/* Calls @line for each line that says something. */
static int list_file(const char *path,
		     int (*line)(json_t *j, const char *word, struct volt_error *e),
		     json_t *j, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL;
	int r;

	r = read_file_at(AT_FDCWD, path, LIST_FILE_MAX, &text, NULL);
	if (r < 0)
		return fail_code(e, r, "read '%s'", path);
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		l[strcspn(l, "\r")] = '\0';
		while (isspace((unsigned char)*l))
			l++;
		if (!*l || *l == '#')
			continue;
		r = line(j, l, e);
		if (r < 0)
			return fail_in(e, r, "'%s'", path);
	}
	return 0;
}

int env_file_parse(json_t *list, const char *path, struct volt_error *e)
{
	return list_file(path, env_parse, list, e);
}

int label_parse(json_t *labels, const char *word, struct volt_error *e)
{
	size_t n = strcspn(word, "=");
	_cleanup_free_ char *key = strndup(word, n);

	if (!key)
		return fail_oom(e);
	if (n == 0)
		return fail(e, EINVAL, "label '%s' has no name", word);
	if (json_object_set_new(labels, key, json_string(word[n] ? word + n + 1 : "")) <
	    0)
		return fail(e, EINVAL, "label '%s' is not UTF-8", word);
	return 0;
}

int label_file_parse(json_t *labels, const char *path, struct volt_error *e)
{
	return list_file(path, label_parse, labels, e);
}

static int volume_options(const char *text, bool *read_only, const char *word,
			  struct volt_error *e)
{
	_cleanup_free_ char *copy = strdup(text);
	char *save = NULL;
	int seen = 0;

	if (!copy)
		return fail_oom(e);
	for (char *t = strtok_r(copy, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
		bool ro = strcmp(t, "ro") == 0;

		if (!ro && strcmp(t, "rw") != 0)
			return fail(e, EINVAL,
				    "volume '%s': option '%s' is neither 'ro' nor 'rw'",
				    word, t);
		if (seen++)
			return fail(e, EINVAL, "volume '%s': one of 'ro' and 'rw'", word);
		*read_only = ro;
	}
	return 0;
}

static int volume_source(const char *host, const char *word, char **ret,
			 struct volt_error *e)
{
	/* A volume's name, as podman has it. */
	if (!strchr(host, '/') && host[0] != '.') {
		*ret = strdup(host);
		return *ret ? 0 : fail_oom(e);
	}
	*ret = realpath(host, NULL);
	return *ret ? 0 : fail_errno(e, "volume '%s': '%s'", word, host);
}

int volume_parse(json_t *list, const char *word, struct volt_error *e)
{
	_cleanup_free_ char *copy = strdup(word), *source = NULL;
	char *guest, *options = NULL;
	bool read_only = false;
	int r;

	if (!copy)
		return fail_oom(e);
	guest = strchr(copy, ':');
	if (!guest || guest == copy || !guest[1])
		return fail(e, EINVAL, "volume '%s' is not HOST:GUEST[:ro|rw]", word);
	*guest++ = '\0';
	options = strchr(guest, ':');
	if (options)
		*options++ = '\0';
	if (guest[0] != '/')
		return fail(e, EINVAL, "volume '%s': '%s' is not an absolute path", word,
			    guest);
	if (options && (r = volume_options(options, &read_only, word, e)) < 0)
		return r;
	r = volume_source(copy, word, &source, e);
	if (r < 0)
		return r;
	return append(list,
		      json_pack("{s:s, s:s, s:b}", "source", source, "target", guest,
				"read_only", read_only),
		      word, e);
}

int tmpfs_parse(json_t *list, const char *word, struct volt_error *e)
{
	_cleanup_free_ char *copy = strdup(word);
	char *options;

	if (!copy)
		return fail_oom(e);
	options = strchr(copy, ':');
	if (options)
		*options++ = '\0';
	if (copy[0] != '/')
		return fail(e, EINVAL, "tmpfs '%s' is not an absolute path", word);
	return append(list,
		      json_pack("{s:s, s:s}", "target", copy, "options",
				options ? options : ""),
		      word, e);
}

static int put_number(json_t *j, const char *key, int64_t n, struct volt_error *e)
{
	return json_object_set_new(j, key, json_integer(n)) < 0 ? fail_oom(e) : 0;
}

static int whole_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || end == text || *end || !isdigit((unsigned char)text[0]) || n < min ||
	    n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

int log_opt_parse(json_t *log, const char *word, struct volt_error *e)
{
	uint64_t size;
	int64_t n;

	if (strncmp(word, "max-size=", 9) == 0) {
		if (size_parse(word + 9, &size) < 0 || size > INT64_MAX)
			return fail(e, EINVAL, "log option '%s': not a size", word);
		return put_number(log, "max_size", (int64_t)size, e);
	}
	if (strncmp(word, "max-file=", 9) == 0) {
		if (whole_number(word + 9, 1, 1000, &n) < 0)
			return fail(e, EINVAL, "log option '%s': not a number", word);
		return put_number(log, "max_files", n, e);
	}
	return fail(e, EINVAL,
		    "log option '%s' is neither max-size= nor max-file=", word);
}

int restart_parse(const char *word, json_t **ret, struct volt_error *e)
{
	static const char *const policies[] = { "no", "always", "unless-stopped",
						"on-failure" };
	int64_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		if (strcmp(word, policies[i]) != 0)
			continue;
		*ret = json_pack("{s:s}", "policy", policies[i]);
		return *ret ? 0 : fail_oom(e);
	}
	if (strncmp(word, "on-failure:", 11) != 0 ||
	    whole_number(word + 11, 1, 1000000, &n) < 0)
		return fail(e, EINVAL,
			    "restart policy '%s' is none of no, on-failure[:N], always, "
			    "unless-stopped",
			    word);
	*ret = json_pack("{s:s, s:I}", "policy", "on-failure", "max_retries",
			 (json_int_t)n);
	return *ret ? 0 : fail_oom(e);
}

static bool all_strings(const json_t *list)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
		if (!json_is_string(v))
			return false;
	return json_is_array(list);
}

int entrypoint_parse(const char *word, json_t **ret, struct volt_error *e)
{
	json_auto_t *list = NULL;

	if (word[0] == '[')
		list = json_loads(word, JSON_REJECT_DUPLICATES, NULL);
	if (list && all_strings(list)) {
		*ret = TAKE_PTR(list);
		return 0;
	}
	*ret = *word ? json_pack("[s]", word) : json_array();
	return *ret ? 0 : fail(e, EINVAL, "entrypoint '%s' is not UTF-8", word);
}

int memory_parse(const char *word, int64_t *ret, struct volt_error *e)
{
	uint64_t bytes;

	if (size_parse(word, &bytes) < 0 || bytes == 0 || bytes > INT64_MAX)
		return fail(e, EINVAL, "memory '%s' is not a size such as 512m or 2g",
			    word);
	*ret = (int64_t)bytes;
	return 0;
}

int cpus_parse(const char *word, int64_t *ret, struct volt_error *e)
{
	size_t n = strcspn(word, ".");
	_cleanup_free_ char *whole = strndup(word, n);

	if (!whole)
		return fail_oom(e);
	/* Podman's fractions share a host's processors; a guest has whole ones. */
	if (word[n] == '.' && strspn(word + n + 1, "0") != strlen(word + n + 1))
		return fail(e, EINVAL, "cpus '%s': a machine has whole processors", word);
	if (whole_number(whole, 1, 256, ret) < 0)
		return fail(e, EINVAL, "cpus '%s' is not a number from 1 to 256", word);
	return 0;
}

const char *platform_arch(const char *word, struct volt_error *e)
{
	const char *slash = strchr(word, '/');

	if (!slash)
		return word;
	if (strncmp(word, "linux/", 6) == 0 && slash[1])
		return slash + 1;
	(void)fail(e, EINVAL, "platform '%s': only linux/ARCH can run", word);
	return NULL;
}
