/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol is skopeo's own (docs-experimental/skopeo-experimental-image-proxy.1.md in
 * its sources), version 0.2: each packet of a SOCK_SEQPACKET pair is one JSON text,
 *
 *	{"method": NAME, "args": [...]}
 *	{"success": BOOL, "value": ANY, "pipeid": NUMBER, "error": TEXT}
 *
 * and an answer with a "pipeid" other than 0 brings the end of a pipe along. Requests are
 * answered one after the other. */
#include "image/skopeo-proxy.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"

#define PACKET_MAX 32768

static int start(struct skopeo_proxy *p, const struct skopeo *sk, int end,
		 struct volt_error *e)
{
	_cleanup_strv_ struct strv args = { 0 };
	int r = skopeo_proxy_args(sk, end, &args, e);

	return r < 0 ? r
		     : skopeo_process_start(&p->process, &args, sk->staging->dir, end, e);
}

static int ask(struct skopeo_proxy *p, const char *method, json_t *args,
	       struct volt_error *e)
{
	json_auto_t *j = json_pack("{s:s, s:o}", "method", method, "args", args);
	_cleanup_free_ char *text = j ? json_text(j) : NULL;
	ssize_t n;

	if (!text)
		return fail_oom(e);
	do {
		n = send(p->socket, text, strlen(text), MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	/* That it is gone is told by receiving, with the reason. */
	return n < 0 && errno != EPIPE && errno != ECONNRESET
		       ? fail_errno(e, "send a request to 'skopeo'")
		       : 0;
}

int skopeo_proxy_start(struct skopeo_proxy *p, const struct skopeo *sk,
		       struct volt_error *e)
{
	struct skopeo_reply reply = SKOPEO_REPLY_INIT;
	_cleanup_close_ int end = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail_errno(e, "make a socket for 'skopeo'");
	p->socket = pair[0];
	end = pair[1];
	r = start(p, sk, end, e);
	closep(&end);
	end = -1;
	if (r == 0)
		r = ask(p, "Initialize", json_array(), e);
	if (r == 0)
		r = skopeo_proxy_receive(p, &reply, e);
	skopeo_reply_done(&reply);
	return r;
}

void skopeo_proxy_stop(struct skopeo_proxy *p)
{
	skopeo_process_stop(&p->process);
	closep(&p->socket);
	p->socket = -1;
}

void skopeo_reply_done(struct skopeo_reply *r)
{
	json_decref(r->value);
	closep(&r->fd);
	*r = (struct skopeo_reply)SKOPEO_REPLY_INIT;
}

/* --- requests --- */

int skopeo_proxy_ask_open(struct skopeo_proxy *p, const char *ref, struct volt_error *e)
{
	return ask(p, "OpenImage", json_pack("[s]", ref), e);
}

int skopeo_proxy_ask_blob(struct skopeo_proxy *p, const struct descriptor *d,
			  struct volt_error *e)
{
	char digest[DIGEST_OCI_SIZE];

	return ask(p, "GetBlob",
		   json_pack("[I, s, I]", (json_int_t)p->image,
			     digest_oci(&d->digest, digest), (json_int_t)d->size),
		   e);
}

int skopeo_proxy_ask_finish(struct skopeo_proxy *p, int64_t pipe, struct volt_error *e)
{
	return ask(p, "FinishPipe", json_pack("[I]", (json_int_t)pipe), e);
}

/* --- answers --- */

/* What came along; more than one descriptor never does, and would be closed. */
static int take_fd(struct msghdr *m)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		if (c->cmsg_len == CMSG_LEN(sizeof(fd)))
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	}
	return fd;
}

static ssize_t receive_packet(int socket, void *text, size_t size, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { text, size };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	do {
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	*ret_fd = take_fd(&m);
	return (m.msg_flags & MSG_TRUNC) != 0 ? -EMSGSIZE : n;
}

static int gone(struct skopeo_proxy *p, struct volt_error *e)
{
	int r = skopeo_process_end(&p->process, e);

	return r < 0 ? r : fail(e, EIO, "'skopeo' ended too early");
}

static int parse(const char *text, size_t size, struct skopeo_reply *ret,
		 struct volt_error *e)
{
	json_auto_t *j = NULL;
	const char *error = "";
	bool success = false;
	int r;

	if ((r = json_parse(text, size, "what 'skopeo' answered", &j, e)) < 0 ||
	    (r = json_get_bool(j, "success", &success, e)) < 0 ||
	    (r = json_get_string(j, "error", &error, e)) < 0 ||
	    (r = json_get_int(j, "pipeid", 0, UINT32_MAX, &ret->pipe, e)) < 0)
		return r;
	if (!success)
		return skopeo_explain(error, e);
	ret->value = json_incref(json_object_get(j, "value"));
	return 0;
}

int skopeo_proxy_receive(struct skopeo_proxy *p, struct skopeo_reply *ret,
			 struct volt_error *e)
{
	_cleanup_free_ char *text = malloc(PACKET_MAX);
	ssize_t n;

	*ret = (struct skopeo_reply)SKOPEO_REPLY_INIT;
	if (!text)
		return fail_oom(e);
	n = receive_packet(p->socket, text, PACKET_MAX, &ret->fd);
	if (n < 0)
		return fail_code(e, (int)n, "receive from 'skopeo'");
	return n == 0 ? gone(p, e) : parse(text, (size_t)n, ret, e);
}
