#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Images: every way in and out, names, removal, and what hostile ones get.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
layout=$(image busybox)
static=$(image static)
digest=$(jq -r '.manifests[0].digest' "$layout/index.json")

an_oci_layout_is_loaded_by_its_name() {
	run volt load -i "$layout"
	status 0
	stdout_like 'localhost/busybox:latest'
	run volt images
	stdout_like '^localhost/busybox +latest '
	is "$(volt image inspect busybox | jq -r '(if type == "array" then .[0] else . end) | .Digest')" "$digest"
	ok volt image exists busybox
	not_ok volt image exists nothing
	run volt inspect busybox
	status 0
	stdout "$(volt image inspect busybox)"
}

what_is_saved_loads_again_with_the_same_digest() {
	local f
	for f in oci-archive docker-archive oci-dir; do
		run volt save --format "$f" -o "$T/saved-$f" busybox
		status 0 || continue
		VOLT_ROOT=$T/other run volt load -i "$T/saved-$f"
		status 0
		VOLT_ROOT=$T/other run volt images --format json
		is "$(jq length "$T/out")" 1 "images from $f"
		[ $f = docker-archive ] ||
			is "$(VOLT_ROOT=$T/other volt image inspect busybox | jq -r '(if type == "array" then .[0] else . end) | .Digest')" "$digest"
		rm -rf "$T/other"
	done
}

save_without_a_place_writes_to_stdout() {
	export TMPDIR=$T/tmp
	mkdir "$TMPDIR"
	run volt save busybox
	status 0
	stderr ''
	mv "$T/out" "$T/saved.tar"
	run volt save -q --format oci-archive busybox
	status 0
	VOLT_ROOT=$T/other run_in volt load -q <"$T/saved.tar"
	status 0
	stdout_like 'localhost/busybox:latest'
	run volt save --format oci-dir busybox
	status 125
	stdout ''
	one_line_error 'oci-dir'
	run "$here/with-pty" 24x80 -- "$VOLT" save busybox
	stdout_like 'volt save: .*terminal'
	run volt save nothing
	status 125
	stdout ''
	one_line_error "'nothing'"
	is "$(ls "$TMPDIR")" '' 'temporary files'
	rm -rf "$T/other" "$T/saved.tar" "$TMPDIR"
	unset TMPDIR
}

