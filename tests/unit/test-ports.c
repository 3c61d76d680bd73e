/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/bind.h"
#include "net/port.h"
#include "net/user.h"
#include "tap.h"

static struct volt_error e;

static int parse(const char *text, struct ports *p)
{
	ports_done(p);
	return port_parse(text, p, &e);
}

#define CHECK_PORT(p, i, ip, host, guest, is_udp)      \
	do {                                           \
		CHECK_STR((p).v[i].host_ip, ip);       \
		CHECK_INT((p).v[i].host_port, host);   \
		CHECK_INT((p).v[i].guest_port, guest); \
		CHECK_INT((p).v[i].udp, is_udp);       \
	} while (0)

static void two_parts_bind_the_loopback(void)
{
	struct ports p = { 0 };

	CHECK_INT(parse("8080:80", &p), 0);
	CHECK_INT(p.n, 1);
	CHECK_PORT(p, 0, "127.0.0.1", 8080, 80, false);
	ports_done(&p);
}

static void one_part_is_the_same_port_on_both_sides(void)
{
	struct ports p = { 0 };

	CHECK_INT(parse("80", &p), 0);
	CHECK_PORT(p, 0, "127.0.0.1", 80, 80, false);
	CHECK_INT(parse("53/UDP", &p), 0);
	CHECK_PORT(p, 0, "127.0.0.1", 53, 53, true);
	ports_done(&p);
}

static void an_address_is_kept_in_canonical_form(void)
{
	struct ports p = { 0 };

	CHECK_INT(parse("0.0.0.0:8080:80", &p), 0);
	CHECK_PORT(p, 0, "0.0.0.0", 8080, 80, false);
	CHECK_INT(parse("10.1.2.3::80/tcp", &p), 0);
	CHECK_PORT(p, 0, "10.1.2.3", 0, 80, false);
	ports_done(&p);
}

static void b30_ipv6_udp_and_ranges_are_understood(void)
{
	struct ports p = { 0 };

	CHECK_INT(parse("[0:0::1]:8080:80/udp", &p), 0);
	CHECK_PORT(p, 0, "::1", 8080, 80, true);
	CHECK_INT(parse("8000-8002:80-82", &p), 0);
	CHECK_INT(p.n, 3);
	CHECK_PORT(p, 2, "127.0.0.1", 8002, 82, false);
	CHECK_INT(parse("127.0.0.2::80-81", &p), 0);
	CHECK_INT(p.n, 2);
	CHECK_PORT(p, 1, "127.0.0.2", 0, 81, false);
	ports_done(&p);
}

static void b29_nothing_but_ports_is_accepted(void)
{
	static const char *const bad[] = {
		"",
		":",
		"::",
		":80",
		"80:",
		"8080:80,tftp=/",
		"8080:80,restrict=off",
		"8080:80 ",
		" 80",
		"+80",
		"-1",
		"0",
		"0:80",
		"80:0",
		"65536",
		"99999999999",
		"0x50",
		"80/",
		"80/sctp",
		"80/tcp/udp",
		"80/tcp,smb=/",
		"1.2.3:80:80",
		"1.2.3.4.5:80:80",
		"localhost:80:80",
		"::1:80:80",
		"[::1:80:80",
		"[::1]80:80",
		"[127.0.0.1]:80:80",
		"[::1]:80",
		"1.2.3.4:80",
		"8080:80:tcp",
		"5-3",
		"1-2:1-3",
		"1-2:80",
		"80:1-2",
		"1--2",
		"-2",
		"1-",
		"127.0.0.1:80:80:80",
		"80\n",
	};
	struct ports p = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int r = parse(bad[i], &p);

		if (r != -EINVAL)
			printf("# '%s' gives %d\n", bad[i], r);
		CHECK_INT(r, -EINVAL);
		CHECK(strstr(e.msg, "published port '"));
	}
	ports_done(&p);
}

static void the_reason_is_named(void)
{
	struct ports p = { 0 };

	CHECK_INT(parse("80/sctp", &p), -EINVAL);
	CHECK(strstr(e.msg, "protocol must be tcp or udp"));
	CHECK_INT(parse("1-2:1-3", &p), -EINVAL);
	CHECK(strstr(e.msg, "differ in length"));
	CHECK_INT(parse("999.1.1.1:80:80", &p), -EINVAL);
	CHECK(strstr(e.msg, "bad IP address"));
	ports_done(&p);
}

