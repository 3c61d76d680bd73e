/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/agent-wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_SIZE  sizeof(struct agent_frame)
#define RECORD_SIZE sizeof(struct agent_record)
#define TEXT_MAX    4096 /* of TEXT, KERNEL, PHASE */

/* Reading */

int wire_in_space(struct wire_in *in, void **ret, size_t *ret_size)
{
	size_t left = in->size - in->taken;
	char *grown;

	if (!in->data) {
		grown = malloc(2 * AGENT_PAYLOAD_MAX);
		if (!grown)
			return -ENOMEM;
		*in = (struct wire_in){ .data = grown, .room = 2 * AGENT_PAYLOAD_MAX };
	}
	if (in->taken > 0 && left > 0)
		memmove(in->data, in->data + in->taken, left);
	in->taken = 0;
	in->size = left;
	*ret = in->data + left;
	*ret_size = in->room - left;
	return 0;
}

void wire_in_came(struct wire_in *in, size_t size)
{
	in->size += size;
}

void wire_in_done(struct wire_in *in)
{
	free(in->data);
	*in = (struct wire_in){ 0 };
}

/* Which records a message of the guest may have: numbers go to one int64_t of struct
 * wire_message, texts to one struct wire_text. */
struct field {
	uint16_t type, tag;
	enum {
		FIELD_NUMBER,
		FIELD_TEXT,
		FIELD_FLAG
	} kind;
	bool needed;
	int64_t min, max;
	size_t offset;
};

#define NUMBER(type, tag, needed, min, max, member)           \
	{                                                     \
		type, tag, FIELD_NUMBER, needed, min, max,    \
			offsetof(struct wire_message, member) \
	}
#define TEXT(type, tag, member)                               \
	{                                                     \
		type, tag, FIELD_TEXT, true, 0, TEXT_MAX,     \
			offsetof(struct wire_message, member) \
	}

static const struct field fields[] = {
	NUMBER(AGENT_HELLO, AGENT_TAG_VERSION, true, 0, UINT32_MAX, version),
	TEXT(AGENT_HELLO, AGENT_TAG_KERNEL, kernel),
	NUMBER(AGENT_HELLO, AGENT_TAG_MEMORY, true, 0, INT64_MAX, memory),
	NUMBER(AGENT_CREDIT, AGENT_TAG_BYTES, true, 1, AGENT_WINDOW, bytes),
	NUMBER(AGENT_STARTED, AGENT_TAG_PID, true, 1, INT32_MAX, pid),
	NUMBER(AGENT_FAILED, AGENT_TAG_CODE, true, 0, 255, code),
	TEXT(AGENT_FAILED, AGENT_TAG_TEXT, data),
	NUMBER(AGENT_EXITED, AGENT_TAG_CODE, false, 0, 255, code),
	NUMBER(AGENT_EXITED, AGENT_TAG_SIGNAL, false, 1, 64, signal),
	{ AGENT_EXITED, AGENT_TAG_OOM, FIELD_FLAG, false, 0, 0,
	  offsetof(struct wire_message, oom) },
	NUMBER(AGENT_LOG, AGENT_TAG_LEVEL, true, 0, 7, level),
	TEXT(AGENT_LOG, AGENT_TAG_TEXT, data),
};

static int take_field(struct wire_message *m, const struct field *f,
		      const struct agent_item *i)
{
	char *at = (char *)m + f->offset;

	switch (f->kind) {
	case FIELD_NUMBER:
		return agent_number(i, f->min, f->max, (int64_t *)(void *)at);
	case FIELD_TEXT:
		*(struct wire_text *)(void *)at = (struct wire_text){ i->data, i->size };
		return agent_text(i, (size_t)f->max);
	case FIELD_FLAG:
		*(bool *)at = true;
		return i->size == 0 ? 0 : -EBADMSG;
	}
	return -EBADMSG;
}

