/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "profile/recipe.h"
#include "profile/source.h"

/* What the files of a compilation share. In the work directory: source/, object/ (where it
 * is compiled), meson/ (only if this host's is too old) and result/. */
struct source_build {
	const struct profile_source *o;
	const struct log *log;
	const char *name; /* of the profile */
	struct recipe recipe;
	struct workdir work;
	bool own_meson;
	unsigned int tenths; /* of the compilation, that were told */
};

/* -ENOENT with all packages of the recipe that are missing, and how to install them. */
int source_check_packages(const struct source_build *b, struct volt_error *e);

/* Makes source/, and meson/ where it is needed. */
int source_get(struct source_build *b, struct volt_error *e);

/* From source/ to object/qemu-system-… of every target. */
int source_compile(struct source_build *b, struct volt_error *e);
