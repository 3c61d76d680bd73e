#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Volumes of Nanos guests on a real kernel. None comes from any package, so VOLT_TEST_NANOS names
# a directory with a release: kernel.img, boot.img, bootx64.efi, klibs/. Without it nothing of
# this runs.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
if [ -z "${VOLT_TEST_NANOS-}" ]; then
	echo '1..0 # SKIP no release of Nanos: VOLT_TEST_NANOS names a directory with one'
	exit 0
fi
export HOME=$T/home # no releases of ops

# nanos WORD…: of a machine that is removed when it ends.
nanos() {
	run volt run --rm --guest nanos "$@"
}
says() {
	volt logs "$1" | grep -q -- "$2"
}
set_up() {
	[ -n "${VOLT_QEMU-}" ] || profiles
	run volt kernel import --guest nanos --name nanos "$VOLT_TEST_NANOS"
	status 0
	ok "${CC:-cc}" -O1 -o "$T/guest" "$here/volumes-guest.c" -lssl -lcrypto
	run volt build -q --binary "$T/guest" -t guest
	status 0
}

# no_9p: on 0.1.47 rules with a share are skipped, which makes the machine a q35.
no_9p() {
	[ "${VOLT_TEST_NANOS##*/}" = 0.1.47 ] &&
		skip '0.1.47 hangs on q35 entered from qboot, which 9p needs'
}

# Two machines one after the other, the first of them stopped while it waits.
what_is_written_to_a_named_volume_is_there_for_the_next_machine() {
	run volt run -d --name one --guest nanos -v data:/data guest write:/data/a=first \
		mkdir:/data/dir write:/data/dir/b=deep wait
	status 0
	wait_for 60 says one '^waiting$'
	run volt stop one
	status 0
	nanos -v data:/data guest read:/data/a read:/data/dir/b write:/data/a=second
	status 0
	stdout_like '^/data/a=first$'
	stdout_like '^/data/dir/b=deep$'
	nanos -v data:/data:ro guest read:/data/a
	status 0
	stdout_like '^/data/a=firstsecond$'
	# What the guest has made of it is what volt reads.
	run volt nanos cat "$VOLT_ROOT/volumes/data/disk.img" /a
	status 0
	stdout firstsecond
	run volt rm one
}

a_volume_that_is_read_only_is_not_written_to() {
	nanos -v data:/data:ro guest write:/data/a=third
	status 1
	stdout_like '^write:/data/a=third: Read-only file system$'
}

one_machine_writes_or_several_read() {
	run volt run -d --name one --guest nanos -v data:/data guest wait
	nanos --name two -v data:/data guest ls:/data
	status 125
	one_line_error "volume 'data' is in use by machine 'one', which writes to it\$"
	nanos -v data:/data:ro guest ls:/data
	status 125
	one_line_error "volume 'data' is in use by machine 'one', which writes to it\$"
	run volt volume rm data
	status 2
	one_line_error "volume 'data' is what machine 'one' uses\$"
	run volt rm -f one
	run volt run -d --name one --guest nanos -v data:/data:ro guest wait
	nanos -v data:/data:ro guest ls:/data
	status 0
	stdout_like '^in /data: a$'
	nanos -v data:/data guest ls:/data
	status 125
	one_line_error "volume 'data' is in use by machine 'one', which reads it\$"
	run volt rm -f one
	run volt volume rm data
	status 0
}

a_directory_that_is_read_only_is_copied_at_each_start() {
	local dir=$T/config
	mkdir -p "$dir/sub/deep" "$dir/empty"
	echo -n one >"$dir/sub/deep/file"
	ln -s sub/deep/file "$dir/link"
	ln -s /nowhere "$dir/dangling"
	mkfifo "$dir/fifo"
	echo -n odd >"$dir/a  (b): ü"
	run volt run --name copy --guest nanos -v "$dir:/etc/app:ro" guest read:/etc/app/link \
		link:/etc/app/dangling ls:/etc/app/empty 'read:/etc/app/a  (b): ü' ls:/etc/app \
		write:/etc/app/x=y
	status 1
	stdout_like '^/etc/app/link=one$'
	stdout_like '^/etc/app/dangling -> /nowhere$'
	stdout_like '^/etc/app/a  \(b\): ü=odd$'
	stdout_like '^write:/etc/app/x=y: Read-only file system$'
	unlike "$(cat "$T/out")" 'fifo'
	echo -n two >"$dir/sub/deep/file"
	run volt start -a copy
	stdout_like '^/etc/app/link=two$'
	run volt rm copy
}

