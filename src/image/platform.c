/* SPDX-License-Identifier: Apache-2.0 */
#include "image/platform.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "base/macro.h"

/* The first of each architecture is what it is without a variant. */
static const struct platform platforms[] = {
	{ "x86_64", "amd64", NULL },
	{ "arm64", "arm64", "v8" },
	{ "arm", "arm", "v7" },
	{ "armv6", "arm", "v6" },
	{ "armv5", "arm", "v5" },
	{ "i386", "386", NULL },
	{ "riscv64", "riscv64", NULL },
	{ "ppc64le", "ppc64le", NULL },
	{ "ppc64", "ppc64", NULL },
	{ "s390x", "s390x", NULL },
	{ "mips64el", "mips64le", NULL },
	{ "mips64", "mips64", NULL },
	{ "mipsel", "mipsle", NULL },
	{ "mips", "mips", NULL },
	{ "loongarch64", "loong64", NULL },
};

static const struct {
	const char *name, *arch;
} aliases[] = {
	{ "x86-64", "x86_64" },   { "x64", "x86_64" },
	{ "aarch64", "arm64" },   { "arm64/v8", "arm64" },
	{ "arm/v8", "arm64" },    { "armhf", "arm" },
	{ "armv7", "arm" },       { "armv7l", "arm" },
	{ "arm/v7", "arm" },      { "arm32v7", "arm" },
	{ "arm64v8", "arm64" },   { "armel", "armv5" },
	{ "arm/v6", "armv6" },    { "armv6l", "armv6" },
	{ "arm/v5", "armv5" },    { "x86", "i386" },
	{ "i486", "i386" },       { "i586", "i386" },
	{ "i686", "i386" },       { "powerpc64le", "ppc64le" },
	{ "ppc64el", "ppc64le" }, { "loongarch", "loongarch64" },
};

static const struct platform *find_name(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
		if (strcasecmp(text, platforms[i].arch) == 0)
			return &platforms[i];
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
		if (strcasecmp(text, platforms[i].oci_arch) == 0)
			return &platforms[i];
	return NULL;
}

const struct platform *platform_find(const char *text)
{
	struct utsname u;

	if (!text) {
		if (uname(&u) < 0)
			return NULL;
		text = u.machine;
	}
	if (strncasecmp(text, "linux/", 6) == 0)
		text += 6;
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcasecmp(text, aliases[i].name) == 0)
			return find_name(aliases[i].arch);
	return find_name(text);
}

const struct platform *platform_from_oci(const char *arch, const char *variant)
{
	for (size_t i = 0; variant && i < ARRAY_SIZE(platforms); i++)
		if (strcmp(arch, platforms[i].oci_arch) == 0 &&
		    platforms[i].oci_variant &&
		    strcmp(variant, platforms[i].oci_variant) == 0)
			return &platforms[i];
	for (size_t i = 0; i < ARRAY_SIZE(platforms); i++)
		if (strcmp(arch, platforms[i].oci_arch) == 0)
			return &platforms[i];
	return NULL;
}
