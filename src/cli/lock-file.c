/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/lock-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "base/json.h"
#include "base/path.h"

#define LOCK_FILE_MAX (1u << 20)

int lock_file_read(const char *path, json_t *spec, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL, *what = NULL;
	json_auto_t *j = NULL;
	size_t size = 0;
	int r = read_file_at(AT_FDCWD, path, LOCK_FILE_MAX, &text, &size);

	if (r < 0)
		return fail_code(e, r, "read lock '%s'", path);
	if (asprintf(&what, "lock '%s'", path) < 0)
		return fail_oom(e);
	r = json_parse(text, size, what, &j, e);
	if (r < 0)
		return r;
	if (!json_is_object(j))
		return fail(e, EBADMSG, "%s is not an object", what);
	return json_object_set(spec, "lock", j) < 0 ? fail_oom(e) : 0;
}

/* Splits @path; what is written is a name in a directory. */
static int open_directory(const char *path, const char **ret_name)
{
	_cleanup_free_ char *dir = NULL;
	const char *slash = strrchr(path, '/');
	int fd;

	*ret_name = slash ? slash + 1 : path;
	if (!path_is_name(*ret_name))
		return -EISDIR;
	dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* By making a file: permissions alone say nothing to root, or of a full disk. */
static int try_directory(int dir)
{
	_cleanup_close_ int fd = -1;
	char tmp[TMP_NAME_SIZE];
	int r = tmp_name(tmp);

	if (r < 0)
		return r;
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 || unlinkat(dir, tmp, 0) < 0 ? -errno : 0;
}

int lock_file_check(const char *path, struct volt_error *e)
{
	_cleanup_close_ int dir = -1;
	const char *name;
	struct stat st;
	int r;

	dir = open_directory(path, &name);
	r = dir < 0 ? dir : try_directory(dir);
	if (r >= 0 && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		r = -EISDIR;
	return r < 0 ? fail_code(e, r, "write lock '%s'", path) : 0;
}

/* For people, and for what compares versions of a file line by line. */
static char *indented(const char *text)
{
	json_auto_t *j = json_loads(text, 0, NULL);
	_cleanup_free_ char *pretty = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
	char *line = NULL;

	return pretty && asprintf(&line, "%s\n", pretty) >= 0 ? line : NULL;
}

int lock_file_write(const char *path, struct volt_machine *m, struct volt_error *e)
{
	_cleanup_free_ char *text = NULL, *pretty = NULL;
	_cleanup_close_ int dir = -1;
	const char *name;
	int r = volt_machine_lock(m, &text, e);

	if (r < 0)
		return r;
	pretty = indented(text);
	if (!pretty)
		return fail_oom(e);
	dir = open_directory(path, &name);
	r = dir < 0 ? dir : write_file_atomic(dir, name, pretty, strlen(pretty), 0644);
	return r < 0 ? fail_code(e, r, "write lock '%s'", path) : 0;
}
