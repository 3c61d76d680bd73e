# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What tests of the volt program share: a root of their own, images, and the proof that
# nothing is left. Sources tap.sh. $VOLT is the program under test (build/volt).
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=tests/lib/tap.sh
. "$here/tap.sh"

VOLT=$(realpath "${VOLT:-$top/build/volt}")
export VOLT_ROOT=$T/root
# Where the suite keeps what is made once: images, a kernel.
shared=${VOLT_TEST_SHARED:-${VOLT%/*}/tests/shared}
unset VOLT_QEMU XDG_DATA_HOME
# Where skopeo looks for logins; without it, below /run, where a user may not even look.
export XDG_RUNTIME_DIR=$T/xdg
(umask 077 && mkdir "$XDG_RUNTIME_DIR")
mkdir -p "$shared"

volt() {
	"$VOLT" "$@"
}

# image RECIPE[@ARCH]: prints the OCI layout of that recipe, made on first use; ARCH in
# OCI's words.
image() {
	local recipe=${1%@*} arch=${1#"${1%@*}"}
	(
		flock 9
		"$here/make-image" ${arch:+--arch "${arch#@}"} "$recipe" "$shared/$1" >&2
	) 9>"$shared/$1.lock" || return
	echo "$shared/$1"
}

# load RECIPE[@ARCH]…: into this test's root, as localhost/RECIPE:latest, or
# localhost/RECIPE-ARCH:latest.
load() {
	local recipe
	for recipe in "$@"; do
		volt load -q -i "$(image "$recipe")" >"$T/load.out" 2>&1 || {
			sed 's/^/# load: /' "$T/load.out"
			echo "Bail out! image $recipe cannot be loaded"
			exit 1
		}
	done
}

# newer_init FILE: one of the inits that were built is newer.
newer_init() {
	local init
	for init in "${VOLT%/*}"/guest-init/volt-init-*; do
		[ -f "$init" ] && [ "$init" -nt "$1" ] && return
	done
	return 1
}

# import_once NAME ARGUMENT…: the kernel that `volt kernel import ARGUMENT…` gets. Imported once
# for all tests, into a root of that name that is then copied; again where an init was built
# since, which is in its initramfs.
import_once() {
	local from=$shared/kernel-$1
	shift
	(
		flock 9
		if ! [ -e "$from/.done" ] || newer_init "$from/.done"; then
			rm -rf "$from"
			VOLT_ROOT=$from "$VOLT" kernel import "$@" >&2 && touch "$from/.done"
		fi && mkdir -p "$VOLT_ROOT" && cp -a --reflink=auto "$from/." "$VOLT_ROOT"
	) 9>"$from.lock" >"$T/kernel.out" 2>&1 || {
		sed 's/^/# kernel: /' "$T/kernel.out"
		echo "Bail out! no kernel ($*)"
		exit 1
	}
}

# kernel: the kernel and the QEMU that machines of this test run on; with $own_files the
# profiles are copied, too, for a root that is given to another user.
kernel() {
	import_once root
	[ -n "${VOLT_QEMU-}" ] || profiles
}

# make_profiles: those that machines of this host's architecture want, by KVM or without.
make_profiles() {
	local name
	for name in emulate-x86 $(! { : <>/dev/kvm; } 2>/dev/null || echo kvm-linux); do
		"${VOLT%/*}/tests/lib/make-profile" "$shared/profile-root" "$name" "$(uname -m)" ||
			return
	done
}

# profiles: QEMU as machines of this test have it. Made once for all tests, into a root whose
# objects and trees are then linked: nobody ever writes to these. Or those of the root
# $VOLT_TEST_PROFILES, copied.
profiles() {
	if [ -n "${VOLT_TEST_PROFILES-}" ]; then
		mkdir -p "$VOLT_ROOT"
		cp -an --reflink=auto "$VOLT_TEST_PROFILES"/{cas,qemu} "$VOLT_ROOT" && return
		echo 'Bail out! no profiles in VOLT_TEST_PROFILES'
		exit 1
	fi
	(
		flock 9
		if ! [ -e "$shared/profile-root/.done" ]; then
			rm -rf "$shared/profile-root"
			make_profiles && touch "$shared/profile-root/.done"
		fi
	) 9>"$shared/profile.lock" >"$T/profile.out" 2>&1 || {
		sed 's/^/# profiles: /' "$T/profile.out"
		echo 'Bail out! no profiles'
		exit 1
	}
	if [ -z "${own_files-}" ]; then
		mkdir -p "$VOLT_ROOT/cas/objects"
		cp -aln "$shared/profile-root/cas/objects/." "$VOLT_ROOT/cas/objects" 2>/dev/null
		cp -aln "$shared/profile-root/qemu" "$VOLT_ROOT" 2>/dev/null
	fi
	cp -an --reflink=auto "$shared/profile-root/." "$VOLT_ROOT"
}

# profile_names ROOT
profile_names() {
	VOLT_ROOT=$1 volt qemu ls --format json | jq -r '.[].name' | sort -u
}
# made_meanwhile: profiles that were made by volt although others are to be tested.
made_meanwhile() {
	[ -z "${VOLT_TEST_PROFILES-}" ] ||
		comm -13 <(profile_names "$VOLT_TEST_PROFILES") <(profile_names "$VOLT_ROOT")
}

# kernel_of ARCH: the same for a foreign architecture.
kernel_of() {
	import_once "$1" --arch "$1"
}

# processes: the pids of everything that has to do with this test's root: supervisors,
# QEMUs, helpers, clients. A process is ours by its arguments, its directory or an open file.
processes() {
	local p
	for p in /proc/[0-9]*; do
		[ "${p#/proc/}" = "$$" ] || [ "${p#/proc/}" = "$BASHPID" ] && continue
		if tr '\0' ' ' 2>/dev/null <"$p/cmdline" | grep -qF -- "$VOLT_ROOT" ||
			find "$p/fd" "$p/cwd" -maxdepth 1 -type l -lname "$VOLT_ROOT*" 2>/dev/null |
			grep -q .; then
			echo "${p#/proc/}"
		fi
	done
}

# show_processes 'PID PID…'
show_processes() {
	local p
	for p in $1; do
		echo "$p: $(tr '\0' ' ' 2>/dev/null <"/proc/$p/cmdline" | cut -c -300)"
	done
}

no_processes() {
	[ -z "$(processes)" ]
}

# family PID: it and all that descend from it.
family() {
	local children p
	echo "$1"
	children=$(cat "/proc/$1"/task/*/children 2>/dev/null)
	for p in $children; do
		family "$p"
	done
}

