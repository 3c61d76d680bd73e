/* SPDX-License-Identifier: Apache-2.0 */

#include "vm/attach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/io.h"
#include "vm/attach-internal.h"
#include "vm/control.h"
#include "vm/internal.h"
#include "vm/machine-internal.h"

#define FRAME_MAX (sizeof(struct attach_frame) + ATTACH_PAYLOAD_MAX)

struct attach {
	int fd;
	size_t in_size; /* of the frame being read, header included */
	bool in_done;   /* it was handed out: the next call starts afresh */
	size_t out_size, out_sent;
	char in[FRAME_MAX];
	char out[FRAME_MAX + 64]; /* 64: a resize and an end of file fit beside data */
};

int attach_new(int fd, struct attach **ret, struct volt_error *e)
{
	struct attach *a = calloc(1, sizeof(*a));
	int r;

	if (!a) {
		(void)close(fd);
		return fail_oom(e);
	}
	a->fd = fd;
	r = set_nonblocking(fd, true);
	if (r < 0) {
		attach_close(a);
		return fail_code(e, r, "attach");
	}
	*ret = a;
	return 0;
}

void attach_close(struct attach *a)
{
	if (!a)
		return;
	(void)close(a->fd);
	free(a);
}

int attach_fd(const struct attach *a)
{
	return a->fd;
}

static int not_running(const struct machine *m, struct volt_error *e)
{
	return machine_verdict(m, fail(e, ESRCH, "machine '%.12s' is not running", m->id),
			       e);
}

int attach_open(struct machine *m, int flags, struct attach **ret, struct volt_error *e)
{
	_cleanup_close_ int fd = control_connect(m->env->runfd, m->id);
	json_auto_t *request = control_request("attach");
	int r;

	if (fd < 0)
		return not_running(m, e);
	if (!request ||
	    json_object_set_new(request, "stdin", json_boolean(flags & ATTACH_STDIN)))
		return fail_oom(e);
	r = control_call(fd, request, NULL, e);
	if (r == -EPIPE)
		return not_running(m, e);
	return r < 0 ? r : attach_new(TAKE_FD(fd), ret, e);
}

bool attach_unsent(const struct attach *a)
{
	return a->out_sent < a->out_size;
}

/* A peer that is gone shows as EPIPE or ECONNRESET. */
int attach_flush(struct attach *a)
{
	while (attach_unsent(a)) {
		ssize_t n = send(a->fd, a->out + a->out_sent, a->out_size - a->out_sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		a->out_sent += (size_t)n;
	}
	a->out_size = a->out_sent = 0;
	return 0;
}

/* A whole frame or nothing; sent at once where that is possible. */
static int queue_frame(struct attach *a, enum attach_type type, const void *data,
		       size_t size)
{
	struct attach_frame f = { .size = (uint32_t)size, .type = type };
	int r = attach_flush(a);

	if (r < 0 && r != -EAGAIN)
		return r;
	if (sizeof(f) + size > sizeof(a->out) - a->out_size)
		return -EAGAIN;
	memcpy(a->out + a->out_size, &f, sizeof(f));
	memcpy(a->out + a->out_size + sizeof(f), data, size);
	a->out_size += sizeof(f) + size;
	r = attach_flush(a);
	return r == -EAGAIN ? 0 : r;
}

int attach_write(struct attach *a, const void *data, size_t size)
{
	if (size > ATTACH_PAYLOAD_MAX)
		size = ATTACH_PAYLOAD_MAX;
	if (size == 0)
		return 0;
	TRY(queue_frame(a, ATTACH_FRAME_STDIN, data, size));
	return (int)size;
}

int attach_write_eof(struct attach *a)
{
	return queue_frame(a, ATTACH_FRAME_STDIN, "", 0);
}

int attach_resize(struct attach *a, unsigned int rows, unsigned int columns)
{
	struct attach_size size = { (uint16_t)(rows & UINT16_MAX),
				    (uint16_t)(columns & UINT16_MAX) };

	return queue_frame(a, ATTACH_FRAME_RESIZE, &size, sizeof(size));
}

/* Reads on until @want bytes of the frame are there. */
static int fill(struct attach *a, size_t want)
{
	while (a->in_size < want) {
		ssize_t n = recv(a->fd, a->in + a->in_size, want - a->in_size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 || errno == ECONNRESET ? -EPIPE : -errno;
		a->in_size += (size_t)n;
	}
	return 0;
}

static int decode_exit(const char *data, size_t size, struct attach_event *ret)
{
	uint32_t code;

	if (size < sizeof(code) || size - sizeof(code) >= sizeof(ret->reason))
		return -EBADMSG;
	memcpy(&code, data, sizeof(code));
	ret->kind = ATTACH_EXIT;
	ret->code = (int)(code & 0xff);
	memcpy(ret->reason, data + sizeof(code), size - sizeof(code));
	ret->reason[size - sizeof(code)] = '\0';
	return 0;
}

static int next(struct attach *a, struct attach_event *ret)
{
	struct attach_frame f;

	if (a->in_done)
		a->in_size = 0;
	a->in_done = false;
	TRY(fill(a, sizeof(f)));
	memcpy(&f, a->in, sizeof(f));
	if (f.size > ATTACH_PAYLOAD_MAX)
		return -EBADMSG;
	TRY(fill(a, sizeof(f) + f.size));
	a->in_done = true;
	ret->data = a->in + sizeof(f);
	ret->size = f.size;
	switch (f.type) {
	case ATTACH_FRAME_STDOUT:
		ret->kind = ATTACH_OUT;
		return 0;
	case ATTACH_FRAME_STDERR:
		ret->kind = ATTACH_ERR;
		return 0;
	case ATTACH_FRAME_EXIT:
		return decode_exit(a->in + sizeof(f), f.size, ret);
	default:
		return -EBADMSG;
	}
}

int attach_next(struct attach *a, struct attach_event *ret, struct volt_error *e)
{
	int r;

	*ret = (struct attach_event){ 0 };
	r = next(a, ret);
	if (r == -EPIPE) {
		ret->kind = ATTACH_GONE;
		return 0;
	}
	return r < 0 && r != -EAGAIN ? fail_code(e, r, "read what the machine prints")
				     : r;
}
