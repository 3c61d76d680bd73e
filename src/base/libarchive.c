/* SPDX-License-Identifier: Apache-2.0 */

#define ARCHIVE_NO_REDIRECT
#include "base/libarchive.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"

#define SONAME "libarchive.so.13"

struct archive_library archive_library;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char why[256]; /* not loaded because of this; "": loaded */

#define ARCHIVE_PLACE(f) { #f, offsetof(struct archive_library, f) },
static const struct {
	const char *name;
	size_t offset;
} functions[] = { ARCHIVE_FUNCTIONS(ARCHIVE_PLACE) };
#undef ARCHIVE_PLACE

static void load(void)
{
	struct archive_library l = { 0 };
	void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
	void *function = handle;

	for (size_t i = 0; function && i < ARRAY_SIZE(functions); i++) {
		function = dlsym(handle, functions[i].name);
		memcpy((char *)&l + functions[i].offset, &function, sizeof(function));
	}
	if (function)
		archive_library = l;
	else
		(void)snprintf(why, sizeof(why), "%s", dlerror());
}

int archive_load(struct volt_error *e)
{
	(void)pthread_once(&once, load);
	if (why[0])
		return fail(e, ENOENT, "load libarchive: %s; apt install libarchive13",
			    why);
	return 0;
}
