/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/vnc.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "vm/control.h"

#define ANSWER_MS 5000

struct vnc {
	int fd;
	sd_event_source *io;
	struct qmp *q;
	unsigned int clients; /* makes their names */
};

/* One that QEMU does not take is closed, which is all its client needs to know. */
static void hand_over(struct vnc *v, int client)
{
	char name[24];

	(void)snprintf(name, sizeof(name), "vnc%u", v->clients++);
	if (qmp_pass_fd(v->q, name, client) < 0)
		return;
	(void)qmp_call(v->q, "add_client",
		       json_pack("{s:s, s:s, s:b}", "protocol", "vnc", "fdname", name,
				 "skipauth", 1),
		       ANSWER_MS, NULL, NULL);
}

static int on_client(sd_event_source *io, int fd, uint32_t events, void *data)
{
	_cleanup_close_ int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	struct vnc *v = data;

	if (client >= 0 && v->q)
		hand_over(v, client);
	return 0;
}

int vnc_open(int runfd, const char *id, sd_event *ev, struct vnc **ret,
	     struct volt_error *e)
{
	_cleanup_(vnc_freep) struct vnc *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return fail_oom(e);
	v->fd = r = run_listen(runfd, id, VNC_NAME, e);
	if (r < 0)
		return r;
	r = sd_event_add_io(ev, &v->io, v->fd, EPOLLIN, on_client, v);
	if (r < 0)
		return fail_code(e, r, "watch the vnc socket");
	*ret = TAKE_PTR(v);
	return 0;
}

void vnc_free(struct vnc *v)
{
	if (!v)
		return;
	sd_event_source_disable_unref(v->io);
	closep(&v->fd);
	free(v);
}

void vnc_serve(struct vnc *v, struct qmp *q)
{
	v->q = q;
}