# A lock that is held keeps the save in the middle until the signal has come.
a_signal_leaves_nothing_of_a_save() {
	local save locker
	export TMPDIR=$T/tmp
	mkdir "$TMPDIR"
	coproc python3 -c 'import fcntl, sys
f = open(sys.argv[1], "w")
fcntl.lockf(f, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()' "$VOLT_ROOT/images/staging.lock"
	locker=$COPROC_PID
	read -r -u "${COPROC[0]}"
	"$VOLT" save busybox >"$T/saved.tar" 2>"$T/err" &
	save=$!
	wait_for 20 compgen -G "$TMPDIR/volt-save.*"
	kill -TERM $save
	eval "exec ${COPROC[1]}>&-"
	wait "$locker"
	status=0
	wait $save || status=$?
	status 143
	is "$(ls "$TMPDIR")" '' 'temporary files'
	is "$(stat -c %s "$T/saved.tar")" 0 'bytes written'
	rm -rf "$T/saved.tar" "$TMPDIR"
	unset TMPDIR
}

save_does_not_overwrite() {
	echo precious >"$T/precious"
	run volt save -o "$T/precious" busybox
	status 125
	one_line_error 'precious'
	is "$(cat "$T/precious")" precious
}

transports_of_skopeo_are_sources() {
	run volt pull -q "oci:$static:localhost/static:latest"
	status 0
	skopeo copy -q "oci:$static:localhost/static:latest" "docker-archive:$T/docker.tar:localhost/fromdocker:v1"
	run volt load -q -i "$T/docker.tar"
	status 0
	ok volt image exists localhost/fromdocker:v1
	volt rmi localhost/fromdocker:v1 >/dev/null
}

tags_name_and_unname() {
	run volt tag busybox other:v1
	status 0
	run volt images --format json
	is "$(jq '[.[] | select(.names[]? | test("other:v1"))] | length' "$T/out")" 1
	run volt rmi other:v1
	status 0
	stdout_like 'Untagged.*other:v1'
	unlike "$(cat "$T/out")" 'Deleted'
	ok volt image exists busybox
}

what_skopeo_says_in_several_lines_is_one() {
	mkdir "$T/directory"
	run volt pull --authfile "$T/directory" 127.0.0.1:1/nothing:here
	status 125
	one_line_error 'occurred: \* reading JSON file .*is a directory'
	rmdir "$T/directory"
}

images_are_listed_by_name() {
	volt tag busybox 127.0.0.1:5000/team/busybox:v1
	run volt images busybox
	is "$(wc -l <"$T/out")" 3 'lines'
	run volt images -n team/busybox
	stdout_like '^127.0.0.1:5000/team/busybox +v1 '
	is "$(wc -l <"$T/out")" 1 'lines'
	run volt images -n busybox:v1
	is "$(wc -l <"$T/out")" 1 'lines'
	run volt images -q usybox
	stdout ''
	run volt images --format json 127.0.0.1
	stdout '[]'
	run volt images -q ''
	status 0
	stdout ''
	volt create --name made busybox >/dev/null
	run volt ps -a -q --filter ancestor=busybox
	is "$(wc -l <"$T/out")" 1 'lines'
	run volt ps -a -q --filter ancestor=
	status 0
	stdout ''
	volt rm made >/dev/null
	volt rmi 127.0.0.1:5000/team/busybox:v1 >/dev/null
}

a_name_that_is_not_there_is_named() {
	local c
	for c in 'rmi nothing' 'image inspect nothing' 'tag nothing x'; do
		# shellcheck disable=SC2086 # words
		run volt $c
		case $c in
		rmi*) status 1 ;;
		*) status 125 ;;
		esac
		one_line_error "nothing" || echo "#   $c"
	done
	run volt load -i "$T/nowhere"
	status 125
	one_line_error 'nowhere'
	run volt pull "oci:$T/nowhere"
	status 125
	one_line_error 'nowhere'
	run volt run --pull never nothing
	status 125
	one_line_error 'nothing'
}

a_registry_that_does_not_answer_is_said() {
	run volt pull 127.0.0.1:1/x/y:z
	status 125
	stdout ''
	one_line_error '127.0.0.1:1'
}

a_registry_gives_and_takes() {
	registry || return
	run volt push --tls-verify=false busybox "127.0.0.1:$port/team/box:v2"
	status 0 || return
	is "$(skopeo inspect --tls-verify=false "docker://127.0.0.1:$port/team/box:v2" | jq -r .Digest)" "$digest"
	VOLT_ROOT=$T/second run volt pull -q --tls-verify=false "127.0.0.1:$port/team/box:v2"
	status 0
	stdout_like '^(sha256:)?[0-9a-f]{64}$'
	VOLT_ROOT=$T/second run volt pull -q --tls-verify=false "127.0.0.1:$port/team/box@$digest"
	status 0
	VOLT_ROOT=$T/second run volt pull -q --tls-verify=false "127.0.0.1:$port/team/none:v2"
	status 125
	one_line_error 'team/none'
	rm -rf "$T/second"
}

