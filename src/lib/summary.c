/* SPDX-License-Identifier: Apache-2.0 */

#include "lib/summary.h"

#include <string.h>

#include "base/clock.h"
#include "base/strv.h"

/* @text is UTF-8: it was read from JSON, or checked when the machine was made. */
static void write_text(FILE *f, const char *text, size_t size)
{
	(void)putc_unlocked('"', f);
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ')
			(void)fprintf(f, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			(void)fprintf(f, "\\%c", c);
		else
			(void)putc_unlocked(c, f);
	}
	(void)putc_unlocked('"', f);
}

static void put_text(FILE *f, const char *key, const char *text)
{
	if (!text)
		return;
	(void)fprintf(f, ",\"%s\":", key);
	write_text(f, text, strlen(text));
}

static void put_time(FILE *f, const char *key, int64_t ns)
{
	char text[CLOCK_TEXT_SIZE];

	if (ns)
		(void)fprintf(f, ",\"%s\":\"%s\"", key, clock_text(ns, text));
}

static void put_flag(FILE *f, const char *key, bool on)
{
	if (on)
		(void)fprintf(f, ",\"%s\":true", key);
}

static void put_labels(FILE *f, const struct strv *labels)
{
	const char *separator = ",\"labels\":{";

	strv_foreach(label, labels->v) {
		size_t n = strcspn(*label, "=");
		const char *value = *label + n + ((*label)[n] == '=');

		(void)fputs(separator, f);
		write_text(f, *label, n);
		(void)putc_unlocked(':', f);
		write_text(f, value, strlen(value));
		separator = ",";
	}
	if (labels->n)
		(void)putc_unlocked('}', f);
}

static void put_ports(FILE *f, const struct ports *ports)
{
	for (size_t i = 0; i < ports->n; i++) {
		const struct port *p = &ports->v[i];

		(void)fprintf(f,
			      "%s{\"host_ip\":\"%s\",\"host_port\":%u,"
			      "\"guest_port\":%u,\"protocol\":\"%s\"}",
			      i ? "," : ",\"ports\":[", p->host_ip, p->host_port,
			      p->guest_port, p->udp ? "udp" : "tcp");
	}
	if (ports->n)
		(void)putc_unlocked(']', f);
}

static void put_end(FILE *f, const struct state *st)
{
	put_text(f, "reason", st->reason);
	if (st->status == STATUS_EXITED || st->status == STATUS_FAILED || st->finished_at)
		(void)fprintf(f, ",\"exit_code\":%d,\"stopped_by\":\"%s\"", st->exit_code,
			      rung_text(st->rung));
	put_flag(f, "oom", st->oom);
	put_time(f, "finished_at", st->finished_at);
}

void summary_write(FILE *f, const struct state *st)
{
	(void)fprintf(f, "{\"id\":\"%s\"", st->id);
	put_text(f, "name", st->name);
	put_text(f, "image", st->image);
	put_text(f, "command", st->command);
	put_time(f, "created_at", st->created_at);
	put_labels(f, &st->labels);
	put_ports(f, &st->ports);
	put_flag(f, "rm", st->rm);
	put_text(f, "status", status_text(st->status));
	put_time(f, "started_at", st->started_at);
	if (st->restarts)
		(void)fprintf(f, ",\"restarts\":%u", st->restarts);
	if (st->accel != ACCEL_AUTO)
		put_text(f, "accel", spec_accel_text(st->accel));
	put_end(f, st);
	(void)putc_unlocked('}', f);
}
