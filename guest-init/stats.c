/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "channel.h"
#include "init.h"

#define PHASES 8

static int proc = AT_FDCWD;
static struct {
	const char *name;
	int64_t at;
} phases[PHASES];
static size_t n_phases;

void stats_open(void)
{
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void timing(const char *phase)
{
	if (n_phases == PHASES)
		return;
	phases[n_phases].name = phase;
	phases[n_phases++].at = boottime();
}

void tell_timings(void)
{
	tell(AGENT_TIMING, 0, 0);
	for (size_t k = 0; k < n_phases; k++) {
		tell_text(AGENT_TAG_PHASE, phases[k].name);
		tell_number(AGENT_TAG_NANOSECONDS, phases[k].at);
	}
	tell_end();
	n_phases = 0;
}

/* The number behind @name at the begin of a line, or 0. */
static int64_t named(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, name, n) == 0)
			return (int64_t)strtoull(at + n, NULL, 10);
	}
	return 0;
}

static const char *read_proc(const char *name)
{
	static char text[65536];

	if (read_text(proc, name, text, sizeof(text)) < 0)
		text[0] = 0;
	return text;
}

int64_t oom_kills(void)
{
	return named(read_proc("vmstat"), "oom_kill ");
}

/* user, nice, system, irq and softirq; not idle, iowait, steal, and guest is in user. */
static int64_t cpu_time(void)
{
	const char *at = read_proc("stat");
	unsigned long long v[7] = { 0 };
	long hz = sysconf(_SC_CLK_TCK);
	char *end;

	if (strncmp(at, "cpu ", 4) != 0)
		return 0;
	at += 4;
	for (size_t k = 0; k < ARRAY_SIZE(v); k++, at = end)
		v[k] = strtoull(at, &end, 10);
	return (int64_t)((v[0] + v[1] + v[2] + v[5] + v[6]) *
			 (1000000000 / (unsigned long)hz));
}

static void tell_memory(void)
{
	const char *text = read_proc("meminfo");
	int64_t total = named(text, "MemTotal:") * 1024;

	tell_number(AGENT_TAG_MEMORY, total);
	tell_number(AGENT_TAG_MEMORY_USED, total - named(text, "MemAvailable:") * 1024);
}

/* Sums columns @a and @b (from 0) of the lines whose name @counts. */
static void sum_columns(const char *text, bool (*counts)(const char *line), int a, int b,
			uint64_t ret[2])
{
	for (const char *at = text; at && *at;
	     at = strchr(at, '\n'), at = at ? at + 1 : at) {
		char line[512], *rest = line, *field;

		(void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
		if (!counts(line))
			continue;
		for (int k = 0; (field = strsep(&rest, " :"));) {
			if (!*field)
				continue;
			if (k == a)
				ret[0] += strtoull(field, NULL, 10);
			if (k == b)
				ret[1] += strtoull(field, NULL, 10);
			k++;
		}
	}
}

static bool is_disk(const char *line)
{
	char name[64];

	/* Whole disks of QEMU: vda, pmem0; not partitions, not what is stacked on them. */
	if (sscanf(line, "%*u %*u %63s", name) != 1)
		return false;
	return strncmp(name, "pmem", 4) == 0 ||
	       (strncmp(name, "vd", 2) == 0 && !name[strcspn(name, "0123456789")]);
}

static bool is_link(const char *line)
{
	const char *at = line + strspn(line, " ");

	return strchr(at, ':') && strncmp(at, "lo:", 3) != 0;
}

static int64_t processes(void)
{
	const char *slash = strchr(read_proc("loadavg"), '/');

	return slash ? (int64_t)strtoull(slash + 1, NULL, 10) : 0;
}

void tell_stats(uint32_t id)
{
	uint64_t disk[2] = { 0 }, net[2] = { 0 };

	sum_columns(read_proc("diskstats"), is_disk, 5, 9, disk);
	sum_columns(read_proc("net/dev"), is_link, 1, 9, net);
	tell(AGENT_REPLY, id, 0);
	tell_number(AGENT_TAG_NANOSECONDS, boottime());
	tell_number(AGENT_TAG_CPU, cpu_time());
	tell_memory();
	tell_number(AGENT_TAG_DISK_READ, (int64_t)disk[0] * 512);
	tell_number(AGENT_TAG_DISK_WRITTEN, (int64_t)disk[1] * 512);
	tell_number(AGENT_TAG_NET_RECEIVED, (int64_t)net[0]);
	tell_number(AGENT_TAG_NET_SENT, (int64_t)net[1]);
	tell_number(AGENT_TAG_PROCESSES, processes());
	tell_end();
}

static const int signals[] = {
	0,       SIGHUP,  SIGINT,    SIGQUIT, SIGILL,   SIGTRAP, SIGABRT, SIGBUS,
	SIGFPE,  SIGKILL, SIGUSR1,   SIGSEGV, SIGUSR2,  SIGPIPE, SIGALRM, SIGTERM,
	16,      SIGCHLD, SIGCONT,   SIGSTOP, SIGTSTP,  SIGTTIN, SIGTTOU, SIGURG,
	SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO,   SIGPWR,  SIGSYS,
};

int signal_from_host(int number)
{
	return number < (int)ARRAY_SIZE(signals) ? signals[number] : number;
}

int signal_to_host(int number)
{
	for (size_t k = 1; k < ARRAY_SIZE(signals); k++)
		if (signals[k] == number)
			return (int)k;
	return number;
}