# One login serves push and pull, kept where podman keeps its own; logging out takes it away.
a_registry_with_accounts_wants_a_login() {
	local name
	# "secret", by bcrypt
	echo 'me:$2b$04$8R4BtD2FpRg2d5V2x7s/0eITMfDqoh20oEZuKM8amE54GqaKGx4kG' >"$T/htpasswd"
	registry "$T/htpasswd" || return
	name=127.0.0.1:$port/mine/box:v1
	run volt push --tls-verify=false busybox "$name"
	status 125
	one_line_error 'wants a login'
	run volt login --tls-verify=false -u me -p wrong "127.0.0.1:$port"
	status 125
	one_line_error 'refuses the user name or password'
	echo secret >"$T/password"
	run_in volt login --tls-verify=false -u me --password-stdin "127.0.0.1:$port" <"$T/password"
	status 0
	ok grep -qF "127.0.0.1:$port" "$XDG_RUNTIME_DIR/containers/auth.json"
	run volt push --tls-verify=false busybox "$name"
	status 0
	VOLT_ROOT=$T/second run volt pull -q --tls-verify=false "$name"
	status 0
	run volt logout "127.0.0.1:$port"
	status 0
	VOLT_ROOT=$T/third run volt pull -q --tls-verify=false "$name"
	status 125
	one_line_error 'wants a login'
	VOLT_ROOT=$T/third run volt pull -q --tls-verify=false --creds me:secret "$name"
	status 0
	rm -rf "$T/second" "$T/third"
}

podman_s_storage_is_a_source() {
	local storage="[vfs@$T/storage+$T/storage-run]"
	[ "$(id -u)" = 0 ] || {
		skip 'skopeo opens a storage of podman as root or in its own user namespace'
		return
	}
	skopeo copy -q "oci:$(image static)" "containers-storage:${storage}localhost/stored:v1" ||
		bad 'no storage'
	VOLT_ROOT=$T/second run volt pull -q "containers-storage:${storage}localhost/stored:v1"
	status 0
	VOLT_ROOT=$T/second run volt images -q
	stdout_like '^[0-9a-f]{12}$'
	rm -rf "$T/second" "$T/storage" "$T/storage-run"
}

# boaster SIZE: a registry in the background whose images have one layer of as many bytes, the
# one called "twice" two times, and which it does not give; says on stderr what it was asked for.
boaster() {
	free_port
	python3 - "$port" "$1" <<-'END' >/dev/null 2>"$T/boaster.log" &
		import hashlib, http.server, json, sys
		kind = "application/vnd.oci.image."
		def blob(what, digit, size):
		    return {"mediaType": kind + what, "digest": "sha256:" + digit * 64, "size": size}
		def manifest(times):
		    return json.dumps({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
		        "config": blob("config.v1+json", "1", 2),
		        "layers": [blob("layer.v1.tar+gzip", "2", int(sys.argv[2]))] * times}).encode()
		class Registry(http.server.BaseHTTPRequestHandler):
		    def do_GET(self):
		        body = manifest(2 if "/twice/" in self.path else 1)
		        found = "/manifests/" in self.path or self.path == "/v2/"
		        if not found:
		            sys.stderr.write("asked for " + self.path)
		            sys.stderr.flush()
		        self.send_response(200 if found else 404)
		        self.send_header("Content-Type", kind + "manifest.v1+json")
		        self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(body).hexdigest())
		        self.send_header("Content-Length", str(len(body)))
		        self.end_headers()
		        self.wfile.write(body)
		    do_HEAD = do_GET
		    def log_message(self, *words):
		        pass
		http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Registry).serve_forever()
	END
	at_exit "kill $!"
	wait_for 20 curl -fsS "http://127.0.0.1:$port/v2/"
}

# One layer of 2^60 bytes, which nobody could hold.
a_layer_that_cannot_fit_is_refused_before_it_is_fetched() {
	boaster $((1 << 60)) || return
	run volt pull --tls-verify=false "127.0.0.1:$port/a/boast:v1"
	status 125
	stdout ''
	one_line_error 'its layers are larger than what is free on the disk'
	is "$(cat "$T/boaster.log")" '' 'blobs that were asked for'
}

a_layer_that_is_there_twice_must_fit_once() {
	local free
	free=$(df -B1 --output=avail "$T" | tail -n 1)
	boaster $((free * 7 / 10)) || return
	run volt pull --tls-verify=false "127.0.0.1:$port/a/twice:v1"
	status 125
	unlike "$(cat "$T/err")" 'is free on the disk'
	like "$(cat "$T/boaster.log")" 'asked for /v2/a/twice/blobs/'
}

