/*
 * A word is 56 bits of the hop's hash and 8 of keywords; 0 is free. A hop's
 * word stands within PROBES of its place. Where all of these are others', it
 * takes the first: a note may be forgotten, but none is another hop's.
 */
#include <string.h>

#include "worker/hops.h"
#include "worker/slot.h"

#define PROBES	     8
#define KEYWORD_MASK ((uint64_t)0xff)
#define FNV_PRIME    0x100000001b3u
#define HOP_TEXT_MAX (ADDR_TEXT_MAX + 8)

static uint64_t
stir(uint64_t h, const void *p, size_t len)
{
	const unsigned char *octet = p;

	for (; len > 0; len--)
		h = (h ^ *octet++) * FNV_PRIME;
	return h;
}

/* The hop's hash, the keywords' place in the word empty. */
static uint64_t
hash(const struct clients *c, const struct addr *a, uint16_t port)
{
	uint64_t h = c->secret[0];

	h = stir(h, &a->family, sizeof(a->family));
	h = stir(h, a->bytes, a->family == 4 ? 4 : 16);
	h = stir(h, &port, sizeof(port));
	return stir(h, c->secret, sizeof(c->secret)) & ~KEYWORD_MASK;
}

static unsigned
place(uint64_t h, unsigned i)
{
	return (unsigned)((h >> 32) + i) % HOP_WORDS;
}

void
hops_note(struct clients *c, const struct addr *a, uint16_t port,
    unsigned keywords)
{
	uint64_t h, w, note;
	unsigned i;

	if (c == NULL)
		return;
	h = hash(c, a, port);
	note = h | HOP_KNOWN | keywords;
	for (i = 0; i < PROBES; i++) {
		w = atomic_load(&c->hops[place(h, i)]);
		if ((w != 0 && (w & ~KEYWORD_MASK) != h) ||
		    !atomic_compare_exchange_strong(&c->hops[place(h, i)], &w,
			note))
			continue;
		return;
	}
	atomic_store(&c->hops[place(h, 0)], note);
}

/* Its keywords, or 0: it was never asked. */
static unsigned
look_up(const struct clients *c, const struct addr *a, uint16_t port)
{
	uint64_t h, w;
	unsigned i;

	if (c == NULL)
		return 0;
	h = hash(c, a, port);
	for (i = 0; i < PROBES; i++) {
		w = atomic_load(&c->hops[place(h, i)]);
		if (w != 0 && (w & ~KEYWORD_MASK) == h)
			return (unsigned)(w & KEYWORD_MASK);
	}
	return 0;
}

/* One of the list: its keywords, or 0: not known. */
static unsigned
keywords_of(const struct clients *c, const char *text, size_t len)
{
	char target[HOP_TEXT_MAX];
	struct addr a;
	uint16_t port;

	if (len >= sizeof(target))
		return HOP_KNOWN; /* it has nothing: more than can be told */
	memcpy(target, text, len);
	target[len] = '\0';
	if (strcmp(target, "maildir") == 0)
		return HOP_KNOWN | HOP_UTF8;
	if (list_target(target, &a, &port) == -1)
		return HOP_KNOWN;
	return look_up(c, &a, port);
}

unsigned
hops_common(const struct clients *c, const char *hops)
{
	unsigned one, common = HOP_DSN | HOP_UTF8;
	bool known = false;
	size_t len;

	for (; hops != NULL && *hops != '\0'; hops += len) {
		hops += strspn(hops, " ");
		len = strcspn(hops, " ");
		if (len == 0 || (one = keywords_of(c, hops, len)) == 0)
			continue;
		known = true;
		common &= one;
	}
	return known ? common : 0;
}
