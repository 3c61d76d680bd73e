/* SPDX-License-Identifier: Apache-2.0 */
/* One of volt's machines, with a QEMU and a kernel of the test's.
 *
 *	start-machine rows
 *		each row of the machine table: arch, kind, QEMU's name of the arch
 *	start-machine start ARCH KIND ACCEL KERNEL FIRMWARE PROGRAM ARG…
 *		runs PROGRAM ARG… with QEMU's arguments after them, as volt has them for that
 *		row, -L FIRMWARE and, for KERNEL, the path QEMU sees it by. Prints what the
 *		guest writes to its serial port up to the first full line of its own, which has
 *		"guest", "hello" or "Linux version" in it, then ends QEMU. 1 if there is none
 *		within the time limit. Of kind uefi (with virtio) or uefi-generic KERNEL is
 *		DISK:CODE:VARS, three files that are opened here.
 *		Under KVM the CPU is kvm64, since there are hosts whose KVM cannot have "host".
 *	start-machine init …
 *		the same, but the guest is not waited for: QEMU ends once it is initialised.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"
#include "vm/qemu.h"

#define TIME_LIMIT 120 /* seconds; ends a hang, nothing else */
#define TEXT_MAX   (64 << 10)

static const char *const kinds[] = { "microvm", "q35", "virt", "pseries",
				     "malta",   "ccw", "uefi" };

