/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

/* Architectures by all their usual names: "amd64" and "x86_64" are one. */
struct platform {
	const char *arch;        /* volt's word: x86_64, arm64, arm, i386, riscv64, … */
	const char *oci_arch;    /* GOARCH: amd64, arm64, arm, 386, riscv64, … */
	const char *oci_variant; /* "v8", "v7", "v6"; NULL: none or any */
};

/* @text is "arm64", "aarch64", "arm/v7", "linux/amd64", "x86-64" …; NULL is the host's.
 * NULL if it is not known. The result is static. */
const struct platform *platform_find(const char *text);

/* The platform of an image's config; NULL if it is not known. */
const struct platform *platform_from_oci(const char *arch, const char *variant);
