/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volt's init: process 1 of the guest, the only file of the initramfs that runs.
 *
 * Theory of operation
 *
 * It boots as far as any machine would (devices, the agent channel) and says HELLO. All it
 * must know about its machine comes then, as CONFIG: a guest saved while it waits is a
 * template for every machine. It sets up what CONFIG says, in the order of setup(), and
 * starts the workload. From there on it serves the channel and reaps, until the workload
 * has ended or could not be started, the host says SHUTDOWN, or the host breaks the
 * protocol. Then: everything is killed, outputs are sent to the end, EXITED, lasting file
 * systems are made clean; the host's SHUTDOWN proves that all has arrived; power off.
 *
 * One thread, one loop, no polling. A failure before the channel works goes to the
 * kernel's log; one during the set-up is FAILED of process 0. Init itself never exits: that
 * would be a kernel panic.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>

#include "channel.h"
#include "init.h"
#include "loop.h"
#include "module.h"
#include "mount.h"
#include "network.h"
#include "process.h"
#include "stats.h"

#define PORT_WAIT     10000 /* ms */
#define SHUTDOWN_WAIT 10000
#define LINK_WAIT     1000

enum state {
	WAITING, /* for CONFIG */
	RUNNING,
	STOPPING /* the workload's end was reported */
};
static enum state state;
static bool greeted, shut; /* HELLO, SHUTDOWN came */

static void seed(const char *data, size_t size)
{
	struct {
		struct rand_pool_info info;
		char data[512];
	} pool = { .info = { .entropy_count = (int)size * 8, .buf_size = (int)size } };
	_cleanup_close_ int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

	memcpy(pool.info.buf, data, size);
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		say(4, "seed the random generator: %s", strerror(errno));
}

static void set_clock(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	if (clock_settime(CLOCK_REALTIME, &t) < 0)
		say(4, "set the clock: %s", strerror(errno));
}

static int setup(const struct config *c, struct why *w)
{
	int r;

	if (c->entropy_size > 0)
		seed(c->entropy, c->entropy_size);
	if (c->wall > 0)
		set_clock(c->wall);
	r = network_up(c, w);
	if (r == 0)
		r = mount_root(c, w);
	if (r < 0)
		return r;
	timing("root");
	r = mount_all(c, w);
	if (r == 0)
		r = network_names(c, w);
	if (r == 0 && c->process.cwd && make_directories(c->process.cwd) < 0)
		r = because(w, -errno, "make the working directory '%s'", c->process.cwd);
	if (r == 0)
		r = root_seal(c, w);
	if (r == 0)
		network_wait(LINK_WAIT);
	modules_forget();
	return r;
}

static void workload_ended(void)
{
	state = STOPPING;
	process_end_all();
}

static int take_config(struct agent_cursor payload)
{
	struct config c;
	struct why w;
	int r;

	if (state != WAITING || !greeted)
		return -EBADMSG;
	timing("config");
	r = config_parse(payload, &c);
	if (r < 0)
		return r;
	state = RUNNING;
	r = setup(&c, &w);
	if (r == 0) {
		r = process_start(0, &c.process);
	} else {
		process_fail(0, 125, w.text);
		workload_ended();
		r = 0;
	}
	tell_timings();
	config_done(&c);
	return r;
}

static int take_exec(uint32_t id, struct agent_cursor payload)
{
	struct process_wish p;
	int r;

	if (state == WAITING || id == 0)
		return -EBADMSG;
	r = process_wish_parse(payload, &p);
	if (r < 0)
		return r;
	r = process_start(id, &p);
	process_wish_done(&p);
	return r;
}

/* Takes a message of exactly the numbers in @tags, in any order. */
static int take_numbers(struct agent_cursor c, const enum agent_tag *tags, int64_t max,
			int64_t *ret, size_t n)
{
	struct agent_item i;
	size_t seen = 0;
	int r;

	while ((r = agent_next(&c, &i)) > 0) {
		size_t k = 0;

		while (k < n && (tags[k] != i.tag || seen & (size_t)1 << k))
			k++;
		if (k == n || agent_number(&i, 0, max, &ret[k]) < 0)
			return -EBADMSG;
		seen |= (size_t)1 << k;
	}
	return r == 0 && seen == ((size_t)1 << n) - 1 ? 0 : -EBADMSG;
}

static int take_number(struct agent_cursor c, enum agent_tag tag, int64_t max,
		       int64_t *ret)
{
	return take_numbers(c, &tag, max, ret, 1);
}

static int take_hello(struct agent_cursor payload)
{
	int64_t version;

	if (greeted || take_number(payload, AGENT_TAG_VERSION, UINT32_MAX, &version) < 0)
		return -EBADMSG;
	greeted = true;
	if (version == AGENT_VERSION)
		return 0;
	say(3, "the host speaks version %d of the agent protocol, init %d", (int)version,
	    AGENT_VERSION);
	return -EPROTONOSUPPORT;
}

static int take_resize(uint32_t id, struct agent_cursor payload)
{
	static const enum agent_tag tags[] = { AGENT_TAG_ROWS, AGENT_TAG_COLUMNS };
	int64_t v[2];

	if (take_numbers(payload, tags, UINT16_MAX, v, 2) < 0)
		return -EBADMSG;
	process_resize(id, (int)v[0], (int)v[1]);
	return 0;
}

