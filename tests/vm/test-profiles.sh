#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Profiles made of this host's packages: they hold what QEMU opens and nothing else, and run
# where there is nothing else. Those of $VOLT_TEST_PROFILES only have to run there. The guests are kernels of a few instructions (tests/lib/bare)
# and a UEFI program on volt's own machines; the QEMUs are real.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
machine=${VOLT%/*}/tests/lib/start-machine
firmware=/usr/share/qemu

theirs=${VOLT_TEST_PROFILES-}
[ -z "$theirs" ] || profiles

# profile NAME: made, or looked for among those that are given.
profile() {
	if [ -n "$theirs" ]; then
		volt qemu show "$1"
	else
		volt qemu build "$1" --from host
	fi
}

for name in kvm-linux kvm-uefi emulate-x86 emulate-foreign; do
	profile "$name" >"$T/build-$name.out" 2>"$T/build-$name.err" || {
		sed 's/^/# /' "$T/build-$name.err"
		echo "Bail out! profile $name cannot be built"
		exit 1
	}
done
for name in aarch64 riscv64 ppc64 mips64el s390x vmlinux bzimage; do
	"$here/make-bare-guest" "$name" "$T/$name" || {
		echo "Bail out! guest $name cannot be made"
		exit 1
	}
done

"$here/make-uefi-disk" "$T/disk" deaf || {
	echo 'Bail out! a disk for UEFI cannot be made'
	exit 1
}

manifest() {
	echo "$VOLT_ROOT/cas/refs/$(tr -d '\n' <"$VOLT_ROOT/cas/refs/tags/$1").json"
}
objects() {
	jq -r '.objects | to_entries[] | .key + " " + .value' "$(manifest "$1")"
}
sources() {
	jq -r '.sources | to_entries[] | .key + " " + .value' "$(manifest "$1")"
}

# rows PROFILE: "ARCH KIND ACCEL QEMU KERNEL" of each machine that runs from it, with each
# kind of kernel that can be given to it.
rows() {
	local arch kind qemu kernels kernel accel=tcg
	[ "${1#kvm-}" = "$1" ] || accel=kvm
	"$machine" rows | while read -r arch kind qemu; do
		objects "$1" | grep -q "^bin/qemu-system-$qemu " || continue
		case "$1 $kind" in
			'kvm-linux uefi') continue ;;
			*' uefi') echo "$arch uefi $accel $qemu disk
				$arch uefi-generic $accel $qemu disk" && continue ;;
			'kvm-uefi '*) continue ;;
			*' q35' | *' microvm') kernels='vmlinux bzimage' ;;
			*) kernels=$qemu ;;
		esac
		for kernel in $kernels; do
			echo "$arch $kind $accel $qemu $kernel"
		done
	done
}
# given PROFILE KERNEL PREFIX: what start-machine calls a kernel that lies below PREFIX.
given() {
	if [ "$2" = disk ]; then
		[ -e "$T/vars-$1" ] || cp "$(source_of "$1" OVMF_VARS.fd)" "$T/vars-$1"
		echo "$T/disk:$(source_of "$1" OVMF_CODE.fd):$T/vars-$1"
	else
		echo "$3/$2"
	fi
}
source_of() {
	sources "$1" | sed -n "s,^firmware/$2 ,,p"
}
# has ACCEL: can it be had here? A KVM that is slow will do to start QEMU with.
has() {
	[ "$1" = tcg ] || { : <>/dev/kvm; } 2>/dev/null
}

# --- what it is made of ---

a8_every_object_is_the_file_that_it_was_made_of() {
	local name path digest source
	for name in kvm-linux kvm-uefi emulate-x86 emulate-foreign; do
		is "$(objects "$name" | cut -d ' ' -f 1)" "$(sources "$name" | cut -d ' ' -f 1)" "$name"
		while read -r path digest && read -r path source <&3; do
			is "$(sha256sum <"$source" | cut -d ' ' -f 1)" "$digest" "$name: $path"
		done < <(objects "$name") 3< <(sources "$name")
	done
}

a_second_build_of_the_same_files_changes_nothing() {
	local name
	files() {
		(cd "$VOLT_ROOT/cas" && find objects refs -type f -printf '%p %s\n' | sort)
	}
	files >"$T/before"
	for name in kvm-linux emulate-foreign; do
		run volt --log-level info qemu build "$name" --from host
		status 0
		like "$(cat "$T/out" "$T/err")" "$name.*has not changed"
		is "$(files | diff "$T/before" -)" '' "$name"
	done
}

# --- what QEMU opens ---

# opened FILE: the host's files that a trace has opened, as they are without links.
opened() {
	sed -nE 's/^[0-9]+ +open(at)?\((AT_FDCWD, )?"([^"]+)".* = [0-9]+$/\3/p' "$1" |
		grep -E '^/(usr|lib)' | xargs -r realpath -q | sort -u
}
# sought FILE: firmware that it has looked for and found nowhere.
sought() {
	sed -nE 's,^[0-9]+ +[a-z]+\((AT_FDCWD\, )?"[^"]*/(share/qemu|share/seabios|ipxe/qemu)/([^"]+)".*,\3,p' \
		"$1" | sort -u | while read -r name; do
		grep -qE "/${name//./\\.}\".* = [0-9]+$" "$1" || echo "$name"
	done
}

# trace OUT PROFILE ARCH KIND ACCEL QEMU KERNEL
trace() {
	"$machine" init "$3" "$4" "$5" "$(given "$2" "$7" "$T")" "$firmware" strace -D -f -qq \
		-e trace=%file -o "$1" "qemu-system-$6" >"$T/trace.out" 2>&1 ||
		bad "$*" "$(cat "$T/trace.out")"
}

# A file that is missing may be noticed by nobody: without linuxboot_dma.bin a machine starts
# and does nothing. So every row of the machine table is traced, with each kind of kernel.
# UEFI's own two files are opened by volt.
what_qemu_opens_is_what_its_profile_holds() {
	local name row arch kind accel qemu kernel
	for name in kvm-linux kvm-uefi emulate-x86 emulate-foreign; do
		sources "$name" | cut -d ' ' -f 2 | sort -u >"$T/held"
		: >"$T/all-opened"
		while read -r arch kind accel qemu kernel; do
			row="$name $arch $kind $kernel"
			has "$accel" || continue 2
			trace "$T/trace" "$name" "$arch" "$kind" "$accel" "$qemu" "$kernel"
			opened "$T/trace" >"$T/opened"
			is "$(comm -23 "$T/opened" "$T/held")" '' "$row opens, and lacks"
			is "$(sought "$T/trace")" '' "$row does not find"
			cat "$T/opened" >>"$T/all-opened"
		done < <(rows "$name")
		sources "$name" | grep -E '^(lib/qemu|firmware)/' | grep -Ev '^firmware/OVMF_(CODE|VARS).fd ' |
			cut -d ' ' -f 2 | sort -u >"$T/wanted"
		is "$(comm -13 <(sort -u "$T/all-opened") "$T/wanted")" '' "$name holds, and never opens"
	done
}

# --- where there is nothing else ---

# empty_root PROFILE: a root with the assembled profile, hard-linked, and the kernels.
empty_root() {
	local root=$T/root-$1
	[ ! -e "$root" ] || return 0
	cp -al "$(volt qemu resolve "$1")" "$root" || return
	mkdir -p "$root/guest" "$root/dev" "$root/lib/qemu"
	: >"$root/dev/kvm"
	cp "$T"/{aarch64,riscv64,ppc64,mips64el,s390x,vmlinux,bzimage} "$root/guest"
	# Where KVM cannot run a guest, the same program with the emulator's module does.
	! can_borrow "$1" ||
		ln "$(volt qemu resolve emulate-x86)/lib/qemu"/accel-tcg-*.so "$root/lib/qemu"
}
# can_borrow PROFILE: whether it is for KVM alone and its program opens modules.
can_borrow() {
	[ "${1#kvm-}" != "$1" ] && objects "$1" | grep -q '^lib/qemu/'
}

# in_root START PROFILE ARCH KIND ACCEL QEMU KERNEL. No /proc, no /dev but KVM's, no library
# but the profile's.
in_root() {
	local root=$T/root-$2 loader enter
	loader=$(jq -r .loader "$(manifest "$2")")
	enter="exec chroot '$root' \"\$@\""
	[ "$5" = tcg ] || enter="mount --bind /dev/kvm '$root/dev/kvm' && $enter"
	QEMU_MODULE_DIR=/lib/qemu "$machine" "$1" "$3" "$4" "$5" "$(given "$2" "$7" /guest)" \
		/firmware unshare -Urm sh -c "$enter" boot "/$loader" --library-path /lib \
		--argv0 qemu "/bin/qemu-system-$6" 2>"$T/boot.err"
}
# boot PROFILE ARCH KIND ACCEL QEMU KERNEL: prints what the guest says.
boot() {
	in_root start "$@"
}

kvm_is_usable() {
	volt qemu select --format json | jq -e .kvm_usable >/dev/null
}

a28_every_guest_boots_where_there_is_nothing_but_its_profile() {
	local name arch kind accel qemu kernel
	local usable=
	! kvm_is_usable || usable=1
	for name in kvm-linux kvm-uefi emulate-x86 emulate-foreign; do
		empty_root "$name" || return
		while read -r arch kind accel qemu kernel; do
			# A KVM that is only nominal runs a few instructions, and no firmware in a minute.
			[ "$usable" ] || { [ "$kind" = microvm ] && has kvm; } || accel=tcg
			if [ "$accel" = tcg ] && [ "${name#kvm-}" != "$name" ] && ! can_borrow "$name"; then
				# All that it can do here is to make the machine.
				! has kvm || ok in_root init "$name" "$arch" "$kind" kvm "$qemu" "$kernel"
				continue
			fi
			like "$(boot "$name" "$arch" "$kind" "$accel" "$qemu" "$kernel" | tr -d '\r')" \
				"^bare $kernel guest|hello from UEFI" "$name $arch $kind: $(cat "$T/boot.err")"
		done < <(rows "$name")
	done
	is "$(for name in kvm-linux kvm-uefi emulate-x86 emulate-foreign; do rows "$name"; done | wc -l)" \
		"$((6 + 2 + 8 + 5))" 'machines'
}

# volt's own kernel, too.
a28_linux_says_its_first_line_where_there_is_nothing_but_its_profile() {
	local name kind
	kernel
	for name in emulate-x86 kvm-linux; do
		[ "$name" = emulate-x86 ] ||
			kvm_is_usable || continue
		empty_root "$name" || return
		cp "$VOLT_ROOT"/kernels/*/kernel "$T/root-$name/guest/linux"
		for kind in microvm q35; do
			like "$(boot "$name" x86_64 "$kind" "$([ "$name" = kvm-linux ] && echo kvm || echo tcg)" \
				x86_64 linux | tr -d '\r')" 'Linux version [0-9]' "$name: $kind: $(cat "$T/boot.err")"
		done
	done
}

of_this_host=(a8_every_object_is_the_file_that_it_was_made_of
	a_second_build_of_the_same_files_changes_nothing
	what_qemu_opens_is_what_its_profile_holds)
[ -z "$theirs" ] || of_this_host=()
tap_run "${of_this_host[@]}" a28_every_guest_boots_where_there_is_nothing_but_its_profile \
	a28_linux_says_its_first_line_where_there_is_nothing_but_its_profile
