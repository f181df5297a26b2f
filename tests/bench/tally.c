/*
 * Counters and percentiles of a run. Times are kept one by one and sorted
 * when they are printed, so the percentiles are exact.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/tally.h"

enum {
	SHOWN_MAX = 8,
	TEXT_MAX = 120
};

static const char *const kinds[TALLY_KINDS] = { "connect", "lost", "timeout",
	"soft", "hard", "other", "malformed" };

void
tally_fail(struct tally *t, enum tally_kind kind, const char *step,
    const char *text)
{
	char clean[TEXT_MAX];
	size_t i;

	t->failed[kind]++;
	if (t->shown >= SHOWN_MAX)
		return;
	t->shown++;
	strlcpy(clean, text, sizeof(clean));
	for (i = 0; clean[i] != '\0'; i++)
		if (clean[i] < ' ' || clean[i] > '~')
			clean[i] = '?';
	warnx("%s at %s: %s", kinds[kind], step, clean);
	if (t->shown == SHOWN_MAX)
		warnx("further failures are only counted");
}

void
tally_reply(struct tally *t, int code, const char *step, const char *text)
{
	enum tally_kind kind = TALLY_OTHER;

	if (code / 100 == 4)
		kind = TALLY_SOFT;
	else if (code / 100 == 5)
		kind = TALLY_HARD;
	tally_fail(t, kind, step, text);
}

void
tally_time(struct tally *t, int64_t us)
{
	if (t->n == t->room) {
		t->room = t->room == 0 ? 1024 : 2 * t->room;
		t->us = reallocarray(t->us, t->room, sizeof(*t->us));
		if (t->us == NULL)
			err(1, NULL);
	}
	t->us[t->n++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

uint64_t
tally_failures(const struct tally *t)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < TALLY_KINDS; i++)
		sum += t->failed[i];
	return sum;
}

void
tally_print_failures(const struct tally *t)
{
	int i;

	printf("failures=%" PRIu64, tally_failures(t));
	for (i = 0; i < TALLY_KINDS; i++)
		printf(" %s=%" PRIu64, kinds[i], t->failed[i]);
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
percentile_ms(const struct tally *t, unsigned percent)
{
	if (t->n == 0)
		return 0;
	return t->us[(t->n - 1) * percent / 100] / 1000.0;
}

void
tally_print_times(struct tally *t, const char *prefix)
{
	if (t->n > 0)
		qsort(t->us, t->n, sizeof(*t->us), compare);
	printf("%sp50_ms=%.3f %sp99_ms=%.3f %smax_ms=%.3f", prefix,
	    percentile_ms(t, 50), prefix, percentile_ms(t, 99), prefix,
	    percentile_ms(t, 100));
}

void
tally_free(struct tally *t)
{
	free(t->us);
	t->us = NULL;
	t->n = t->room = 0;
}