static int take_reseed(struct agent_cursor payload)
{
	struct agent_item i;

	if (agent_next(&payload, &i) <= 0 || i.tag != AGENT_TAG_ENTROPY || i.size > 512 ||
	    payload.size > 0)
		return -EBADMSG;
	seed(i.data, i.size);
	return 0;
}

static int take_shutdown(void)
{
	shut = true;
	if (state == WAITING)
		workload_ended();
	else
		process_end_all();
	return 0;
}

static int take_control(enum agent_type type, uint32_t id, struct agent_cursor payload)
{
	int64_t v;

	switch (type) {
	case AGENT_SIGNAL:
		if (take_number(payload, AGENT_TAG_NUMBER, 64, &v) < 0)
			return -EBADMSG;
		process_signal(id, (int)v);
		return 0;
	case AGENT_CLOCK:
		if (take_number(payload, AGENT_TAG_NANOSECONDS, INT64_MAX, &v) < 0)
			return -EBADMSG;
		set_clock(v);
		return 0;
	case AGENT_RESIZE:
		return take_resize(id, payload);
	case AGENT_RESEED:
		return take_reseed(payload);
	case AGENT_STATS:
		tell_stats(id);
		return payload.size == 0 ? 0 : -EBADMSG;
	case AGENT_SHUTDOWN:
		return payload.size == 0 ? take_shutdown() : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

static int take(enum agent_type type, enum agent_stream stream, uint32_t id,
		struct agent_cursor payload)
{
	int64_t v;

	switch (type) {
	case AGENT_HELLO:
		return take_hello(payload);
	case AGENT_CONFIG:
		return id == 0 ? take_config(payload) : -EBADMSG;
	case AGENT_EXEC:
		return take_exec(id, payload);
	case AGENT_DATA:
		if (stream != AGENT_STDIN || payload.size == 0)
			return -EBADMSG;
		return process_input(id, payload.data, payload.size);
	case AGENT_EOF:
		if (stream != AGENT_STDIN || payload.size > 0)
			return -EBADMSG;
		process_input_end(id);
		return 0;
	case AGENT_CREDIT:
		if (take_number(payload, AGENT_TAG_BYTES, AGENT_WINDOW, &v) < 0)
			return -EBADMSG;
		return process_credit(id, stream, (uint32_t)v);
	default:
		return take_control(type, id, payload);
	}
}

/* Signals */

static void signal_ready(struct source *s, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)events;
	while (read(s->fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		;
	process_reap();
}

static struct source signals = { .fd = -1, .fn = signal_ready };

static int watch_signals(struct why *w)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals.fd < 0 || source_watch(&signals, EPOLLIN) < 0)
		return because(w, -errno, "watch for ended processes");
	return 0;
}

/* The way up and the way down */

/* Descriptors 0 to 2, which are free where the initramfs has no console; 0 is what processes
 * without stdin get. */
static void open_null(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 2);
	for (int k = 0; k < 3 && fd >= 0; k++)
		(void)dup2(fd, k);
	if (fd > 2)
		(void)close(fd);
}

static void hello(void)
{
	struct utsname u;
	struct sysinfo i;

	(void)uname(&u);
	(void)sysinfo(&i);
	tell(AGENT_HELLO, 0, 0);
	tell_number(AGENT_TAG_VERSION, AGENT_VERSION);
	tell_text(AGENT_TAG_KERNEL, u.release);
	tell_number(AGENT_TAG_MEMORY, (int64_t)i.totalram * i.mem_unit);
	tell_end();
}

static int boot(struct why *w)
{
	int r = mount_early(w);

	if (r < 0)
		return r;
	open_null();
	stats_open();
	modules_for(MODULES_BOOT);
	r = loop_open();
	if (r < 0)
		return because(w, r, "make the event loop");
	r = watch_signals(w);
	if (r == 0)
		r = channel_open(PORT_WAIT, w);
	if (r < 0)
		return r;
	channel_on_room = process_on_room;
	process_on_workload_end = workload_ended;
	hello();
	r = channel_start(take);
	return r < 0 ? because(w, r, "serve the agent channel") : 0;
}

/* Waits for the host to have taken everything. */
static void say_goodbye(void)
{
	int64_t until = boottime() + SHUTDOWN_WAIT * (int64_t)1000000, left = 1;

	while (!channel_broken() && !(shut && channel_empty()) && left > 0) {
		left = (until - boottime()) / 1000000;
		if (left > 0)
			(void)loop_step((int)left);
	}
}

/* Whatever way this machine has: a PC without ACPI can only be reset, which ends QEMU too
 * (-no-reboot). */
static void power_off(void)
{
#if defined(__x86_64__) || defined(__i386__)
	if (access("/sys/firmware/acpi", F_OK) < 0)
		(void)reboot(RB_AUTOBOOT);
#endif
	(void)reboot(RB_POWER_OFF);
	for (;;)
		(void)pause();
}

/* SHUTDOWN ends the patience with outputs that the host does not take. */
static void serve(void)
{
	while (state != STOPPING || process_any()) {
		if (!loop_step(shut ? SHUTDOWN_WAIT : -1) && shut)
			break;
		if (channel_broken() && state == WAITING)
			break;
		if (channel_broken())
			process_end_all();
	}
}

int main(void)
{
	struct why w;

	timing("init");
	if (boot(&w) < 0) {
		say(2, "%s", w.text);
	} else {
		serve();
		unmount_volumes();
		unmount_root();
		say_goodbye();
	}
	power_off();
}
