#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Real services, made of Debian's packages, reached from the host.
# shellcheck source=tests/lib/volt.sh
. "$(dirname "$0")/../lib/volt.sh"
kernel
load nginx redis python busybox

# answers URL
answers() {
	curl -fsS --max-time 20 -o /dev/null "$1"
}

nginx_serves_its_page_through_a_published_port() {
	free_port
	web=$port
	run volt run -d --name web -p "$web:80" nginx
	status 0
	like "$(cat "$T/out")" '^[0-9a-f]{64}$' 'the id'
	wait_for 60 answers "http://127.0.0.1:$web/" || return
	like "$(curl -fsS "http://127.0.0.1:$web/")" 'Hello from inside a virtual machine'
	is "$(curl -fsS "http://127.0.0.1:$web/who")" "$(volt ps -q --filter name=web)" 'its host name is its id'
	is "$(curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$web/none")" 404
}

nginx_logs_each_stream() {
	run volt logs web
	status 0
	stdout_like 'GET / HTTP/1.1" 200'
	stderr_like 'start worker process|No such file'
}

port_and_ps_show_what_is_published() {
	run volt port web
	stdout "80/tcp -> 127.0.0.1:$web"
	run volt ps
	stdout_like "web"
	stdout_like "127.0.0.1:$web->80/tcp"
	stdout_like 'localhost/nginx:latest'
	stdout_like 'Up '
}

nothing_but_the_published_address_listens() {
	local others
	others=$(ss -Hltn "sport = :$web" | awk '{print $4}')
	is "$others" "127.0.0.1:$web" 'listening sockets'
}

many_requests_at_once_are_answered() {
	local i pids=()
	for i in 1 2 3 4 5 6 7 8; do
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			curl -fsS --max-time 60 "http://127.0.0.1:$web/" || echo failed
		done >"$T/many.$i" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	is "$(cat "$T"/many.* | grep -c 'Hello from inside')" 80
}

nginx_stops_by_its_own_signal() {
	run volt stop web
	status 0
	stdout web
	is "$(state_of web)" exited
	is "$(inspect web .state.exit_code)" 0
	is "$(inspect web .state.stopped_by)" signal
	not_ok answers "http://127.0.0.1:$web/"
	volt rm web >/dev/null
}

redis_keeps_10000_keys_for_a_client_on_the_host() {
	local p
	free_port
	p=$port
	run volt run -d --name redis -p "$p:6379" redis
	status 0 || return
	wait_for 60 sh -c "redis-cli -p $p ping | grep -q PONG" || return
	seq 10000 | sed 's/.*/SET key:& value:&/' | redis-cli -p "$p" --pipe >"$T/out" 2>&1
	stdout_like 'errors: 0, replies: 10000'
	is "$(redis-cli -p "$p" dbsize)" 10000
	seq 10000 | sed 's/.*/GET key:&/' | redis-cli -p "$p" >"$T/values"
	is "$(sha256sum <"$T/values")" "$(seq 10000 | sed 's/.*/value:&/' | sha256sum)" 'all values'
	run volt stop redis
	status 0
	volt logs redis >"$T/out" 2>&1
	stdout_like 'Redis is now ready to exit'
	volt rm redis >/dev/null
}

python_serves_files() {
	local p
	free_port
	p=$port
	mkdir "$T/srv"
	head -c 5000000 /dev/urandom >"$T/srv/random"
	run volt run -d --name python -p "$p:8000" -v "$T/srv:/srv/volume:ro" python
	status 0 || return
	wait_for 60 answers "http://127.0.0.1:$p/" || return
	is "$(curl -fsS "http://127.0.0.1:$p/index.html")" 'served by python in a machine'
	is "$(curl -fsS "http://127.0.0.1:$p/big.bin" | wc -c)" 1048576
	curl -fsS "http://127.0.0.1:$p/volume/random" | cmp - "$T/srv/random" ||
		bad 'a file through a volume and a port differs'
	volt stop -t 5 python >/dev/null
	run volt logs --tail 1 python
	like "$(cat "$T/out" "$T/err")" 'GET /volume/random'
	volt rm python >/dev/null
}

udp_ports_and_chosen_ports_work() {
	local p
	free_port
	run volt run -d --name udp -p "$port:7/udp" -p 127.0.0.1::8000 -u root -w /srv python \
		python3 -c '
import http.server, socket, threading
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7))
def echo():
    while True:
        s.sendto(*s.recvfrom(2000))
threading.Thread(target=echo).start()
http.server.test(http.server.SimpleHTTPRequestHandler, port=8000)'
	status 0 || return
	p=$(volt port udp 8000 | sed 's/.*://')
	like "$p" '^[1-9][0-9]+$' 'the chosen port' || return
	wait_for 60 answers "http://127.0.0.1:$p/" || return
	is "$(curl -fsS "http://127.0.0.1:$p/index.html")" 'served by python in a machine'
	is "$(python3 - "$port" <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.settimeout(2)
		for _ in range(15):
		    try:
		        s.sendto(b'ping', ('127.0.0.1', int(sys.argv[1])))
		        print(s.recv(100).decode())
		        break
		    except OSError:
		        pass
	END
	)" ping 'over udp'
	volt rm -f udp >/dev/null
}

a_machine_reaches_the_network_of_its_host_by_name_and_address() {
	# The gateway stands for the host unless that is forbidden; what must work is the
	# resolver's configuration and an address of its own.
	run volt run --rm busybox sh -c 'ip -4 addr show dev eth0 | grep -c inet; grep -c nameserver /etc/resolv.conf; ip route | grep -c default'
	status 0
	like "$(tr '\n' ' ' <"$T/out")" '^1 [1-9] 1 $'
}

tap_run nginx_serves_its_page_through_a_published_port nginx_logs_each_stream \
	port_and_ps_show_what_is_published nothing_but_the_published_address_listens \
	many_requests_at_once_are_answered nginx_stops_by_its_own_signal \
	redis_keeps_10000_keys_for_a_client_on_the_host python_serves_files \
	udp_ports_and_chosen_ports_work \
	a_machine_reaches_the_network_of_its_host_by_name_and_address nothing_is_left