alive() {
	kill -0 "$1" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null
}
dead() {
	! alive "$1"
}

# hashed OUT COMMAND…: runs it; the files of profiles that it hashed in a tree go to OUT. (No
# sanitizer looks for leaks under a tracer.)
hashed() {
	local out=$1
	shift
	ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
		strace -f -qq -e trace=openat2,openat -o "$T/strace" "$@" || return
	sed -nE 's,.*openat2?\([0-9]+\, "((bin|lib|firmware)/[^"]+)"\, (\{flags=)?O_RDONLY\|O_CLOEXEC\,.*,\1,p' \
		"$T/strace" | sort >"$out"
}

inspect() {
	volt inspect --format json "$1" | jq -r "(if type == \"array\" then .[0] else . end) | $2"
}
state_of() {
	inspect "$1" .state.status
}

# Sets $port: one of this host that nothing uses. Tests that run at once take theirs from different
# ranges, by process id.
next_port=$((20000 + $$ % 2000 * 10))
port=
free_port() {
	next_port=$((next_port + 1))
	while (: <"/dev/tcp/127.0.0.1/$next_port") 2>/dev/null; do
		next_port=$((next_port + 1))
	done
	# shellcheck disable=SC2034 # for the caller
	port=$next_port
}

# registry [HTPASSWD]: serves on $port, as long as the test runs.
registry() {
	local config=$T/registry-${1:+locked}.yml
	free_port
	cat >"$config" <<-END
		version: 0.1
		storage: { filesystem: { rootdirectory: $T/registry${1:+-locked} } }
		http: { addr: "127.0.0.1:$port" }
		log: { level: error }
		${1:+auth: { htpasswd: { realm: test, path: $1 \} \}}
	END
	docker-registry serve "$config" >"$T/registry.log" 2>&1 &
	at_exit "kill $!"
	wait_for 20 curl -sS -o /dev/null "http://127.0.0.1:$port/v2/"
}

# Prints what a VNC server says first, from the socket in directory $1.
vnc_greeting() {
	python3 -c 'import os, socket, sys
os.chdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX)
s.connect("vnc")
print(s.recv(12).decode().strip())' "$1"
}

# What there is below machines/, but for the lock and the index of names, in which a dead
# claim may stay until its name is wanted again.
machine_files() {
	find "$VOLT_ROOT/machines" -mindepth 1 -path "$VOLT_ROOT/machines/names*" -prune -o \
		-mindepth 1 ! -path "$VOLT_ROOT/machines/lock" -print 2>/dev/null | head -n 5
}

# What every test file ends with: no machine, process, socket, or temporary file is left.
nothing_is_left() {
	local left
	volt rm -a -f >"$T/rm.out" 2>&1 || bad 'rm -a -f failed' "$(cat "$T/rm.out")"
	is "$(volt ps -a -q)" '' 'machines'
	is "$(made_meanwhile)" '' 'profiles'
	wait_for 20 no_processes || bad 'processes' "$(show_processes "$(processes)")"
	# The store leaves what a killed writer left to the next collection.
	volt image prune -f >/dev/null 2>&1
	left=$(find "$VOLT_ROOT" '(' -type s -o -type p -o -name '.tmp-*' ')' | head)
	is "$left" '' 'sockets, pipes and temporary files'
	is "$(machine_files)" '' 'machine directories'
}

end_of_test() {
	local p
	[ -x "$VOLT" ] && timeout 60 "$VOLT" rm -a -f >/dev/null 2>&1
	for p in $(processes); do
		kill -9 "$p" 2>/dev/null
	done
}
at_exit end_of_test

# believe_in_kvm: what the probe would leave behind on a host where KVM is good.
believe_in_kvm() {
	mkdir -p "$VOLT_ROOT/run"
	printf '{"version":2,"boot_id":"%s","usable":true,"why":""}\n' \
		"$(cat /proc/sys/kernel/random/boot_id)" >"$VOLT_ROOT/run/kvm.json"
}

# fake_qemu: machines of this test run tests/lib/fake-qemu.c instead of QEMU.
fake_qemu() {
	mkdir -p "$T/qemu"
	ln -s "${VOLT%/*}/tests/lib/fake-qemu" "$T/qemu/qemu-system-$(uname -m)"
	export VOLT_QEMU=$T/qemu
}
