/*
 * The header ends with the first line that is neither a field nor the rest of
 * one: what stands behind it counts, whatever it looks like.
 */
#include <string.h>
#include <strings.h>

#include "worker/digest.h"

/* Fields that are of the way, not of the message. */
static const char *const skipped[] = { "Received", "Return-Path" };

void
digest_start(struct digest *g)
{
	memset(g, 0, sizeof(*g));
	SHA256Init(&g->sha);
}

static void
count(struct digest *g, const char *p, size_t len)
{
	SHA256Update(&g->sha, (const uint8_t *)p, len);
}

static bool
is_skipped(const struct digest *g)
{
	size_t i;

	for (i = 0; i < sizeof(skipped) / sizeof(skipped[0]); i++)
		if (strlen(skipped[i]) == g->len &&
		    strncasecmp(skipped[i], g->name, g->len) == 0)
			return true;
	return false;
}

/* One octet of a name; one that is too long to be held counts at once. */
static void
take_name(struct digest *g, char c)
{
	if (g->len < sizeof(g->name)) {
		g->name[g->len] = c;
	} else {
		if (g->len == sizeof(g->name))
			count(g, g->name, sizeof(g->name));
		count(g, &c, 1);
	}
	g->len++;
	g->place = DIGEST_NAME;
}

/* The beginning of the line has told what it is. */
static void
turn(struct digest *g, enum digest_place place)
{
	g->skip = place == DIGEST_FIELD && is_skipped(g);
	if (!g->skip && g->len <= sizeof(g->name))
		count(g, g->name, g->len);
	g->begun = g->begun || place == DIGEST_FIELD;
	g->place = place;
	g->len = 0;
}

/* Look at an octet before the field's text. Returns how many it took. */
static size_t
begin_line(struct digest *g, char c)
{
	if (g->place == DIGEST_START && g->begun && (c == ' ' || c == '\t')) {
		g->place = DIGEST_FIELD; /* more of the one before */
		return 0;
	}
	if (c > ' ' && c < 0x7f && c != ':') {
		take_name(g, c);
		return 1;
	}
	turn(g, c == ':' && g->len > 0 ? DIGEST_FIELD : DIGEST_BODY);
	return 0;
}

/* The rest of a line, or what there is of it. */
static size_t
take_line(struct digest *g, const char *p, size_t len)
{
	const char *end = memchr(p, '\n', len);

	if (end != NULL) {
		len = (size_t)(end - p) + 1;
		g->place = DIGEST_START;
	}
	if (!g->skip)
		count(g, p, len);
	return len;
}

void
digest_take(struct digest *g, const char *p, size_t len)
{
	size_t n;

	for (; len > 0; p += n, len -= n) {
		if (g->place == DIGEST_BODY)
			count(g, p, n = len);
		else if (g->place == DIGEST_FIELD)
			n = take_line(g, p, len);
		else
			n = begin_line(g, *p);
	}
}

void
digest_end(struct digest *g, uint8_t out[DIGEST_OCTETS])
{
	if (g->place == DIGEST_NAME)
		turn(g, DIGEST_BODY);
	SHA256Final(out, &g->sha);
}
