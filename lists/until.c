/*
 * The time at which an entry ends: RFC 3339 to seconds since 1970 UTC and
 * back. There is no time without a zone, so a list means the same on every
 * host.
 */
#include <string.h>
#include <time.h>

#include "lists/source.h"

static const char format[] =
    "a time is written 2026-12-31 or 2026-12-31T12:00:00Z (or +01:00)";

struct cursor {
	const char *p, *end;
};

/* Exactly n digits with a value of least to most; else -1. */
static int
number(struct cursor *c, int n, int least, int most)
{
	int v = 0;

	if (c->end - c->p < n)
		return -1;
	for (; n > 0; n--, c->p++) {
		if (*c->p < '0' || *c->p > '9')
			return -1;
		v = v * 10 + (*c->p - '0');
	}
	return v < least || v > most ? -1 : v;
}

static bool
skip(struct cursor *c, const char *any)
{
	if (c->p == c->end || strchr(any, *c->p) == NULL || *c->p == '\0')
		return false;
	c->p++;
	return true;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };

	if (month == 2 &&
	    ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
		return 29;
	return days[month - 1];
}

/* full-date, RFC 3339 5.6 */
static int
parse_date(struct cursor *c, struct tm *tm)
{
	int year, month, day;

	year = number(c, 4, 1971, 9999);
	if (year == -1 || !skip(c, "-"))
		return -1;
	month = number(c, 2, 1, 12);
	if (month == -1 || !skip(c, "-"))
		return -1;
	day = number(c, 2, 1, days_in_month(year, month));
	if (day == -1)
		return -1;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = day;
	return 0;
}

/* partial-time; a fraction of a second is read over */
static int
parse_clock(struct cursor *c, struct tm *tm)
{
	tm->tm_hour = number(c, 2, 0, 23);
	if (tm->tm_hour == -1 || !skip(c, ":"))
		return -1;
	tm->tm_min = number(c, 2, 0, 59);
	if (tm->tm_min == -1 || !skip(c, ":"))
		return -1;
	tm->tm_sec = number(c, 2, 0, 60);
	if (tm->tm_sec == -1)
		return -1;
	if (skip(c, ".")) {
		if (!skip(c, "0123456789"))
			return -1;
		while (skip(c, "0123456789"))
			continue;
	}
	return 0;
}

/* time-offset, in seconds; false when there is none */
static bool
parse_zone(struct cursor *c, int *offset)
{
	int sign, hours, minutes;

	*offset = 0;
	if (skip(c, "Zz"))
		return true;
	sign = c->p < c->end && *c->p == '-' ? -1 : 1;
	if (!skip(c, "+-"))
		return false;
	hours = number(c, 2, 0, 23);
	if (hours == -1 || !skip(c, ":"))
		return false;
	minutes = number(c, 2, 0, 59);
	*offset = sign * (hours * 3600 + minutes * 60);
	return minutes != -1;
}

int64_t
until_parse(const char *text, size_t len, const char **why)
{
	struct cursor c = { text, text + len };
	struct tm tm;
	int offset;

	memset(&tm, 0, sizeof(tm));
	*why = format;
	if (parse_date(&c, &tm) == -1)
		return -1;
	if (c.p == c.end)
		return (int64_t)timegm(&tm) + 86400;
	if (!skip(&c, "Tt") || parse_clock(&c, &tm) == -1)
		return -1;
	if (c.p == c.end) {
		*why = "a time needs its zone: Z or +01:00";
		return -1;
	}
	if (!parse_zone(&c, &offset) || c.p != c.end)
		return -1;
	return (int64_t)timegm(&tm) - offset;
}

/* Behind year 9999 no time can be written. */
#define UNTIL_LAST INT64_C(253402300799)

/* 90s, 30m, 2h, 7d: seconds, or -1 */
static int64_t
span_parse(const char *text)
{
	static const struct {
		char unit;
		int64_t secs;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };

	int64_t n = 0;
	size_t i;

	for (; *text >= '0' && *text <= '9'; text++) {
		n = n * 10 + (*text - '0');
		if (n > UNTIL_LAST)
			return -1;
	}
	for (i = 0; n > 0 && i < sizeof(units) / sizeof(units[0]); i++)
		if (text[0] == units[i].unit && text[1] == '\0')
			return n * units[i].secs;
	return -1;
}

int64_t
until_from(const char *text, int64_t now, const char **why)
{
	int64_t span = span_parse(text), until;

	if (span != -1)
		until = now + span;
	else
		until = until_parse(text, strlen(text), why);
	if (until == -1) {
		*why = "a time is 90s, 30m, 2h, 7d, 2026-12-31 or "
		       "2026-12-31T12:00:00Z (or +01:00)";
	} else if (until <= now || until > UNTIL_LAST) {
		*why = until <= now ? "that time has passed" :
				      "that is behind the year 9999";
		until = -1;
	}
	return until;
}

const char *
until_format(int64_t until, char out[UNTIL_MAX])
{
	struct tm tm;
	time_t t = (time_t)until;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(out, UNTIL_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		strlcpy(out, "?", UNTIL_MAX);
	return out;
}
