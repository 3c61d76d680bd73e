/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/print.h"

#define PAINT_EVERY 100000000 /* ns: faster cannot be read */

/* The only terminal there is, so one line's state for the whole program. */
static struct {
	bool shown;
	char what[16];
	int64_t began, painted;
	uint64_t began_at; /* bytes done when it began: resumed ones have no rate */
} line;

void progress_clear(void)
{
	if (line.shown)
		(void)fputs("\r\033[K", stderr);
	line.shown = false;
}

static void begin(const struct volt_progress *p, int64_t now)
{
	(void)snprintf(line.what, sizeof(line.what), "%s", p->what);
	line.began = now;
	line.began_at = p->done;
	line.painted = 0;
}

static void paint(void *data, const struct volt_progress *p)
{
	char done[HUMAN_SIZE], total[HUMAN_SIZE + 4] = "", rate[HUMAN_SIZE + 4] = "";
	char items[32] = "", number[HUMAN_SIZE], text[192];
	struct winsize w = { 0 };
	int64_t now = clock_monotonic(), took;

	if (strncmp(line.what, p->what, sizeof(line.what) - 1) != 0)
		begin(p, now);
	if (line.painted && now - line.painted < PAINT_EVERY)
		return;
	line.painted = now;
	took = (now - line.began) / 1000000; /* ms */
	if (p->total)
		(void)snprintf(total, sizeof(total), " of %s",
			       human_size(p->total, number));
	if (took > 200 && p->done > line.began_at)
		(void)snprintf(
			rate, sizeof(rate), ", %s/s",
			human_size((p->done - line.began_at) * 1000 / (uint64_t)took,
				   number));
	if (p->items_total)
		(void)snprintf(items, sizeof(items), ", %u/%u layers", p->items,
			       p->items_total);
	(void)snprintf(text, sizeof(text), "%s: %s%s%s%s", p->what,
		       human_size(p->done, done), total, rate, items);
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 &&
	    w.ws_col < sizeof(text))
		text[w.ws_col - 1] = '\0'; /* a wrapped line could not be taken away */
	(void)fprintf(stderr, "\r\033[K%s", text);
	line.shown = true;
}

void progress_show(struct volt_ctx *ctx)
{
	if (isatty(STDERR_FILENO))
		volt_set_progress(ctx, paint, NULL);
}

static int log_level;

static void print_log(void *data, int level, const char *text)
{
	if (level > log_level)
		return;
	progress_clear();
	(void)fprintf(stderr, "volt: %s\n", text);
}

void progress_log(struct volt_ctx *ctx, int level)
{
	log_level = level;
	volt_set_log(ctx, print_log, NULL);
}

void progress_steps(struct volt_ctx *ctx)
{
	progress_show(ctx);
	if (isatty(STDERR_FILENO) && log_level < LOG_INFO)
		progress_log(ctx, LOG_INFO);
}
