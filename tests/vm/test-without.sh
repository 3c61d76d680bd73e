#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Hosts without passt and virtiofsd: QEMU serves volumes and the network itself, from within
# its jail. Real machines.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
# Debian's kernel for clouds has no 9p.
import_once 9p "debian:linux-image-$(dpkg --print-architecture)"
profiles
load busybox

# In a mount namespace of its own, where nobody can execute them; as this user, without the
# rights that mounting took. $name_servers is what stands for /etc/resolv.conf.
name_servers=
cat >"$T/hide.sh" <<'END'
for f in /usr/bin/passt /usr/local/bin/passt /usr/libexec/virtiofsd /usr/lib/qemu/virtiofsd; do
	[ ! -e "$f" ] || mount --bind /dev/null "$f" || exit 99
done
[ -z "$1" ] || mount --bind "$1" /etc/resolv.conf || exit 99
shift
[ "$(id -u)" = 0 ] || set -- setpriv --ambient-caps=-all --inh-caps=-all --bounding-set=-all "$@"
exec "$@"
END
own_user=()
[ "$(id -u)" = 0 ] || own_user=(--user "--map-user=$(id -u)" "--map-group=$(id -g)" --keep-caps)
without() {
	unshare "${own_user[@]}" --mount --propagation private sh "$T/hide.sh" "$name_servers" "$VOLT" "$@"
}

# A server on this host's loopback: what it is sent is what a machine can reach there.
mkdir "$T/host" "$T/volume"
echo 'on loopback' >"$T/host/page"
free_port
loopback=$port
python3 -m http.server --bind 127.0.0.1 -d "$T/host" "$loopback" >"$T/server.log" 2>&1 &
at_exit "kill $!"

echo host >"$T/volume/f"
chmod 600 "$T/volume/f"
echo one >"$T/single"
free_port
run without run -d --name both -p "$port:80" -v "$T/volume:/v" -v "$T/volume:/ro:ro" busybox \
	httpd -f -p 80 -h /v
[ "$status" = 0 ] || sed 's/^/# /' "$T/err"
qemu=$(inspect both .state.qemu)

a_port_published_by_qemu_itself_is_answered_from_a_volume() {
	wait_for 60 curl -fsS -o "$T/page" "http://127.0.0.1:$port/f" || return
	is "$(cat "$T/page")" host
	is "$(inspect both .state.network)" slirp
	like "$(inspect both .state.network_note)" 'passt is not installed .* reach what listens on the host.s loopback'
	is "$(ss -Hltn "sport = :$port" | awk '{print $4}')" "127.0.0.1:$port" 'listening sockets'
}

field() {
	awk -v key="$1:" '$1 == key { $1 = ""; print substr($0, 2) }' "/proc/$qemu/status"
}

# CHOWN, DAC_OVERRIDE, FOWNER, FSETID as root, for files that are anybody's; else nothing.
a27_qemu_that_serves_volumes_has_the_rights_for_files_and_no_others() {
	local rights=000000000000001b
	[ "$(id -u)" = 0 ] || rights=0000000000000000
	is "$(inspect both .state.jail)" empty-root
	is "$(field CapEff)" $rights
	is "$(field CapBnd)" $rights
	is "$(field NoNewPrivs) $(field Seccomp)" '1 2'
	[ "$(id -u)" != 0 ] || like "$(field Uid)" '^13[4-9][0-9]{7} |^1[4-6][0-9]{8} '
	is "$(awk '$6 !~ "nosuid" || ($5 != "/dev/kvm" && $5 !~ "^/(bin|lib)$" && $6 !~ "noexec")' \
		"/proc/$qemu/mountinfo")" '' 'mounts with programs'
	is "$(awk '$6 ~ "^rw" && $5 != "/dev/kvm" { print $5 }' "/proc/$qemu/mountinfo")" /v0 'writable'
}

