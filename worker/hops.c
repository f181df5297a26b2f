/*
 * A note's word is 56 bits of the hop's hash and 8 of keywords; 0 is free. A
 * hop's note stands within PROBES of its place. Where all of these are
 * others', it takes the first that nobody holds a connection by: a note may be
 * forgotten, but none is another hop's.
 */
#include <string.h>

#include "worker/hops.h"
#include "worker/slot.h"

#define JOINTS	     " ,|"
#define PROBES	     8
#define NOTED	     ((uint64_t)64) /* in the word of every note */
#define KEYWORD_MASK ((uint64_t)0xff)
#define FNV_PRIME    0x100000001b3u

size_t
hops_next(const char **hops)
{
	if (*hops == NULL)
		return 0;
	*hops += strspn(*hops, JOINTS);
	return strcspn(*hops, JOINTS);
}

enum list_action
hops_scheme(const char *hop, const char **target)
{
	static const struct {
		const char *head;
		enum list_action scheme;
	} rows[] = { { LIST_MX, ACT_MX }, { LIST_LMTP, ACT_LMTP } };

	size_t i, len;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		len = strlen(rows[i].head);
		if (strncmp(hop, rows[i].head, len) != 0)
			continue;
		*target = hop + len;
		return rows[i].scheme;
	}
	*target = hop;
	return ACT_SMTP;
}

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
hash(const struct clients *c, const char *hop, size_t len)
{
	uint64_t h = stir(c->secret[0], hop, len);

	return stir(h, c->secret, sizeof(c->secret)) & ~KEYWORD_MASK;
}

static unsigned
place(uint64_t h, unsigned i)
{
	return (unsigned)((h >> 32) + i) % HOP_NOTES;
}

static bool
is_of(uint64_t word, uint64_t h)
{
	return word != 0 && (word & ~KEYWORD_MASK) == h;
}

static struct hop_note *
take(struct clients *c, uint64_t h)
{
	struct hop_note *n, *spare = NULL;
	uint64_t w;
	unsigned i;

	for (i = 0; i < PROBES; i++) {
		n = &c->hops[place(h, i)];
		w = 0;
		if (is_of(atomic_load(&n->word), h) ||
		    atomic_compare_exchange_strong(&n->word, &w, h | NOTED) ||
		    is_of(w, h))
			return n;
		if (spare == NULL && atomic_load(&n->held) == 0 &&
		    atomic_load(&n->wanted) == 0)
			spare = n;
	}
	if (spare != NULL) {
		atomic_store(&spare->word, h | NOTED);
		atomic_store(&spare->dead_ms, 0);
	}
	return spare;
}

struct hop_note *
hops_take(struct clients *c, const char *hop)
{
	return c != NULL ? take(c, hash(c, hop, strlen(hop))) : NULL;
}

void
hops_note(struct clients *c, const char *hop, unsigned keywords)
{
	struct hop_note *n;
	uint64_t h;

	if (c == NULL)
		return;
	h = hash(c, hop, strlen(hop));
	if ((n = take(c, h)) != NULL)
		atomic_store(&n->word,
		    h | NOTED | HOP_KNOWN | (keywords & HOP_NOTABLE));
}

/* What the probe helper has seen of it; 0: nothing. */
static uint32_t
seen(const struct state *s, const char *hop, size_t len)
{
	uint32_t flags;
	unsigned i;

	for (i = 0; s != NULL && i < SEEN_HOPS; i++) {
		flags = atomic_load(&s->hops[i].flags);
		if (flags != 0 && strncmp(s->hops[i].hop, hop, len) == 0 &&
		    s->hops[i].hop[len] == '\0')
			return flags;
	}
	return 0;
}

bool
hops_seen_down(const struct state *s, const char *hop)
{
	return seen(s, hop, strlen(hop)) & SEEN_DOWN;
}

static unsigned
noted(const struct clients *c, const char *hop, size_t len)
{
	uint64_t h, w;
	unsigned i;

	if (c == NULL)
		return 0;
	h = hash(c, hop, len);
	for (i = 0; i < PROBES; i++) {
		w = atomic_load(&c->hops[place(h, i)].word);
		if (is_of(w, h))
			return w & HOP_KNOWN ? (unsigned)(w & KEYWORD_MASK) : 0;
	}
	return 0;
}

unsigned
hops_keywords(const struct clients *c, const char *hop)
{
	return noted(c, hop, strlen(hop));
}

/* What a worker has heard last, or else the probe helper. */
static unsigned
look_up(const struct clients *c, const struct state *s, const char *hop,
    size_t len)
{
	unsigned keywords = noted(c, hop, len);

	if (keywords == 0)
		keywords = seen(s, hop, len) & SEEN_KEYWORDS;
	return keywords & HOP_KNOWN ? keywords : 0;
}

static bool
is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

/*
 * One of the list: its keywords, or 0: not known. It stays where it is: on the
 * stack it would cost every session that says EHLO a page.
 */
static unsigned
keywords_of(const struct clients *c, const struct state *s, const char *text,
    size_t len)
{
	const char *bare;

	if (is_word(text, len, "maildir"))
		return HOP_KNOWN | HOP_UTF8;
	if (memchr(text, ':', len) == NULL)
		return HOP_KNOWN; /* it has nothing: more than can be told */
	return look_up(c, s, text, len) &
	    ~(hops_scheme(text, &bare) == ACT_LMTP ? (unsigned)HOP_DSN : 0);
}

unsigned
hops_common(const struct clients *c, const struct state *s, const char *hops)
{
	unsigned one, common = HOP_DSN | HOP_UTF8;
	bool known = false;
	size_t len;

	for (; (len = hops_next(&hops)) > 0; hops += len) {
		if ((one = keywords_of(c, s, hops, len)) == 0)
			continue;
		known = true;
		common &= one;
	}
	return known ? common : 0;
}
