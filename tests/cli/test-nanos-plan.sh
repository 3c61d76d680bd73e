#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a Nanos guest gets of real images, and which programs are refused.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
load busybox nginx python static

# plan QUERY ARGUMENT…: what jq makes of a plan.
plan() {
	local query=$1
	shift
	volt nanos plan --format json "$@" >"$T/plan" || return
	jq -r "$query" "$T/plan"
}

# has FILE, lacks FILE: of the list in $T/out.
has() {
	grep -qxF "$1" "$T/out" || bad "lacks $1"
}
lacks() {
	! grep -qxF "$1" "$T/out" || bad "has $1"
}

a_static_program_is_alone() {
	is "$(plan .program static)" /static
	is "$(plan '.libraries | length' static)" 0
	run volt nanos plan --files static
	status 0
	has /static
	has /etc/resolv.conf
	has /tmp/
}

nginx_has_its_settings_pages_and_directories() {
	is "$(plan .program nginx)" /usr/sbin/nginx
	run volt nanos plan --files nginx
	status 0
	lacks /etc/init.d/
	has /etc/nginx/nginx.conf
	has /usr/share/nginx/html/index.html
	has /var/log/nginx/
	stdout_like '/libnss_dns\.so\.2$'
	stdout_like '/libssl\.so\.3$'
}

python_has_its_modules_and_what_they_need() {
	is "$(plan .program python)" /usr/bin/python3.11
	is "$(plan '.arguments[0]' python)" python3
	run volt nanos plan --files python
	status 0
	has /usr/bin/python3
	has /usr/lib/python3.11/http/server.py
	stdout_like '/lib-dynload/_bz2.*\.so$'
	stdout_like '/libbz2\.so\.1'
}

what_is_left_out_is_counted_by_rule_and_full_leaves_nothing_out() {
	run volt nanos plan nginx
	status 0
	stdout_like '^program: +/usr/sbin/nginx$'
	stdout_like '^libraries: +/lib'
	stdout_like '[0-9]+ files .*  libraries: libraries that nothing'
	stdout_like '^costs: .*1000 files: 100 ms, 3 MB'
	is "$(plan '[.left_out[] | select(.rule != "kernel")] | length' --full nginx)" 0
	[ "$(plan .in.files --full nginx)" -gt "$(plan .in.files nginx)" ] || bad 'full is not more'
}

the_same_wish_has_the_same_digest_and_arguments_do_not_count() {
	local one two
	one=$(plan .digest nginx)
	two=$(plan .digest nginx nginx -g 'daemon off;')
	is "$one" "$two"
	is "$(plan .digest -e A=b nginx)" "$one"
	[ "$(plan .digest --full nginx)" != "$one" ] || bad 'full has the same digest'
}

a_shell_is_refused_with_what_to_do() {
	run volt nanos plan busybox
	status 125
	stdout ''
	one_line_error "'sh' is a shell: Nanos runs one program"
}

a_program_that_is_not_there_is_refused() {
	run volt nanos plan --entrypoint nothing nginx
	status 125
	one_line_error "program 'nothing' is not in the image, nowhere on its PATH"
	run volt nanos plan --entrypoint /etc/passwd static
	status 125
	one_line_error "program '/etc/passwd' is not in the image"
	run volt nanos plan --arch nonsense nginx
	status 125
	one_line_error "'nonsense'"
}

an_applet_of_busybox_is_a_program() {
	is "$(plan .program busybox httpd -f)" /usr/bin/busybox
	is "$(plan '.arguments[0]' busybox httpd -f)" httpd
}

what_is_said_of_the_command_line_is_checked() {
	run volt nanos plan
	status 125
	run volt nanos plan --format xml nginx
	status 125
	one_line_error "'xml'"
}

a_config_of_ops_is_for_nanos_alone_and_errors_name_it_and_the_key() {
	echo '{"Program": "x"}' >"$T/c.json"
	run volt create -c "$T/c.json" busybox
	status 125
	one_line_error "'--config' cannot be used without '--guest nanos'"
	run volt create --guest nanos -c "$T/c.json" busybox
	status 125
	one_line_error "'$T/c.json': 'Program' is not for volt: .*volt build --binary"
	run volt create --guest nanos --config "$T/none.json" busybox
	status 125
	one_line_error "'$T/none.json'"
	is "$(volt ps -aq)" ''
}

tap_run a_static_program_is_alone nginx_has_its_settings_pages_and_directories \
	python_has_its_modules_and_what_they_need \
	what_is_left_out_is_counted_by_rule_and_full_leaves_nothing_out \
	the_same_wish_has_the_same_digest_and_arguments_do_not_count \
	a_shell_is_refused_with_what_to_do a_program_that_is_not_there_is_refused \
	an_applet_of_busybox_is_a_program \
	a_config_of_ops_is_for_nanos_alone_and_errors_name_it_and_the_key \
	what_is_said_of_the_command_line_is_checked