# Of /proc it has its own descriptors, which it could open again for writing.
a27_no_descriptor_of_its_own_leads_it_out() {
	local fd out
	is "$(cd "/proc/$qemu/root" && find proc -maxdepth 2 | tr '\n' ' ')" 'proc proc/self proc/self/fd '
	for fd in "/proc/$qemu"/fd/*; do
		case $(readlink "$fd") in
		/v0 | /v0/* | /v1 | /v1/*) ;;
		/root)
			out=$(chmod u+w "$fd" 2>&1) # its owner's, too
			like "$out" 'Read-only file system' 'the image'
			;;
		/*)
			[ ! -d "$fd" ] || bad 'a directory is open' "$fd: $(readlink "$fd")"
			unlike "$(readlink "$fd")" "$VOLT_ROOT/(cas|rootfs|images|kernels|qemu)/" 'a descriptor'
			;;
		esac
	done
	[ -n "${out-}" ] || bad 'the image of the root is not open by its name'
}

volumes_by_9p_are_read_write_read_only_or_single_files() {
	run without run --rm -v "$T/volume:/v" -v "$T/volume:/ro:ro" -v "$T/single:/etc/single" \
		-v "$T/single:/etc/fixed:ro" busybox sh -c 'grep -c " 9p " /proc/mounts
			cat /ro/f /etc/single
			echo guest >/v/new; echo more >>/v/f; mkdir /v/d; mv /v/new /v/d/moved
			ln -s ../../../../etc/passwd /v/out; ln /v/f /v/d/hard; chmod 4750 /v/d/moved
			dd if=/dev/zero of=/v/big bs=1M count=3 2>/dev/null; wc -c </v/big; rm /v/big
			head -n 1 /v/out
			echo two >/etc/single
			for f in /ro/f /ro/new /etc/fixed; do echo no 2>/dev/null >$f || echo refused; done'
	status 0
	stdout $'4\nhost\none\n3145728\nroot:x:0:0:root:/root:/bin/sh\nrefused\nrefused\nrefused'
	is "$(cat "$T/volume/f" "$T/single" "$T/volume/d/moved")" $'host\nmore\ntwo\nguest'
	is "$(stat -c '%a %h' "$T/volume/d/moved" "$T/volume/f" | tr '\n' ' ')" '4750 1 600 2 '
	is "$(ls "$T/volume")" $'d\nf\nout'
}

# Root's: files of any owner, as the guest's root sees and makes them.
owners_pass_through_9p() {
	[ "$(id -u)" = 0 ] || return 0
	mkdir "$T/owned" && echo theirs >"$T/owned/theirs" && chown 4321:4321 "$T/owned/theirs" &&
		chmod 600 "$T/owned/theirs"
	run without run --rm -v "$T/owned:/v" busybox sh -c 'cat /v/theirs; stat -c "%u %g" /v/theirs
		echo x >/v/mine; chown app:app /v/mine; su app -c "cat /v/theirs" 2>/dev/null || echo refused
		mknod /v/null c 1 3 2>/dev/null || echo no device'
	status 0
	stdout $'theirs\n4321 4321\nrefused\nno device'
	is "$(stat -c '%u %g' "$T/owned/mine")" '1000 1000'
	is "$(ls "$T/owned")" $'mine\ntheirs'
}

answer_names() {
	python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.77.0.1", 53))
while True:
    q, a = s.recvfrom(512)
    end = q.index(b"\0", 12) + 5
    ipv4 = q[end - 4:end - 2] == b"\0\1"
    s.sendto(q[:2] + b"\x81\x80\0\1" + (b"\0\1" if ipv4 else b"\0\0") + b"\0\0\0\0" + q[12:end] +
             (b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\xc0\0\2\7" if ipv4 else b""), a)' &
	at_exit "kill $!"
}

# The name server is one that only root can be.
names_are_asked_of_the_host_s_servers_and_loopback_is_as_it_says() {
	if [ "$(id -u)" = 0 ]; then
		answer_names
		echo 'nameserver 127.77.0.1' >"$T/resolv.conf"
		name_servers=$T/resolv.conf
	fi
	run without run --rm busybox sh -c "wget -q -O - http://10.0.2.2:$loopback/page
		nslookup some.test 2>/dev/null | grep -o 192.0.2.7 | head -n 1"
	name_servers=
	if [ "$(id -u)" = 0 ]; then
		stdout $'on loopback\n192.0.2.7'
	else
		stdout 'on loopback'
	fi
}

# With passt, but without a way out of this host.
without_a_default_route_ports_work_and_nothing_is_reached() {
	cat >"$T/alone.sh" <<-'END'
		ip link set lo up || exit 99
		python3 -m http.server --bind 127.0.0.1 "$2" >/dev/null 2>&1 &
		server=$!
		for i in $(seq 100); do curl -s -o /dev/null "http://127.0.0.1:$2/" && break; sleep 0.1; done
		"$1" run -d --name alone -p "$3:80" busybox sh -c "
			wget -T 3 -q -O /dev/null http://10.0.2.2:$2/ && echo reached
			echo tried; httpd -f -p 80 -h /opaque" >/dev/null
		for i in $(seq 100); do curl -fsS --max-time 10 "http://127.0.0.1:$3/new" 2>/dev/null && break; sleep 0.2; done
		"$1" logs alone
		"$1" inspect --format json alone | jq -r '.[0].state | .network, .network_note'
		"$1" rm -f alone
		kill $server
	END
	free_port
	run unshare "${own_user[@]}" --net sh "$T/alone.sh" "$VOLT" "$loopback" "$port"
	status 0
	stdout 'seen
tried
slirp
no IPv4 default route: the machine reaches nothing, published ports work
alone'
}

tap_run a_port_published_by_qemu_itself_is_answered_from_a_volume \
	a27_qemu_that_serves_volumes_has_the_rights_for_files_and_no_others \
	a27_no_descriptor_of_its_own_leads_it_out \
	volumes_by_9p_are_read_write_read_only_or_single_files owners_pass_through_9p \
	names_are_asked_of_the_host_s_servers_and_loopback_is_as_it_says \
	without_a_default_route_ports_work_and_nothing_is_reached nothing_is_left
