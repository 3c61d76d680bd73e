/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "volt.h"

/* What users write in options, as members of the wish. Each returns 0, or a negative errno
 * and a message that quotes what was written. */

/* "KEY=VALUE", "KEY" (the caller's value, left out where there is none), "KEY*". */
int env_parse(json_t *list, const char *word, struct volt_error *e);

/* A line each as above; empty lines and those that begin with # are skipped. */
int env_file_parse(json_t *list, const char *path, struct volt_error *e);

/* "KEY=VALUE" or "KEY". */
int label_parse(json_t *labels, const char *word, struct volt_error *e);
int label_file_parse(json_t *labels, const char *path, struct volt_error *e);

/* "HOST:GUEST[:ro|rw]"; HOST may be relative and must exist. */
int volume_parse(json_t *list, const char *word, struct volt_error *e);

/* "DIR[:OPTIONS]". */
int tmpfs_parse(json_t *list, const char *word, struct volt_error *e);

/* "max-size=10m", "max-file=3". */
int log_opt_parse(json_t *log, const char *word, struct volt_error *e);

/* "no", "on-failure[:N]", "always", "unless-stopped". */
int restart_parse(const char *word, json_t **ret, struct volt_error *e);

/* A program, or a JSON array of strings. "" is an empty array: no entrypoint. */
int entrypoint_parse(const char *word, json_t **ret, struct volt_error *e);

int memory_parse(const char *word, int64_t *ret, struct volt_error *e);
int cpus_parse(const char *word, int64_t *ret, struct volt_error *e);

/* What stands for the architecture in "[linux/]ARCH[/VARIANT]", borrowed from @word;
 * NULL: another system. */
const char *platform_arch(const char *word, struct volt_error *e);
