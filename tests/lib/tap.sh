# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# TAP for shell tests, the counterpart of tests/unit/tap.h. Source it, write one function
# for each rule (its name says the rule), end with `tap_run FUNCTION…`.
#
#	a_missing_image_is_one_clear_line() {
#		run "$VOLT" run nothing
#		status 125
#		stdout ''
#		stderr_like "^volt[a-z ]*: .*'nothing'.*not"
#	}
#	tap_run a_missing_image_is_one_clear_line
#
# A rule goes on after a failed check, so that one run shows everything that is wrong;
# `|| return` stops it. $T is a directory of the test's own, removed at the end.
set -u
export LC_ALL=C.UTF-8
T=$(mktemp -d "${TMPDIR:-/tmp}/volt-test.XXXXXX")
tap_n=0
tap_failed=0
tap_bad=0
tap_skip=
tap_hooks=()
status=0

# Commands that undo what the test set up; the last one given is run first.
at_exit() {
	tap_hooks=("$1" "${tap_hooks[@]}")
}

tap_cleanup() {
	local hook
	for hook in "${tap_hooks[@]}"; do
		eval "$hook" >&2 || true
	done
	# Directories alone: files may be links to what is shared.
	find "$T" -type d ! -perm -u=rwx -exec chmod u+rwx {} ';' 2>/dev/null
	rm -rf "$T"
}
trap tap_cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs a command with its two outputs apart: $status, $T/out, $T/err. Its standard input
# is the caller's when that was redirected (`run cmd <file`), else nothing.
run() {
	status=0
	"$@" >"$T/out" 2>"$T/err" </dev/null || status=$?
}
run_in() {
	status=0
	"$@" >"$T/out" 2>"$T/err" || status=$?
}

# Says what is wrong; the rule has failed.
bad() {
	local line
	tap_bad=1
	printf '# %s: %s\n' "${FUNCNAME[2]:-main}:${BASH_LINENO[1]:-0}" "${1%%$'\n'*}"
	shift
	for line in "$@"; do
		printf '%s\n' "$line" | head -n 30 | sed 's/^/#   /'
	done
	return 1
}

is() {
	[ "$1" = "$2" ] || bad "${3:-value}" "got:  $1" "want: $2"
}

like() {
	printf '%s\n' "$1" | grep -Eq -- "$2" || bad "${3:-value}" "got:  $1" "want: /$2/"
}

unlike() {
	! printf '%s\n' "$1" | grep -Eq -- "$2" || bad "${3:-value}" "got: $1" "must not have: /$2/"
}

status() {
	[ "$status" = "$1" ] ||
		bad "status $status, not $1" "stdout: $(cat "$T/out")" "stderr: $(cat "$T/err")"
}

stdout() {
	is "$(cat "$T/out")" "$1" stdout || printf '%s\n' "#   stderr: $(tail -n 3 "$T/err")"
}
stdout_like() {
	like "$(cat "$T/out")" "$1" stdout || printf '%s\n' "#   stderr: $(tail -n 3 "$T/err")"
}
stderr() {
	is "$(cat "$T/err")" "$1" stderr
}
stderr_like() {
	like "$(cat "$T/err")" "$1" stderr
}

# The house rule for messages: exactly one line, from volt and its command, no full stop at
# its end.
one_line_error() {
	is "$(wc -l <"$T/err")" 1 'lines on stderr' || bad 'stderr' "$(cat "$T/err")"
	like "$(cat "$T/err")" "^volt[a-z ]*: .*$1" message
	unlike "$(cat "$T/err")" '\.$' message
}

# ok COMMAND…: it must succeed.
ok() {
	"$@" || bad "failed: $*"
}
not_ok() {
	! "$@" || bad "should have failed: $*"
}

# Called in a rule that cannot be checked here; then `return`. With VOLT_MUST_RUN=1 (CI)
# it is a failure.
skip() {
	if [ "${VOLT_MUST_RUN:-0}" = 1 ]; then
		bad "must run here, but: $1"
	else
		tap_skip=$1
	fi
}

# wait_for SECONDS COMMAND…: until it succeeds. The bound only ends a hang: no result
# depends on how long anything takes.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $end ]; then
			bad "gave up waiting: $*"
			return 1
		fi
		sleep 0.1
	done
}

tap_run() {
	local rule
	for rule in "$@"; do
		if [ -n "${TAP_ONLY:-}" ] && ! [[ $rule =~ $TAP_ONLY ]]; then
			continue
		fi
		tap_n=$((tap_n + 1))
		tap_bad=0
		tap_skip=
		"$rule"
		if [ $tap_bad = 1 ]; then
			tap_failed=$((tap_failed + 1))
			echo "not ok $tap_n - $rule"
		else
			echo "ok $tap_n - $rule${tap_skip:+ # SKIP $tap_skip}"
		fi
	done
	echo "1..$tap_n"
	[ $tap_failed = 0 ]
}
