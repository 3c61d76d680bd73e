#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the command line itself says, before any machine or image is touched.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"

commands() {
	volt --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'
}

help_goes_to_stdout_and_lists_the_commands() {
	local c
	run volt --help
	status 0
	stderr ''
	for c in run create start stop kill restart wait rm ps inspect logs port attach \
		pull push load save images image tag rmi build login logout kernel \
		info doctor version; do
		stdout_like "^  $c( |\$)"
	done
}

every_command_explains_itself_within_80_columns() {
	local c
	[ "$(commands | wc -l)" -gt 20 ] || bad 'commands in --help' "$(commands)"
	for c in $(commands); do
		run volt "$c" --help
		status 0 || echo "#   $c"
		stderr ''
		stdout_like '^Usage: volt '"$c" || echo "#   $c"
		is "$(awk 'length > 80' "$T/out")" '' "long lines of $c"
	done
}

h_asks_for_help_where_it_is_no_option_of_its_own() {
	run volt -h
	status 0
	stdout "$(volt --help)"
	run volt ps -h
	status 0
	stdout "$(volt ps --help)"
	stdout_like '^  -h, --help '
	run volt run -h name
	status 125
	one_line_error 'something is missing'
}

groups_explain_themselves() {
	local g
	for g in cas image kernel machine qemu system; do
		run volt "$g" --help
		status 0
		stderr ''
		stdout_like "^Usage: volt $g COMMAND"
		stdout_like "^  $g (prune|ls|select) "
		cp "$T/out" "$T/group"
		run volt "$g" -h
		stdout "$(cat "$T/group")"
		run volt help "$g"
		stdout "$(cat "$T/group")"
		run volt "$g"
		status 125
		stdout ''
		stderr "$(cat "$T/group")"
	done
	run volt help kernel ls
	stdout "$(volt kernel ls --help)"
	run volt kernel --frobnicate
	status 125
	one_line_error "'--frobnicate'"
	run volt kernel frobnicate
	status 125
	one_line_error "'kernel frobnicate'"
}

unknown_commands_and_options_are_named() {
	run volt frobnicate
	status 125
	stdout ''
	one_line_error "'frobnicate'"
	run volt run --frobnicate image
	status 125
	stdout ''
	one_line_error 'frobnicate'
	run volt ps --format xml
	status 125
	stderr_like "^volt[a-z ]*: .*xml"
	run volt ps --format '{{.Names}}'
	status 125
	one_line_error 'take json and jq'
	run volt inspect -f '{{.State}}' x
	status 125
	stdout ''
	one_line_error 'jq'
}

missing_arguments_are_said() {
	local c
	for c in run create start stop kill restart wait rm inspect logs attach port pull push tag rmi; do
		run volt "$c"
		status 125 || echo "#   $c"
		stdout ''
		stderr_like '^volt[a-z ]*: ' || echo "#   $c"
	done
}

version_says_which() {
	run volt version
	status 0
	stdout_like '0\.[0-9]+'
	run volt --version
	status 0
}

bad_values_are_refused_with_the_value_and_the_reason() {
	local bad
	while read -r bad; do
		# shellcheck disable=SC2086 # words
		run volt create $bad image
		status 125 || echo "#   $bad"
		one_line_error "'?${bad##* }'?" || echo "#   $bad"
	done <<-'END'
		-p 99999:80
		-p 80:80/sctp
		-p 8080:80,tftp=/
		-p 1.2.3:80:80
		-p 8080-8090:80-81
		-m 12q
		-m 1
		--cpus 0
		--cpus x
		--restart sometimes
		--restart on-failure:x
		--stop-signal SIGFOO
		--stop-timeout x
		--network host
		--accel hvf
		--arch vax
		--name ../up
		--name -x
		-v ./relative:/x
		-v /tmp:relative
		-v /tmp:/x:sideways
		-v /no/such/dir:/x
		--tmpfs relative
		-e =x
		--label =x
	END
	is "$(ls "$VOLT_ROOT/machines" 2>/dev/null)" '' 'machines'
}

lists_are_empty_tables_and_empty_json() {
	local c
	for c in 'ps -a' images 'kernel ls'; do
		# shellcheck disable=SC2086 # words
		run volt $c
		status 0
		is "$(wc -l <"$T/out")" 1 "header of $c"
		# shellcheck disable=SC2086 # words
		run volt $c --format json
		status 0
		is "$(jq -c . "$T/out")" '[]' "$c"
	done
}

machines_that_are_not_there_are_named() {
	local c
	for c in start stop kill restart rm inspect logs wait port attach; do
		run volt "$c" nobody
		case $c in
		rm) status 1 ;;
		*) status 125 ;;
		esac || echo "#   $c"
		case $c in
		inspect) stdout '[]' ;;
		*) stdout '' ;;
		esac || echo "#   $c"
		one_line_error "'nobody'" || echo "#   $c"
	done
}

