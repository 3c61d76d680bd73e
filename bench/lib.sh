# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What benchmarks share. Each prints rows; bench/run puts them in one table.
set -u
export LC_ALL=C.UTF-8
bench_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VOLT=$(realpath "${VOLT:-$bench_top/build/volt}")
shared=${VOLT_TEST_SHARED:-${VOLT%/*}/tests/shared}
T=$(mktemp -d "${TMPDIR:-/tmp}/volt-bench.XXXXXX")
export VOLT_ROOT=$T/root
mkdir -p "$shared"

bench_cleanup() {
	timeout 60 "$VOLT" rm -a -f >/dev/null 2>&1
	# Directories only: files may be other names of what others use.
	find "$T" -type d ! -perm -u=rwx -exec chmod u+rwx {} ';' 2>/dev/null
	rm -rf "$T"
}
trap bench_cleanup EXIT
trap 'exit 130' INT TERM

# row WHAT VOLT OTHER UNIT WANTED: WANTED is "<=0.5x" (of the other) or "<60" (absolute);
# OTHER is "-" where there is nothing to compare with.
row() {
	awk -v what="$1" -v ours="$2" -v theirs="$3" -v unit="$4" -v want="$5" 'BEGIN {
		ratio = theirs + 0 > 0 ? sprintf("%.2f", ours / theirs) : "-"
		limit = want; gsub(/[^0-9.]/, "", limit)
		value = want ~ /x$/ ? ratio : ours
		printf "%-52s %10s %10s %-4s %6s  %-8s %s\n", what, ours, theirs, unit, ratio, want,
			want == "-" ? "" : value + 0 <= limit + 0 ? "yes" : "NO"
	}'
}

note() {
	printf '#   %s\n' "$*"
}

# median COMMAND… reads nothing, prints the median of numbers on stdin.
median() {
	sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# timed COMMAND…: prints "WALL CPU" in milliseconds; the command's output is dropped.
timed() {
	local TIMEFORMAT='%R %U %S'
	{ time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ printf "%d %d\n", $1 * 1000, ($2 + $3) * 1000 }'
}

# image RECIPE, kernel: as in tests/lib/volt.sh.
image() {
	(
		flock 9
		"$bench_top/tests/lib/make-image" "$1" "$shared/$1" >&2
	) 9>"$shared/$1.lock" && echo "$shared/$1"
}

kernel() {
	(
		flock 9
		if ! [ -e "$shared/kernel-root/.done" ]; then
			rm -rf "$shared/kernel-root"
			VOLT_ROOT=$shared/kernel-root "$VOLT" kernel import >/dev/null &&
				touch "$shared/kernel-root/.done"
		fi
	) 9>"$shared/kernel-root.lock" || exit 1
	mkdir -p "$VOLT_ROOT"
	cp -a --reflink=auto "$shared/kernel-root/." "$VOLT_ROOT"
}
