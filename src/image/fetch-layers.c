/* SPDX-License-Identifier: Apache-2.0 */
/* Theory of operation
 *
 * From a registry each layer comes through a pipe; a thread unpacks it as it arrives, and
 * keeps a copy of what was sent. skopeo answers one request at a time, so it is asked for
 * as many layers as may come at once, then to finish the oldest, then for one more, and so
 * on. A pipe does not end by itself, not even where the registry has gone away in the
 * middle: the answer to "finish" ends it and says what was wrong. The oldest one always
 * has a thread that reads it, so its end is never waited for in vain.
 *
 * If something fails, whose word counts? A thread that gave up closes its pipe, of which
 * skopeo then complains: the thread's. A thread that was left without its last bytes knows
 * nothing (-ENODATA): skopeo's, which comes at once.
 */
#include "image/fetch-layers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/io.h"

/* More than most images have: each is asked for while others come already, as an answer
 * takes a round trip, but none is asked for while the end of another is waited for. */
#define AT_ONCE 16u

/* The most that an ordinary user gets: fewer changes between its two ends. */
#define PIPE_SIZE (1 << 20)

static bool thread_failed(const struct fetch *f)
{
	int code = unpack_code(f->unpack);

	return code < 0 && code != -ENODATA;
}

/* Until the answer is there: 0, or -ECANCELED when a thread has failed. */
static int await(struct fetch *f, struct volt_error *e)
{
	struct pollfd v[] = { { f->proxy->socket, POLLIN, 0 },
			      { unpack_fd(f->unpack), POLLIN, 0 } };

	for (;;) {
		int n = poll(v, ARRAY_SIZE(v), fetch_report_ms(f));

		if (n < 0 && errno != EINTR)
			return fail_errno(e, "wait for 'skopeo'");
		if (n > 0 && v[0].revents != 0)
			return 0;
		fetch_report(f, "fetch", unpack_ended(f->unpack));
		if (thread_failed(f))
			return -ECANCELED;
	}
}

static int receive(struct fetch *f, struct skopeo_reply *ret, struct volt_error *e)
{
	int r = await(f, e);

	if (r == 0)
		r = skopeo_proxy_receive(f->proxy, ret, e);
	return r < 0 && thread_failed(f) ? -ECANCELED : r;
}

int fetch_open(struct fetch *f, const char *ref, struct volt_error *e)
{
	_cleanup_(skopeo_reply_done) struct skopeo_reply reply = SKOPEO_REPLY_INIT;
	int r;

	fetch_report(f, "fetch", 0);
	r = skopeo_proxy_ask_open(f->proxy, ref, e);
	if (r == 0)
		r = receive(f, &reply, e);
	if (r == 0)
		f->proxy->image = json_integer_value(reply.value);
	return r;
}

/* Opens the pipe that a blob comes through. */
static int begin(struct fetch *f, const struct descriptor *d, int64_t *ret_pipe,
		 int *ret_fd, struct volt_error *e)
{
	_cleanup_(skopeo_reply_done) struct skopeo_reply reply = SKOPEO_REPLY_INIT;
	int r = skopeo_proxy_ask_blob(f->proxy, d, e);

	if (r == 0)
		r = receive(f, &reply, e);
	if (r < 0)
		return r;
	if (reply.fd < 0)
		return fail(e, EPROTO, "'skopeo' gave nothing to read a blob from");
	*ret_pipe = reply.pipe;
	*ret_fd = TAKE_FD(reply.fd);
	return 0;
}

int fetch_document(struct fetch *f, const struct descriptor *d, size_t max, char **ret,
		   size_t *ret_size, struct volt_error *e)
{
	_cleanup_(skopeo_reply_done) struct skopeo_reply reply = SKOPEO_REPLY_INIT;
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	int64_t pipe = 0;
	int r = begin(f, d, &pipe, &fd, e);

	if (r == 0) /* its answer is what ends the reading */
		r = skopeo_proxy_ask_finish(f->proxy, pipe, e);
	if (r < 0)
		return r;
	r = read_all(fd, max, &text, ret_size);
	if (r < 0)
		return fail_code(e, r, "read a document from 'skopeo'");
	r = receive(f, &reply, e);
	if (r == 0)
		*ret = TAKE_PTR(text);
	return r;
}

static int begin_layer(struct fetch *f, const struct descriptor *d, int64_t *ret_pipe,
		       struct volt_error *e)
{
	int fd = -1, r = begin(f, d, ret_pipe, &fd, e);

	if (r < 0)
		return r;
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
	return unpack_add_stream(f->unpack, &d->digest, fd, d->size, e);
}

static int finish_layer(struct fetch *f, int64_t pipe, struct volt_error *e)
{
	_cleanup_(skopeo_reply_done) struct skopeo_reply reply = SKOPEO_REPLY_INIT;
	int r = skopeo_proxy_ask_finish(f->proxy, pipe, e);

	return r < 0 ? r : receive(f, &reply, e);
}

int fetch_layers(struct fetch *f, const struct descriptor *const *v, size_t n,
		 struct volt_error *e)
{
	int64_t pipes[AT_ONCE] = { 0 };
	char hex[DIGEST_HEX_SIZE];
	size_t begun = 0, ended = 0;

	while (ended < n) {
		bool begins = begun < n && begun - ended < AT_ONCE;
		size_t i = begins ? begun++ : ended++;
		int r = begins ? begin_layer(f, v[i], &pipes[i % AT_ONCE], e)
			       : finish_layer(f, pipes[i % AT_ONCE], e);

		if (r == -ECANCELED) {
			/* Threads that read from it would never end. */
			skopeo_proxy_stop(f->proxy);
			return unpack_wait(f->unpack, e);
		}
		if (r < 0)
			return fail_in(e, r, "layer 'sha256:%s'",
				       digest_hex(&v[i]->digest, hex));
	}
	return 0;
}