hostile_machine_names_touch_nothing() {
	# B1
	local name
	mkdir -p "$VOLT_ROOT/machines"
	touch "$VOLT_ROOT/machines-neighbour"
	for name in '' . .. ../x a/../.. /etc 'x y' "$(printf 'a\nb')" "$(head -c 300 /dev/zero | tr '\0' a)"; do
		run volt rm -f -- "$name"
		stdout ''
		is "$(wc -l <"$T/err")" 1 'lines'
		run volt logs -- "$name"
		status 125
	done
	ok test -d "$VOLT_ROOT/machines"
	ok test -e "$VOLT_ROOT/machines-neighbour"
	rm "$VOLT_ROOT/machines-neighbour"
}

ctrl_c_ends_a_password_and_gives_the_terminal_back() {
	cat >"$T/login" <<-END
		trap : INT
		"$VOLT" login -u somebody 127.0.0.1:1
		echo "status \$?"
		stty -a
	END
	run "$here/with-pty" 24x80 'wait:Password: ' 'type:\x03' -- bash "$T/login"
	stdout_like '^status 130'
	stdout_like ' echo '
	run "$here/with-pty" 24x80 'wait:Password: ' 'type:secret\n' -- \
		"$VOLT" login -u somebody 127.0.0.1:1
	status 125
	stdout_like '^volt login: .*127.0.0.1:1'
	unlike "$(cat "$T/out")" secret
}

errors_are_one_line_whatever_is_in_them() {
	run volt run "$(printf 'evil\033[31m\nname')"
	status 125
	is "$(wc -l <"$T/err")" 1
	unlike "$(cat -v "$T/err")" '\^\['
}

a_kernel_that_cannot_be_built_is_said_with_where_one_comes_from() {
	local arch
	for arch in arm64 riscv64 ppc64le mips64el s390x; do
		run volt kernel build --arch "$arch"
		status 125
		stdout ''
		one_line_error "volt has no kernel configuration for $arch; 'volt kernel import --arch $arch' gets Debian's kernel\$"
	done
	run volt kernel build --arch vax
	status 125
	one_line_error "architecture 'vax' is not known"
}

a_root_that_cannot_be_written_is_said() {
	VOLT_ROOT=/proc/nowhere run volt images
	status 125
	one_line_error '/proc/nowhere'
	touch "$T/file"
	run volt --root "$T/file" ps
	status 125
	one_line_error "$T/file"
}

a14_the_root_is_where_it_was_asked_for() {
	local home=$T/home user=()
	mkdir -p "$home/run"
	if [ "$(id -u)" = 0 ]; then
		chmod 755 "$T"
		chown -R 54321:54321 "$home"
		user=(setpriv --reuid=54321 --regid=54321 --clear-groups)
	fi
	root_of() {
		"${user[@]}" env -u VOLT_ROOT HOME="$home" XDG_RUNTIME_DIR="$home/run" "$@" | jq -r .root
	}
	is "$(root_of "$VOLT" info)" "$home/.local/share/volt" HOME
	is "$(root_of XDG_DATA_HOME="$home/data" "$VOLT" info)" "$home/data/volt" XDG_DATA_HOME
	is "$(root_of VOLT_ROOT="$home/env" "$VOLT" info)" "$home/env" VOLT_ROOT
	is "$(root_of VOLT_ROOT="$home/no" "$VOLT" --root "$home/option" info)" "$home/option" '--root'
	not_ok test -e "$home/no"
}

output_to_a_full_or_closed_place_is_a_failure() {
	if [ -e /dev/full ]; then
		"$VOLT" --help >/dev/full 2>"$T/err"
		is $? 125 status
	fi
	"$VOLT" images >&- 2>"$T/err"
	is $? 125 'status with stdout closed'
}

doctor_and_info_say_what_was_found() {
	run volt info --format json
	status 0
	ok jq -e . "$T/out" >/dev/null
	run volt doctor
	stdout_like '[Kk][Vv][Mm]'
	stdout_like '[Qq][Ee][Mm][Uu]'
}

tap_run help_goes_to_stdout_and_lists_the_commands \
	every_command_explains_itself_within_80_columns \
	h_asks_for_help_where_it_is_no_option_of_its_own groups_explain_themselves unknown_commands_and_options_are_named \
	missing_arguments_are_said version_says_which \
	bad_values_are_refused_with_the_value_and_the_reason lists_are_empty_tables_and_empty_json \
	machines_that_are_not_there_are_named hostile_machine_names_touch_nothing \
	ctrl_c_ends_a_password_and_gives_the_terminal_back \
	errors_are_one_line_whatever_is_in_them a_root_that_cannot_be_written_is_said \
	a_kernel_that_cannot_be_built_is_said_with_where_one_comes_from \
	a14_the_root_is_where_it_was_asked_for \
	output_to_a_full_or_closed_place_is_a_failure doctor_and_info_say_what_was_found
