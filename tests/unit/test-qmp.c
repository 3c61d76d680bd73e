/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tap.h"
#include "vm/qmp.h"

struct seen {
	int ready, events, gone, answers, code;
	char event[64], text[512];
};

static void on_ready(void *data)
{
	((struct seen *)data)->ready++;
}

static void on_event(void *data, const char *name, const json_t *info)
{
	struct seen *s = data;

	s->events++;
	(void)snprintf(s->event, sizeof(s->event), "%s", name);
}

static void on_gone(void *data, const struct volt_error *why)
{
	((struct seen *)data)->gone++;
}

static const struct qmp_ops ops = { on_ready, on_event, on_gone };

static void on_done(void *data, const json_t *result, const struct volt_error *error)
{
	struct seen *s = data;

	s->answers++;
	s->code = error ? error->code : 0;
	(void)snprintf(s->text, sizeof(s->text), "%s",
		       error ? error->msg : json_string_value(result) ?: "");
}

static int feed(struct qmp *q, const char *text)
{
	return qmp_feed(q, text, strlen(text));
}

static bool has_sent(struct qmp *q, const char *text)
{
	size_t size;
	const char *p = qmp_unsent(q, &size);

	return p && memmem(p, size, text, strlen(text));
}

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define AGREED   "{\"return\": {}, \"id\": 0}\r\n"

static struct qmp *open_ready(struct seen *s)
{
	struct qmp *q = NULL;

	*s = (struct seen){ 0 };
	if (qmp_new(-1, NULL, &ops, s, &q, NULL) < 0 || feed(q, GREETING) < 0 ||
	    feed(q, AGREED) < 0)
		return NULL;
	return q;
}

static void the_handshake_comes_first(void)
{
	_cleanup_(qmp_freep) struct qmp *q = NULL;
	struct seen s = { 0 };

	CHECK_INT(qmp_new(-1, NULL, &ops, &s, &q, NULL), 0);
	CHECK_INT(qmp_call(q, "cont", NULL, 0, on_done, &s), 0);
	CHECK(!has_sent(q, "cont"));
	CHECK_INT(feed(q, GREETING), 0);
	CHECK(has_sent(q, "qmp_capabilities"));
	CHECK(!has_sent(q, "cont"));
	CHECK_INT(s.ready, 0);
	CHECK_INT(feed(q, AGREED), 0);
	CHECK_INT(s.ready, 1);
	CHECK(has_sent(q, "cont"));
}

static void anything_but_a_greeting_ends_it(void)
{
	_cleanup_(qmp_freep) struct qmp *q = NULL;
	struct seen s = { 0 };

	CHECK_INT(qmp_new(-1, NULL, &ops, &s, &q, NULL), 0);
	CHECK_INT(feed(q, "{\"return\": {}}\n"), -EBADMSG);
}

static void b19_answers_are_matched_by_id(void)
{
	struct seen s, first = { 0 }, second = { 0 };
	_cleanup_(qmp_freep) struct qmp *q = open_ready(&s);

	CHECK(q);
	CHECK_INT(qmp_call(q, "one", NULL, 0, on_done, &first), 0);
	CHECK_INT(qmp_call(q, "two", json_pack("{s:i}", "x", 1), 0, on_done, &second), 0);
	CHECK(has_sent(q, "{\"arguments\":{\"x\":1},\"execute\":\"two\",\"id\":2}"));
	CHECK_INT(feed(q, "{\"return\": \"b\", \"id\": 2}\n"), 0);
	CHECK_INT(first.answers, 0);
	CHECK_STR(second.text, "b");
	CHECK_INT(feed(q, "{\"return\": \"a\", \"id\": 1}\n"), 0);
	CHECK_STR(first.text, "a");
	CHECK_INT(feed(q, "{\"return\": \"late\", \"id\": 1}\n"), 0);
	CHECK_INT(first.answers, 1);
}

static void b19_an_event_is_never_an_answer(void)
{
	struct seen s, call = { 0 };
	_cleanup_(qmp_freep) struct qmp *q = open_ready(&s);

	CHECK_INT(qmp_call(q, "stop", NULL, 0, on_done, &call), 0);
	CHECK_INT(feed(q, "{\"event\": \"STOP\", \"id\": 1, \"data\": {}}\n"), 0);
	CHECK_INT(call.answers, 0);
	CHECK_INT(s.events, 1);
	CHECK_STR(s.event, "STOP");
}

static void a_refusal_carries_qemus_words(void)
{
	struct seen s, call = { 0 };
	_cleanup_(qmp_freep) struct qmp *q = open_ready(&s);

	CHECK_INT(qmp_call(q, "cont", NULL, 0, on_done, &call), 0);
	CHECK_INT(feed(q,
		       "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no disk\"},"
		       " \"id\": 1}\n"),
		  0);
	CHECK_INT(call.code, EREMOTEIO);
	CHECK_STR(call.text, "QEMU refused 'cont': no disk");
}

static void messages_may_come_in_pieces_or_together(void)
{
	struct seen s;
	_cleanup_(qmp_freep) struct qmp *q = open_ready(&s);
	const char *two = "{\"event\": \"A\"}\n{\"event\": \"B\"}\n";

	for (const char *p = two; *p; p++)
		CHECK_INT(qmp_feed(q, p, 1), 0);
	CHECK_INT(s.events, 2);
	CHECK_INT(feed(q, two), 0);
	CHECK_INT(s.events, 4);
	CHECK_STR(s.event, "B");
}

static void garbage_ends_it(void)
{
	static const char *const bad[] = { "hello\n", "[1]\n", "{\"a\":}\n", "\xff\xfe\n",
					   "{\"a\":1,\"a\":2}\n" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct seen s;
		_cleanup_(qmp_freep) struct qmp *q = open_ready(&s);

		CHECK_INT(feed(q, bad[i]), -EBADMSG);
	}
}

static void b19_a_line_has_a_limit(void)
{
	struct seen s;
	_cleanup_(qmp_freep) struct qmp *q = open_ready(&s);
	char part[4096];
	int r = 0;

	memset(part, 'x', sizeof(part));
	for (size_t n = 0; r == 0 && n <= QMP_LINE_MAX; n += sizeof(part))
		r = qmp_feed(q, part, sizeof(part));
	CHECK_INT(r, -EMSGSIZE);
}

static void freeing_answers_what_is_pending(void)
{
	struct seen s, call = { 0 };
	struct qmp *q = open_ready(&s);

	CHECK_INT(qmp_call(q, "quit", NULL, 0, on_done, &call), 0);
	qmp_free(q);
	CHECK_INT(call.answers, 1);
	CHECK_INT(call.code, ECANCELED);
}

int main(void)
{
	RUN(the_handshake_comes_first);
	RUN(anything_but_a_greeting_ends_it);
	RUN(b19_answers_are_matched_by_id);
	RUN(b19_an_event_is_never_an_answer);
	RUN(a_refusal_carries_qemus_words);
	RUN(messages_may_come_in_pieces_or_together);
	RUN(garbage_ends_it);
	RUN(b19_a_line_has_a_limit);
	RUN(freeing_answers_what_is_pending);
	return tap_done();
}
