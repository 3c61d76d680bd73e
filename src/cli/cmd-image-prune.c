/* SPDX-License-Identifier: Apache-2.0 */

#include <stdio.h>

#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/prune.h"

static int all, force;

static const struct poptOption options[] = { OPTION_PRUNE_ALL(&all), OPTION_FORCE(&force),
					     POPT_TABLEEND };

int prune_images(struct volt_ctx *ctx, bool every, struct volt_error *e)
{
	json_auto_t *j = NULL;
	char *text, size[HUMAN_SIZE];
	json_t *id;
	size_t i;
	int r;

	r = volt_image_prune(ctx, every, &text, e);
	if (r == 0)
		r = parse_answer(text, &j, e);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(j, "deleted"), i, id)
		(void)puts(json_string_value(id));
	(void)fprintf(stderr, "freed %s\n",
		      human_size((uint64_t)member_int(j, "bytes"), size));
	return 0;
}

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	int r = ask(force,
		    all ? "Remove every image that no machine uses?"
			: "Remove every image without a name?",
		    e);

	return r <= 0 ? r : prune_images(ctx, all, e);
}

const struct cmd cmd_image_prune = {
	.name = "image prune",
	.args = "",
	.help = "Remove images that nothing needs",
	.options = options,
	.run = run,
};