static void die(const char *what)
{
	(void)fprintf(stderr, "start-machine: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int rows(void)
{
	for (size_t i = 0; i < machine_rows_n && !machine_is_nanos(machine_rows[i].kind);
	     i++)
		(void)printf("%s %s %s\n", machine_rows[i].arch,
			     kinds[machine_rows[i].kind],
			     profile_arch_find(machine_rows[i].arch)->qemu);
	return 0;
}

static const struct machine_row *row_of(const char *arch, const char *kind)
{
	for (size_t i = 0; i < machine_rows_n; i++)
		if (!machine_is_nanos(machine_rows[i].kind) &&
		    strcmp(machine_rows[i].arch, arch) == 0 &&
		    strncmp(kinds[machine_rows[i].kind], kind, strcspn(kind, "-")) == 0)
			return &machine_rows[i];
	errno = ENOENT;
	die("no such machine");
	return NULL;
}

/* Ours is the first, QEMU's the second. */
static void channel(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		die("socketpair");
	(void)fcntl(fds[0], F_SETFD, FD_CLOEXEC);
}

static int disk(void)
{
	int fd = memfd_create("disk", 0);

	if (fd < 0 || ftruncate(fd, 1 << 20) < 0)
		die("disk");
	return fd;
}

static const char *replaced(const char *before, const char *word, const char *kernel)
{
	if (strcmp(before, "-kernel") == 0)
		return kernel;
	return strcmp(before, "-cpu") == 0 && strcmp(word, "host") == 0 ? "kvm64" : word;
}

static int open_next(char **files, int flags)
{
	const char *path = strsep(files, ":");
	int fd = path ? open(path, flags) : -1;

	if (fd < 0)
		die(path ? path : "DISK:CODE:VARS");
	return fd;
}

static void set_uefi(struct qemu_config *c, const char *kind, char *files)
{
	static struct qemu_uefi uefi = { .tpm = -1 };

	c->disks[c->n_disks++] =
		(struct qemu_disk){ "disk", open_next(&files, O_RDWR), false, DISK_RAW };
	uefi.code = open_next(&files, O_RDONLY);
	uefi.vars = open_next(&files, O_RDWR);
	uefi.generic = strchr(kind, '-') != NULL;
	c->uefi = &uefi;
}

/* Every kind of device that volt's machines have and that needs no other process. */
static void arguments(char *const *argv, int qmp, int console, struct strv *ret)
{
	static struct net_link link = NET_LINK_INIT;
	static const struct ports no_ports;
	struct qemu_config c = { .name = "test",
				 .cpus = 1,
				 .memory = 256 << 20,
				 .cmdline = "console=ttyS0 earlyprintk=ttyS0",
				 .initramfs = -1,
				 .qmp = qmp,
				 .console = console };
	struct profile p = { .firmware = argv[4], .qemu = argv[5] };
	_cleanup_strv_ struct strv all = { 0 };
	struct qemu_fds fds = { 0 };
	struct volt_error e = { 0 };
	int agent[2];

	channel(agent);
	p.arch = profile_arch_find(argv[0]);
	link.kind = NET_SLIRP;
	link.restricted = true;
	(void)strcpy(link.mac, "52:54:00:00:00:01");
	c.profile = &p;
	c.machine = row_of(argv[0], argv[1]);
	c.accel = strcmp(argv[2], "kvm") == 0 ? ACCEL_KVM : ACCEL_TCG;
	c.kernel = open("/dev/null", O_RDONLY);
	c.agent = agent[1];
	c.link = &link;
	c.ports = &no_ports;
	if (c.machine->kind == MACHINE_UEFI)
		set_uefi(&c, argv[1], argv[3]);
	else
		c.disks[c.n_disks++] =
			(struct qemu_disk){ "upper", disk(), false, DISK_RAW };
	if (qemu_args(&c, &all, &fds, &e) < 0) {
		(void)fprintf(stderr, "start-machine: %s\n", e.msg);
		exit(2);
	}
	for (size_t i = 5; argv[i]; i++)
		(void)strv_add(ret, argv[i]);
	for (size_t i = 1; i < all.n; i++) /* the first is the program */
		(void)strv_add(ret, replaced(all.v[i - 1], all.v[i], argv[3]));
}

/* Both are done once the machine is initialised. */
static void say_quit(int qmp)
{
	static const char words[] = "{\"execute\":\"qmp_capabilities\"}"
				    "{\"execute\":\"quit\"}";

	(void)signal(SIGPIPE, SIG_IGN);
	(void)write_all(qmp, words, sizeof(words) - 1);
}

static bool has_line(const char *text)
{
	static const char *const words[] = { "guest", "hello", "Linux version" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *at = strstr(text, words[i]);

		if (at && strchr(at, '\n'))
			return true;
	}
	return false;
}

static int listen_to(int console)
{
	static char text[TEXT_MAX];
	time_t end = time(NULL) + TIME_LIMIT;
	size_t n = 0;

	while (time(NULL) < end && n < sizeof(text) - 1 && !has_line(text)) {
		struct pollfd p = { console, POLLIN, 0 };
		ssize_t r;

		if (poll(&p, 1, 1000) <= 0)
			continue;
		r = read(console, text + n, sizeof(text) - 1 - n);
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	(void)fwrite(text, 1, n, stdout);
	(void)fflush(stdout);
	return has_line(text) ? 0 : 1;
}

static int start(char *const *argv, bool wait_for_guest)
{
	_cleanup_strv_ struct strv qemu = { 0 };
	int qmp[2], console[2], status, r = 0;
	pid_t pid;

	channel(qmp);
	channel(console);
	arguments(argv, qmp[1], console[1], &qemu);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		(void)alarm(TIME_LIMIT + 30);
		(void)execvp(qemu.v[0], qemu.v);
		die(qemu.v[0]);
	}
	(void)close(qmp[1]);
	(void)close(console[1]);
	if (wait_for_guest)
		r = listen_to(console[0]);
	say_quit(qmp[0]);
	if (r != 0)
		(void)kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		die("wait");
	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		(void)fprintf(stderr, "start-machine: QEMU ended with status %#x\n",
			      status);
	return r == 0 && status != 0 ? 1 : r;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "rows") == 0)
		return rows();
	if (argc >= 8 && strcmp(argv[1], "start") == 0)
		return start(argv + 2, true);
	if (argc >= 8 && strcmp(argv[1], "init") == 0)
		return start(argv + 2, false);
	(void)fprintf(stderr, "start-machine: see the top of start-machine.c\n");
	return 2;
}
