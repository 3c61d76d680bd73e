/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "volt.h"

/* Limit for one of volt's own JSON files and for any JSON taken from outside. */
#define JSON_FILE_MAX (16u << 20)

/* Parses @size bytes; duplicate keys and text that is not UTF-8 are errors. @what names
 * the document in the message. The caller owns *@ret. */
int json_parse(const char *text, size_t size, const char *what, json_t **ret,
	       struct volt_error *e);

/* Reads and parses a file below @dirfd. -ENOENT is returned without a message about
 * JSON, so that callers can tell "absent" from "broken" (-EBADMSG). */
int json_read_at(int dirfd, const char *path, json_t **ret, struct volt_error *e);

/* Writes @j with write_file_atomic(), mode @mode, keys sorted, indented by two. */
int json_write_at(int dirfd, const char *name, const json_t *j, mode_t mode,
		  struct volt_error *e);

/* As text, for a socket or the CLI. The caller frees. NULL: out of memory. */
char *json_text(const json_t *j);

/* Any bytes as text that JSON takes, for reading: what is no character of UTF-8, or NUL, is
 * \xHH. The caller frees. NULL: out of memory. */
char *json_readable(const char *bytes, size_t size);
json_t *json_bytes(const char *bytes, size_t size);

/* Typed members of an object. An absent member leaves *@ret as it is and returns 0; one
 * of the wrong type or out of range is -EINVAL with a message that names @key. Strings
 * are borrowed from @j. */
int json_get_string(const json_t *j, const char *key, const char **ret,
		    struct volt_error *e);
int json_get_bool(const json_t *j, const char *key, bool *ret, struct volt_error *e);
int json_get_int(const json_t *j, const char *key, int64_t min, int64_t max, int64_t *ret,
		 struct volt_error *e);
int json_get_array(const json_t *j, const char *key, json_t **ret, struct volt_error *e);
int json_get_object(const json_t *j, const char *key, json_t **ret, struct volt_error *e);

/* -EINVAL and a message naming it if @j has a member that is not in @known (NULL ends). */
int json_only(const json_t *j, const char *what, const char *const *known,
	      struct volt_error *e);
