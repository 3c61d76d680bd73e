/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/cmd.h"

static const struct poptOption options[] = { POPT_TABLEEND };

/* Each shell asks `volt complete -- WORD...` what could stand in place of the last word,
 * so that commands, options and names come from the tables and the store alone. A line
 * that is ":file" leaves it to the shell's own completion of files. Lines are compared, never
 * expanded: bash's own `compgen -W` would run what stands in $(...). */
static const char bash[] = "# bash completion for volt; made by 'volt completion bash'\n"
			   "_volt() {\n"
			   "	local word words cur=${COMP_WORDS[COMP_CWORD]}\n"
			   "	mapfile -t words < <(\"${COMP_WORDS[0]}\" complete -- "
			   "\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
			   "	COMPREPLY=()\n"
			   "	for word in \"${words[@]}\"; do\n"
			   "		if [[ $word == :file ]]; then\n"
			   "			compopt -o default\n"
			   "		elif [[ $word == \"$cur\"* ]]; then\n"
			   "			COMPREPLY+=(\"$word\")\n"
			   "		fi\n"
			   "	done\n"
			   "}\n"
			   "complete -F _volt volt\n";

static const char zsh[] =
	"#compdef volt\n"
	"# zsh completion for volt; made by 'volt completion zsh'\n"
	"_volt() {\n"
	"	local -a found\n"
	"	found=(${(f)\"$(\"$words[1]\" complete -- \"${(@)words[2,CURRENT]}\" "
	"2>/dev/null)\"})\n"
	"	if (( ${found[(Ie):file]} )); then\n"
	"		_files\n"
	"		found=(${found:#:file})\n"
	"	fi\n"
	"	compadd -a found\n"
	"}\n"
	"if [ \"$funcstack[1]\" = _volt ]; then _volt \"$@\"; else compdef _volt volt; fi\n";

static const char fish[] =
	"# fish completion for volt; made by 'volt completion fish'\n"
	"function __volt_complete\n"
	"	set -l found (volt complete -- (commandline -opc)[2..-1] (commandline -ct) "
	"2>/dev/null)\n"
	"	if contains -- :file $found\n"
	"		__fish_complete_path (commandline -ct)\n"
	"	end\n"
	"	string match -v -- :file $found\n"
	"end\n"
	"complete -c volt -f -a '(__volt_complete)'\n";

static int run(struct volt_ctx *ctx, int argc, const char **argv, struct volt_error *e)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = { { "bash", bash }, { "fish", fish }, { "zsh", zsh } };

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		if (strcmp(argv[0], scripts[i].shell) != 0)
			continue;
		(void)fputs(scripts[i].script, stdout);
		return 0;
	}
	return fail(e, EINVAL, "shell '%s' is none of bash, zsh, fish", argv[0]);
}

const struct cmd cmd_completion = {
	.name = "completion",
	.args = "bash|zsh|fish",
	.help = "Print a script that completes volt's commands in a shell",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.standalone = true,
	.run = run,
};
