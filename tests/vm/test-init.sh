#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# volt's init alone: a driver (init-rules.py) speaks the agent protocol to it. Without
# arguments with the kernel that machines of the tests boot; else with what is named:
#
#	test-init.sh KERNEL INITRAMFS ABILITY,ABILITY
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
if [ $# -lt 3 ]; then
	kernel
	for k in "$VOLT_ROOT"/kernels/*/kernel.json; do
		directory=${k%/*}
	done
	set -- "$directory/kernel" "$(echo "$directory"/initramfs-*)" \
		"$(jq -r '.abilities | join(",")' "$directory/kernel.json")"
fi
python3 "$(dirname "$0")/init-rules.py" "$1" "$2" "$3" "$T"