static int take_record(struct wire_message *m, const struct agent_item *i, uint32_t *seen)
{
	for (size_t k = 0; k < ARRAY_SIZE(fields); k++) {
		if (fields[k].type != m->type || fields[k].tag != i->tag)
			continue;
		if (*seen & 1u << k)
			return -EBADMSG;
		*seen |= 1u << k;
		return take_field(m, &fields[k], i);
	}
	return -EBADMSG;
}

static int take_records(struct wire_message *m, struct agent_cursor c)
{
	struct agent_item i;
	uint32_t seen = 0;
	int r;

	_Static_assert(ARRAY_SIZE(fields) <= 32, "one bit of `seen` a field");
	while ((r = agent_next(&c, &i)) > 0) {
		r = take_record(m, &i, &seen);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	for (size_t k = 0; k < ARRAY_SIZE(fields); k++)
		if (fields[k].type == m->type && fields[k].needed && !(seen & 1u << k))
			return -EBADMSG;
	return 0;
}

/* TIMING: PHASE, NANOSECONDS, PHASE, … */
int wire_timing(struct wire_message *m, struct wire_text *ret_phase, int64_t *ret_ns)
{
	struct agent_item phase, ns;
	int r = agent_next(&m->records, &phase);

	if (r <= 0)
		return r;
	if (phase.tag != AGENT_TAG_PHASE || agent_text(&phase, TEXT_MAX) < 0 ||
	    agent_next(&m->records, &ns) <= 0 || ns.tag != AGENT_TAG_NANOSECONDS ||
	    agent_number(&ns, 0, INT64_MAX, ret_ns) < 0)
		return -EBADMSG;
	*ret_phase = (struct wire_text){ phase.data, phase.size };
	return 1;
}

int wire_stat(struct wire_message *m, enum agent_tag *ret_tag, int64_t *ret)
{
	struct agent_item i;
	int r = agent_next(&m->records, &i);

	if (r <= 0)
		return r;
	if (i.tag != AGENT_TAG_NANOSECONDS && i.tag != AGENT_TAG_MEMORY &&
	    (i.tag < AGENT_TAG_CPU || i.tag > AGENT_TAG_PROCESSES))
		return -EBADMSG;
	*ret_tag = i.tag;
	r = agent_number(&i, 0, INT64_MAX, ret);
	return r < 0 ? r : 1;
}

/* Walks a copy of @m to its end, so that the caller's walk cannot fail. */
static int check_list(const struct wire_message *m)
{
	struct wire_message copy = *m;
	struct wire_text phase;
	enum agent_tag tag;
	int64_t number;
	int r;

	do
		r = m->type == AGENT_TIMING ? wire_timing(&copy, &phase, &number)
					    : wire_stat(&copy, &tag, &number);
	while (r > 0);
	return r;
}

static int check_stream(const struct wire_message *m)
{
	if (m->type == AGENT_CREDIT)
		return m->stream == AGENT_STDIN ? 0 : -EBADMSG;
	return m->stream == AGENT_STDOUT || m->stream == AGENT_STDERR ? 0 : -EBADMSG;
}

static int take_payload(struct wire_message *m, const char *payload, size_t size)
{
	struct agent_cursor c = { payload, size };

	switch (m->type) {
	case AGENT_DATA:
		m->data = (struct wire_text){ payload, size };
		return size > 0 ? check_stream(m) : -EBADMSG;
	case AGENT_EOF:
		return size == 0 ? check_stream(m) : -EBADMSG;
	case AGENT_CREDIT:
		return check_stream(m) < 0 ? -EBADMSG : take_records(m, c);
	case AGENT_TIMING:
	case AGENT_REPLY:
		m->records = c;
		return check_list(m);
	case AGENT_EXITED:
		if (take_records(m, c) < 0 || (m->code < 0) == (m->signal < 0))
			return -EBADMSG;
		return 0;
	case AGENT_HELLO:
	case AGENT_STARTED:
	case AGENT_FAILED:
	case AGENT_LOG:
		return take_records(m, c);
	default: /* what only the host may say, and what nobody does */
		return -EBADMSG;
	}
}

int wire_next(struct wire_in *in, struct wire_message *ret)
{
	size_t left = in->size - in->taken, size;
	struct agent_frame f;
	int r;

	if (left < sizeof(f))
		return 0;
	memcpy(&f, in->data + in->taken, sizeof(f));
	size = le32toh(f.size);
	if (size > AGENT_PAYLOAD_MAX)
		return -EBADMSG;
	if (left - sizeof(f) < size)
		return 0;
	*ret = (struct wire_message){
		.type = le16toh(f.type),
		.stream = le16toh(f.stream),
		.process = le32toh(f.process),
		.code = -1,
		.signal = -1,
	};
	r = take_payload(ret, in->data + in->taken + sizeof(f), size);
	if (r < 0)
		return r;
	in->taken += sizeof(f) + size;
	return 1;
}

/* Writing */

static void *append(struct wire_out *out, size_t size)
{
	size_t room = out->room ? out->room : 4096;
	char *grown;

	if (out->failed)
		return NULL;
	while (room - out->size < size)
		room *= 2;
	if (room > out->room) {
		grown = realloc(out->data, room);
		if (!grown) {
			out->failed = -ENOMEM;
			return NULL;
		}
		out->data = grown;
		out->room = room;
	}
	out->size += size;
	return out->data + out->size - size;
}

static void put_frame(char *at, size_t size, uint16_t type, uint16_t stream,
		      uint32_t process)
{
	struct agent_frame f = { htole32((uint32_t)size), htole16(type), htole16(stream),
				 htole32(process) };

	memcpy(at, &f, sizeof(f));
}

/* What was sent is dropped when it is at least half, so that each byte moves once. */
static void compact(struct wire_out *out)
{
	if (out->sent == 0 || out->sent < out->size - out->sent)
		return;
	memmove(out->data, out->data + out->sent, out->size - out->sent);
	out->size -= out->sent;
	out->sent = 0;
}

static void begin(struct wire_out *out, enum agent_type type, uint32_t process,
		  enum agent_stream stream)
{
	char *at;

	compact(out);
	out->failed = 0;
	out->groups = 0;
	out->frame = out->size;
	at = append(out, FRAME_SIZE);
	if (at)
		put_frame(at, 0, type, stream, process);
}

void wire_begin(struct wire_out *out, enum agent_type type, uint32_t process)
{
	begin(out, type, process, 0);
}

static void put_record(char *at, enum agent_tag tag, size_t size)
{
	struct agent_record r = { htole16((uint16_t)tag), 0, htole32((uint32_t)size) };

	memcpy(at, &r, sizeof(r));
}

void wire_bytes(struct wire_out *out, enum agent_tag tag, const void *data, size_t size)
{
	char *at;

	if (!out->failed && size > AGENT_CONFIG_MAX)
		out->failed = -EMSGSIZE;
	at = append(out, RECORD_SIZE + size);
	if (!at)
		return;
	put_record(at, tag, size);
	if (size > 0)
		memcpy(at + RECORD_SIZE, data, size);
}

void wire_number(struct wire_out *out, enum agent_tag tag, int64_t value)
{
	uint64_t le = htole64((uint64_t)value);

	wire_bytes(out, tag, &le, sizeof(le));
}

void wire_text(struct wire_out *out, enum agent_tag tag, const char *text)
{
	wire_bytes(out, tag, text, strlen(text));
}

void wire_flag(struct wire_out *out, enum agent_tag tag)
{
	wire_bytes(out, tag, NULL, 0);
}

void wire_group(struct wire_out *out, enum agent_tag tag)
{
	if (out->groups == ARRAY_SIZE(out->group)) {
		out->failed = -EINVAL;
		return;
	}
	out->group[out->groups++] = out->size;
	wire_bytes(out, tag, NULL, 0);
}

void wire_group_end(struct wire_out *out)
{
	size_t at;
	uint32_t size;

	if (out->groups == 0)
		out->failed = -EINVAL;
	if (out->failed)
		return;
	at = out->group[--out->groups];
	size = htole32((uint32_t)(out->size - at - RECORD_SIZE));
	memcpy(out->data + at + offsetof(struct agent_record, size), &size, sizeof(size));
}

/* Turns one frame with too long a payload into several, from the last one to the first,
 * so that every byte moves once. */
static void split(struct wire_out *out, size_t payload, const struct agent_frame *f)
{
	size_t extra = (payload - 1) / AGENT_PAYLOAD_MAX, part;
	uint16_t stream = 0;

	if (!append(out, extra * FRAME_SIZE))
		return;
	for (size_t k = extra + 1; k-- > 0; stream = AGENT_MORE) {
		char *at = out->data + out->frame + k * (FRAME_SIZE + AGENT_PAYLOAD_MAX);
		const char *from =
			out->data + out->frame + FRAME_SIZE + k * AGENT_PAYLOAD_MAX;

		part = k == extra ? payload - k * AGENT_PAYLOAD_MAX : AGENT_PAYLOAD_MAX;
		memmove(at + FRAME_SIZE, from, part);
		put_frame(at, part, le16toh(f->type), stream, le32toh(f->process));
	}
}

static int finish(struct wire_out *out)
{
	size_t payload = out->size - out->frame - FRAME_SIZE;
	struct agent_frame f;
	uint16_t type;

	if (out->failed)
		return out->failed;
	if (out->groups > 0)
		return -EINVAL;
	memcpy(&f, out->data + out->frame, sizeof(f));
	type = le16toh(f.type);
	if (payload <= AGENT_PAYLOAD_MAX) {
		f.size = htole32((uint32_t)payload);
		memcpy(out->data + out->frame, &f, sizeof(f));
		return 0;
	}
	if ((type != AGENT_CONFIG && type != AGENT_EXEC) || payload > AGENT_CONFIG_MAX)
		return -EMSGSIZE;
	split(out, payload, &f);
	return out->failed;
}

int wire_end(struct wire_out *out)
{
	int r = finish(out);

	if (r < 0)
		out->size = out->frame;
	return r;
}

int wire_hello(struct wire_out *out)
{
	wire_begin(out, AGENT_HELLO, 0);
	wire_number(out, AGENT_TAG_VERSION, AGENT_VERSION);
	return wire_end(out);
}

int wire_empty(struct wire_out *out, enum agent_type type, uint32_t process)
{
	wire_begin(out, type, process);
	return wire_end(out);
}

int wire_signal(struct wire_out *out, uint32_t process, int number)
{
	wire_begin(out, AGENT_SIGNAL, process);
	wire_number(out, AGENT_TAG_NUMBER, number);
	return wire_end(out);
}

int wire_resize(struct wire_out *out, uint32_t process, int rows, int columns)
{
	wire_begin(out, AGENT_RESIZE, process);
	wire_number(out, AGENT_TAG_ROWS, rows);
	wire_number(out, AGENT_TAG_COLUMNS, columns);
	return wire_end(out);
}

int wire_data(struct wire_out *out, uint32_t process, const void *data, size_t size)
{
	char *at;

	if (size == 0 || size > AGENT_PAYLOAD_MAX)
		return -EMSGSIZE;
	wire_begin(out, AGENT_DATA, process);
	at = append(out, size);
	if (at)
		memcpy(at, data, size);
	return wire_end(out);
}

int wire_eof(struct wire_out *out, uint32_t process)
{
	return wire_empty(out, AGENT_EOF, process);
}

int wire_credit(struct wire_out *out, uint32_t process, enum agent_stream stream,
		size_t bytes)
{
	begin(out, AGENT_CREDIT, process, stream);
	wire_number(out, AGENT_TAG_BYTES, (int64_t)bytes);
	return wire_end(out);
}

void wire_out_sent(struct wire_out *out, size_t size)
{
	out->sent += size;
	if (out->sent < out->size)
		return;
	out->sent = out->size = 0;
}

void wire_out_done(struct wire_out *out)
{
	free(out->data);
	*out = (struct wire_out){ 0 };
}
