/* SPDX-License-Identifier: Apache-2.0 */

#define ARCHIVE_NO_REDIRECT
#include "base/libarchive.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "base/error.h"

#define SONAME "libarchive.so.13"

struct archive_library archive_library;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char why[256]; /* not loaded because of this; "": loaded */

static void load(void)
{
	struct archive_library l = { 0 };
	void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
	const char *text;

	/* Before the next call of dlerror() replaces it. */
#define ARCHIVE_FIND(f) \
	if (handle)     \
		l.f = (typeof(l.f))dlsym(handle, #f);
	ARCHIVE_FUNCTIONS(ARCHIVE_FIND)
#undef ARCHIVE_FIND
	text = dlerror();
	if (text)
		(void)snprintf(why, sizeof(why), "%s", text);
	else
		archive_library = l;
}

int archive_load(struct volt_error *e)
{
	(void)pthread_once(&once, load);
	if (why[0])
		return fail(e, ENOENT, "load libarchive: %s; apt install libarchive13",
			    why);
	return 0;
}