a_single_file_is_at_its_path() {
	echo -n alone >"$T/alone"
	echo -n neighbour >"$T/neighbour"
	nanos -v "$T/alone:/etc/alone.conf:ro" guest read:/etc/alone.conf ls:/.volt/0
	status 0
	stdout_like '^/etc/alone.conf=alone$'
	unlike "$(cat "$T/out")" neighbour
	nanos -v "$T/alone:/etc/alone.conf" guest read:/etc/alone.conf
	status 125
	one_line_error "is a single file, and a Nanos guest writes to shared directories only: share its directory, or add ':ro'\$"
}

a_directory_is_shared_for_writing() {
	no_9p && return
	mkdir -p "$T/shared"
	echo -n host >"$T/shared/in"
	nanos -v "$T/shared:/shared" guest read:/shared/in write:/shared/out=guest \
		mkdir:/shared/dir write:/shared/dir/f=deep rm:/shared/in ls:/shared
	status 0
	stdout_like '^/shared/in=host$'
	stdout_like '^in /shared: dir$'
	is "$(cat "$T/shared/out")" guest
	is "$(cat "$T/shared/dir/f")" deep
	not_ok test -e "$T/shared/in"
}

all_kinds_go_together() {
	no_9p && return
	nanos -v data:/data -v "$T/shared:/shared" -v "$T/config:/config:ro" \
		-v "$T/alone:/alone:ro" guest write:/data/a=1 read:/data/a read:/shared/out \
		read:/config/link read:/alone
	status 0
	stdout_like '^/data/a=1$'
	stdout_like '^/shared/out=guest$'
	stdout_like '^/config/link=two$'
	stdout_like '^/alone=alone$'
	run volt volume rm data
}

# certificates DIR: of a server called volt.test, and the authority that signed it.
certificates() {
	openssl req -x509 -newkey rsa:2048 -nodes -subj '/CN=an authority' -days 2 \
		-keyout "$T/ca.key" -out "$T/ca.pem" 2>/dev/null &&
		openssl req -newkey rsa:2048 -nodes -subj '/CN=volt.test' \
			-keyout "$1/key.pem" -out "$T/server.csr" 2>/dev/null &&
		openssl x509 -req -in "$T/server.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" \
			-CAcreateserial -days 2 -out "$1/cert.pem" \
			-extfile <(echo 'subjectAltName=DNS:volt.test') 2>/dev/null
}
fetch() {
	curl -s -m 20 --cacert "$1" --resolve "volt.test:$port:127.0.0.1" \
		"https://volt.test:$port/"
}

# curl takes that authority and no other.
https_is_served_from_a_volume_with_certificates() {
	mkdir -p "$T/site"
	echo hello over TLS >"$T/site/index.html"
	ok certificates "$T/site" || return
	free_port
	run volt run -d --name https --guest nanos -p "127.0.0.1:$port:4433" \
		-v "$T/site:/site:ro" guest https:4433:/site
	status 0
	wait_for 60 says https '^serving$'
	is "$(fetch "$T/ca.pem")" 'hello over TLS'
	run volt rm -f https
}

tap_run set_up what_is_written_to_a_named_volume_is_there_for_the_next_machine \
	a_volume_that_is_read_only_is_not_written_to \
	one_machine_writes_or_several_read \
	a_directory_that_is_read_only_is_copied_at_each_start \
	a_single_file_is_at_its_path \
	a_directory_is_shared_for_writing \
	all_kinds_go_together \
	https_is_served_from_a_volume_with_certificates \
	nothing_is_left
