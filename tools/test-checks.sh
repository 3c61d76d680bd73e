#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tools/check-* pass on this tree, and fail with the right words on one that is wrong.
build=$(realpath "${1:-build}")
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib/tap.sh
. "$top/tests/lib/tap.sh"
tools=$top/tools

# wrong FILE TEXT: a tree with one file more, which check-layers must name.
wrong_layer() {
	local file=$1 text=$2
	printf '%s\n' "$text" >"$T/tree/$file"
	run "$tools/check-layers" "$T/tree"
	status 1 || echo "#   $file"
	stdout_like "${file##*/}"
	rm "$T/tree/$file"
}

this_tree_keeps_its_layers() {
	run "$tools/check-layers" "$top"
	status 0
	stdout ''
}

includes_to_the_right_are_seen() {
	mkdir "$T/tree"
	cp -r "$top/src" "$top/guest-init" "$top/include" "$T/tree"
	run "$tools/check-layers" "$T/tree"
	status 0
	wrong_layer src/base/x.c '#include "store/store.h"'
	wrong_layer src/store/x.h ' #  include "vm/machine.h"'
	wrong_layer src/image/x.c '#include "rootfs/rootfs.h"'
	wrong_layer src/cli/x.c '#include "vm/machine.h"'
	wrong_layer src/cli/x.h '#include "lib/internal.h"'
	wrong_layer src/supervisor/x.c '#include "lib/internal.h"'
	wrong_layer src/vm/x.c '#include "guest-init/init.h"'
	wrong_layer src/lib/x.c '#include "../vm/internal.h"'
	wrong_layer guest-init/x.c '#include "base/error.h"'
	mkdir "$T/tree/src/other"
	run "$tools/check-layers" "$T/tree"
	status 1
	stdout_like '^src/other/: is no layer'
}

this_tree_s_pages_are_right() {
	run "$tools/check-man" "$build"
	status 0
	stdout ''
}

pages_that_are_wrong_are_seen() {
	cp -r "$top/man" "$T/man"
	rm "$T/man/volt-stop.1.scd"
	echo >"$T/man/volt-nosuch.1.scd"
	sed -i '/^\*--cidfile\*/d' "$T/man/volt-run.1.scd"
	sed -i 's/^\*-t\*, \*--time\*/*--time*/' "$T/man/volt-rm.1.scd"
	sed -i 's/^\*volt kill\*.*/*volt kill* _MACHINE_/' "$T/man/volt-kill.1.scd"
	sed -i 's/volt image rm/volt image em/' "$T/man/volt-rmi.1.scd"
	sed -i 's/^\*stop_timeout\*/stop timeout/' "$T/man/volt.json.5.scd"
	VOLT_MAN=$T/man run "$tools/check-man" "$build"
	status 1
	stdout_like '^volt-stop.1.scd: is not there$'
	stdout_like '^volt-nosuch.1.scd: there is no such command$'
	stdout_like '^volt-run.1.scd: lacks \*--cidfile\* _FILE_$'
	stdout_like '^volt-rm.1.scd: lacks \*-t\*, \*--time\* _SECONDS_$'
	stdout_like '^volt-rm.1.scd: has \*--time\* _SECONDS_, which the command has not$'
	stdout_like '^volt-kill.1.scd: synopsis is '
	stdout_like "^volt-rmi.1.scd: does not say 'volt image rm'$"
	stdout_like "^volt.json.5.scd: does not describe 'stop_timeout'$"
}

the_library_exports_what_it_says() {
	run "$tools/check-symbols" "$build"
	status 0
	stdout ''
}

functions_that_are_not_exported_or_documented_are_seen() {
	sed '/volt_pull;/d' "$top/src/lib/libvolt.sym" >"$T/sym"
	sed -e '/^ \* @policy:/d' -e '0,/^ \* Since: 0.1/s///' -e 's/^int volt_login(/int volt_logon(/' \
		-e 's/^ \* @image:       a local image$/ */' "$top/include/volt.h" >"$T/volt.h"
	VOLT_HEADER=$T/volt.h VOLT_SYM=$T/sym run "$tools/check-symbols" "$build"
	status 1
	stdout_like '^volt_pull: is declared in volt.h but not in libvolt.sym$'
	stdout_like '^volt_pull: is exported but not in libvolt.sym$'
	stdout_like '^volt_logon: is declared in volt.h but not in libvolt.sym$'
	stdout_like '^volt_login: is in libvolt.sym but not declared in volt.h$'
	stdout_like '^volt_version \(Since:\): lacks documentation$'
	stdout_like '^volt_push \(@image\): lacks documentation$'
	stdout_like '^volt_logon \(no comment of its own\): lacks documentation$'
}

completion_offers_what_the_tables_have() {
	run "$tools/check-completion" "$build"
	status 0
	stdout ''
}

a_program_that_offers_too_little_is_seen() {
	cat >"$T/volt" <<-END
		#!/bin/sh
		[ "\$1" = complete ] && { "$build/volt" "\$@" | grep -v -e '^--detach$' -e '^stop$'; exit; }
		exec "$build/volt" "\$@"
	END
	chmod +x "$T/volt"
	VOLT=$T/volt run "$tools/check-completion" "$build"
	status 1
	stdout_like '^commands: lacks stop$'
	stdout_like '^run: lacks --detach$'
}

tap_run this_tree_keeps_its_layers includes_to_the_right_are_seen this_tree_s_pages_are_right \
	pages_that_are_wrong_are_seen the_library_exports_what_it_says \
	functions_that_are_not_exported_or_documented_are_seen \
	completion_offers_what_the_tables_have a_program_that_offers_too_little_is_seen
