/* SPDX-License-Identifier: Apache-2.0 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macro.h"
#include "vm/supervisor.h"

/* Started by libvolt, not by people: every argument but the last is --NAME[=VALUE]. */
struct option {
	const char *name;
	void *to;
	size_t size; /* of an integer or a bool */
};

static void set(const struct option *o, const char *value)
{
	long long n = value ? strtoll(value, NULL, 10) : 1;

	if (o->size == sizeof(bool))
		*(bool *)o->to = n != 0;
	else if (o->size == sizeof(int))
		*(int *)o->to = (int)n;
	else
		*(int64_t *)o->to = n;
}

static int parse(int argc, char **argv, struct supervise *o)
{
	const struct option options[] = {
		{ "root-fd", &o->env.rootfd, sizeof(int) },
		{ "run-fd", &o->env.runfd, sizeof(int) },
		{ "status-fd", &o->status_fd, sizeof(int) },
		{ "attach-fd", &o->attach_fd, sizeof(int) },
		{ "kernel-fd", &o->kernel_fd, sizeof(int) },
		{ "initramfs-fd", &o->initramfs_fd, sizeof(int) },
		{ "rootdisk-fd", &o->root_fd, sizeof(int) },
		{ "upperdisk-fd", &o->upper_fd, sizeof(int) },
		{ "handover-fd", &o->handover_fd, sizeof(int) },
		{ "abilities", &o->abilities, sizeof(int) },
		{ "begun", &o->begun, sizeof(int64_t) },
		{ "resolved", &o->resolved, sizeof(int64_t) },
		{ "rootfs", &o->rootfs, sizeof(int64_t) },
		{ "attach-stdin", &o->attach_stdin, sizeof(bool) },
		{ "remove-on-failure", &o->remove_on_failure, sizeof(bool) },
		{ "foreground", &o->foreground, sizeof(bool) },
	};

	for (int i = 1; i < argc - 1; i++) {
		char *value = strchr(argv[i], '=');
		size_t k = 0;

		if (value)
			*value++ = '\0';
		while (k < ARRAY_SIZE(options) &&
		       (strncmp(argv[i], "--", 2) != 0 ||
			strcmp(argv[i] + 2, options[k].name) != 0))
			k++;
		if (k == ARRAY_SIZE(options))
			return -1;
		set(&options[k], value);
	}
	o->id = argc > 1 ? argv[argc - 1] : NULL;
	return o->id && o->env.rootfd >= 0 && o->env.runfd >= 0 ? 0 : -1;
}

/* The one who started us waits for this process to end, not for the machine, and may want
 * to unmount or remove the directory it was in. */
static int leave(const struct supervise *o)
{
	pid_t pid = o->foreground ? 0 : fork();

	if (pid > 0)
		_exit(0);
	if (pid < 0 || (!o->foreground && setsid() < 0))
		return -1;
	return chdir("/");
}

int main(int argc, char **argv)
{
	struct supervise o = SUPERVISE_INIT;
	struct volt_error e = { 0 };
	int status;

	if (parse(argc, argv, &o) < 0) {
		(void)fprintf(stderr,
			      "volt-supervisor: started by hand? use volt start\n");
		return 125;
	}
	if (leave(&o) < 0) {
		(void)fprintf(stderr, "volt-supervisor: go to the background: %s\n",
			      strerrordesc_np(errno));
		return 125;
	}
	status = supervise(&o, &e);
	/* Otherwise the one who started us was told, and nobody reads this. */
	if (o.foreground && e.code)
		(void)fprintf(stderr, "volt-supervisor: %s\n", e.msg);
	return status;
}
