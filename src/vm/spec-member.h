/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "volt.h"

#include "base/digest.h"
#include "base/strv.h"

#define SPEC_STRING_MAX (128u << 10) /* Linux refuses a longer argument */

/* Is it there, and not null? */
bool spec_has(const json_t *j, const char *key);

/* Members of a machine's wish as what they must be, else -EINVAL with their name. One that is
 * absent or null leaves *@ret as it is. */

/* An owned copy. */
int spec_get_text(const json_t *j, const char *key, char **ret, struct volt_error *e);

/* One of @n texts, as its index. */
int spec_get_choice(const json_t *j, const char *key, const char *const *texts, size_t n,
		    unsigned int *ret, struct volt_error *e);

/* Appends; @ret_given may be NULL. */
int spec_get_strings(const json_t *j, const char *key, struct strv *ret, bool *ret_given,
		     struct volt_error *e);

/* Each NAME=VALUE. */
int spec_get_env(const json_t *j, const char *key, struct strv *ret,
		 struct volt_error *e);

/* "stop_signal" */
int spec_get_signal(const json_t *j, int *ret, struct volt_error *e);

/* Of an image. */
int spec_get_digest(const json_t *j, const char *key, bool required, struct digest *ret,
		    struct volt_error *e);

int spec_get_uint(const json_t *j, const char *key, int64_t max, unsigned int *ret,
		  struct volt_error *e);
