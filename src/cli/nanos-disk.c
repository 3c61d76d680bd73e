/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/nanos-disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

int open_nanos_disk(struct volt_ctx *ctx, const char *disk, const char *base, bool bootfs,
		    struct volt_nanos **ret, struct volt_error *e)
{
	json_auto_t *j = json_pack("{s:b}", "bootfs", bootfs);
	_cleanup_free_ char *text = NULL;

	if (base && json_object_set_new(j, "base", json_string(base)) < 0)
		return fail(e, EINVAL, "option '--base': '%s' is not UTF-8", base);
	text = json_text(j);
	return text ? volt_nanos_open(ctx, disk, text, ret, e) : fail_oom(e);
}

void print_name(FILE *f, const char *name)
{
	_cleanup_free_ char *copy = strdup(name);

	if (copy)
		make_printable(copy);
	(void)fputs(copy ? copy : "?", f);
}