# broken NAME SCRIPT: a copy of the layout, made wrong by a script that runs in it.
broken() {
	cp -r "$static" "$T/$1"
	(cd "$T/$1" && eval "$2")
	VOLT_ROOT=$T/broken run volt load -i "$T/$1"
	status 125 || echo "#   $1"
	stdout ''
	one_line_error "${3:-}" || echo "#   $1"
	VOLT_ROOT=$T/broken run volt images -q
	stdout ''
	is "$(find "$T/broken" -name '.tmp*' | head -n 3)" '' 'temporary files'
	rm -rf "${T:?}/$1" "$T/broken"
}

a_broken_image_is_refused_and_leaves_nothing() {
	local layer
	layer=$(jq -r '.layers[0].digest' "$static/blobs/sha256/$(jq -r '.manifests[0].digest' "$static/index.json" | cut -d: -f2)" | cut -d: -f2)
	broken truncated "truncate -s -100 blobs/sha256/$layer"
	broken flipped "printf X | dd of=blobs/sha256/$layer bs=1 seek=2000 conv=notrunc status=none"
	broken missing-layer "rm blobs/sha256/$layer" "${layer:0:12}|blob"
	broken no-index 'rm index.json' 'index'
	broken bad-json 'echo "{" >index.json'
	broken empty 'rm -rf ./* .[a-z]*'
}

an_image_that_a_machine_uses_is_kept() {
	volt create --name user busybox >/dev/null
	run volt rmi busybox
	status 2
	one_line_error 'busybox'
	ok volt image exists busybox
	volt tag busybox another:v1
	run volt rmi --all
	status 2
	one_line_error "'localhost/(busybox:latest|another:v1)'"
	ok volt image exists busybox
	ok volt image exists another:v1
	volt rmi another:v1 >/dev/null
	run volt ps -a --format json
	is "$(jq -r '.[].name' "$T/out")" user
	volt rm user >/dev/null
}

all_images_are_those_with_several_names_too() {
	VOLT_ROOT=$T/all run volt load -q -i "$static"
	VOLT_ROOT=$T/all run volt tag static one two
	VOLT_ROOT=$T/all run volt rmi --all
	status 0
	stderr ''
	VOLT_ROOT=$T/all run volt images -q
	stdout ''
	VOLT_ROOT=$T/all run volt load -q -i "$static"
	VOLT_ROOT=$T/all run volt tag static one
	VOLT_ROOT=$T/all run volt create one
	VOLT_ROOT=$T/all run volt rmi --all --force
	status 0
	VOLT_ROOT=$T/all run volt ps -a -q
	stdout ''
	VOLT_ROOT=$T/all run volt images -q
	stdout ''
	rm -rf "$T/all"
}

the_last_name_removes_the_image_and_prune_the_rest() {
	run volt rmi busybox
	status 0
	stdout_like 'Deleted'
	run volt image prune -a -f
	status 0
	is "$(volt images -q)" ''
	is "$(find "$VOLT_ROOT/cas/objects" -type f | wc -l)" 0 'objects left'
}

tap_run an_oci_layout_is_loaded_by_its_name what_is_saved_loads_again_with_the_same_digest \
	save_without_a_place_writes_to_stdout a_signal_leaves_nothing_of_a_save save_does_not_overwrite transports_of_skopeo_are_sources tags_name_and_unname \
	what_skopeo_says_in_several_lines_is_one images_are_listed_by_name \
	a_name_that_is_not_there_is_named a_registry_that_does_not_answer_is_said \
	a_registry_gives_and_takes a_registry_with_accounts_wants_a_login podman_s_storage_is_a_source \
	a_layer_that_cannot_fit_is_refused_before_it_is_fetched \
	a_layer_that_is_there_twice_must_fit_once \
	a_broken_image_is_refused_and_leaves_nothing \
	an_image_that_a_machine_uses_is_kept all_images_are_those_with_several_names_too the_last_name_removes_the_image_and_prune_the_rest