static void the_same_port_twice_is_refused(void)
{
	struct ports p = { 0 };

	CHECK_INT(port_parse("8080:80", &p, &e), 0);
	CHECK_INT(port_parse("8080:80/udp", &p, &e), 0);
	CHECK_INT(port_parse("127.0.0.2:8080:80", &p, &e), 0);
	CHECK_INT(port_parse("8080:81", &p, &e), -EINVAL);
	CHECK(strstr(e.msg, "8080/tcp"));
	CHECK(strstr(e.msg, "published twice"));
	ports_done(&p);
}

static void there_is_a_limit(void)
{
	struct ports p = { 0 };

	CHECK_INT(parse("1-65535", &p), -EINVAL);
	CHECK(strstr(e.msg, "more than"));
	CHECK_INT(p.n, PORTS_MAX);
	ports_done(&p);
}

static int busy_port(int type, struct port *ret)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 1) < 0) ||
	    getsockname(fd, (struct sockaddr *)&a, &size) < 0)
		return -1;
	*ret = (struct port){ .host_ip = "127.0.0.1",
			      .host_port = ntohs(a.sin_port),
			      .guest_port = 80,
			      .udp = type == SOCK_DGRAM };
	return fd;
}

static void a_port_in_use_is_named(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };

	for (int i = 0; i < 2; i++) {
		struct port port;
		int fd = busy_port(types[i], &port);
		struct ports p = { .v = &port, .n = 1 };
		char number[16];

		(void)snprintf(number, sizeof(number), "%u/", port.host_port);
		CHECK(fd >= 0);
		CHECK_INT(ports_check_free(&p, &e), -EADDRINUSE);
		CHECK(strstr(e.msg, number));
		(void)close(fd);
		CHECK_INT(ports_check_free(&p, &e), 0);
	}
}

static void an_address_of_another_host_is_named(void)
{
	struct port port = { .host_ip = "192.0.2.77", .host_port = 0, .guest_port = 80 };
	struct ports p = { .v = &port, .n = 1 };

	CHECK_INT(ports_check_free(&p, &e), -EADDRNOTAVAIL);
	CHECK(strstr(e.msg, "no such address"));
}

static void port_zero_becomes_a_free_one(void)
{
	struct port port = { .host_ip = "127.0.0.1", .host_port = 0, .guest_port = 80 };
	struct ports p = { .v = &port, .n = 1 };

	CHECK_INT(ports_check_free(&p, &e), 0);
	CHECK(port.host_port >= 1024);
}

static void free_ports_are_all_different(void)
{
	_cleanup_(ports_done) struct ports p = { 0 };

	CHECK_INT(port_parse("127.0.0.1::1-2000", &p, &e), 0);
	CHECK_INT(ports_check_free(&p, &e), 0);
	for (size_t i = 0; i < p.n; i++)
		for (size_t k = 0; k < i; k++)
			if (p.v[i].host_port == p.v[k].host_port) {
				CHECK_INT(p.v[i].host_port, 0);
				return;
			}
}

static void b29_netdev_is_json_of_numbers(void)
{
	struct port port = { .host_ip = "127.0.0.1",
			     .host_port = 8080,
			     .guest_port = 80 };
	struct ports p = { .v = &port, .n = 1 };
	struct net_link l = NET_LINK_INIT;
	json_auto_t *slirp = NULL, *passt = NULL;
	const json_t *forward;

	l.kind = NET_SLIRP;
	slirp = net_netdev(&l, &p);
	forward = json_array_get(json_object_get(slirp, "hostfwd"), 0);
	CHECK_STR(json_string_value(json_object_get(forward, "str")),
		  "tcp:127.0.0.1:8080-10.0.2.15:80");
	l.kind = NET_PASST;
	l.fd = 7;
	passt = net_netdev(&l, &p);
	CHECK_STR(json_string_value(json_object_get(passt, "type")), "stream");
	CHECK_STR(
		json_string_value(json_object_get(json_object_get(passt, "addr"), "str")),
		"7");
	CHECK(!json_object_get(passt, "hostfwd"));
}

int main(void)
{
	RUN(two_parts_bind_the_loopback);
	RUN(one_part_is_the_same_port_on_both_sides);
	RUN(an_address_is_kept_in_canonical_form);
	RUN(b30_ipv6_udp_and_ranges_are_understood);
	RUN(b29_nothing_but_ports_is_accepted);
	RUN(the_reason_is_named);
	RUN(the_same_port_twice_is_refused);
	RUN(there_is_a_limit);
	RUN(a_port_in_use_is_named);
	RUN(an_address_of_another_host_is_named);
	RUN(port_zero_becomes_a_free_one);
	RUN(free_ports_are_all_different);
	RUN(b29_netdev_is_json_of_numbers);
	return tap_done();
}
