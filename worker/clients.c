/*
 * The shared counters of clients and idle workers. A client's word may stand
 * anywhere in its bucket, and two workers may at the same moment open one for
 * the same client: the count is the sum over the bucket.
 */
#include <string.h>

#include "worker/clients.h"
#include "worker/slot.h"

#define COUNT_MASK (((uint64_t)1 << CLIENT_COUNT_BITS) - 1)

/* Steele and others' 64-bit finalizer: a bijection that spreads every bit. */
static uint64_t
mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t
clients_key(const struct clients *c, const struct addr *a)
{
	uint64_t x = 0;

	memcpy(&x, a->bytes, a->family == 4 ? 4 : 8);
	x = mix(x ^ c->secret[0]);
	x = mix(x + a->family + c->secret[1]);
	return x | COUNT_MASK; /* the count's place in the word */
}

static _Atomic uint64_t *
bucket_of(struct clients *c, uint64_t key)
{
	return c->held[key >> 16 & (CLIENT_BUCKETS - 1)];
}

static unsigned
sum(const _Atomic uint64_t *bucket, uint64_t tag)
{
	unsigned i, n = 0;
	uint64_t w;

	for (i = 0; i < CLIENT_BUCKET_WORDS; i++) {
		w = atomic_load(&bucket[i]);
		if ((w & ~COUNT_MASK) == tag)
			n += (unsigned)(w & COUNT_MASK);
	}
	return n;
}

/* Add one to a word that bears the tag or, when none does, to a free one. */
static int
add_one(_Atomic uint64_t *bucket, uint64_t tag, int take_free)
{
	unsigned i;
	uint64_t w;

	for (i = 0; i < CLIENT_BUCKET_WORDS; i++) {
		w = atomic_load(&bucket[i]);
		if (w == 0 ? !take_free :
			     (w & ~COUNT_MASK) != tag ||
			    (w & COUNT_MASK) == COUNT_MASK)
			continue;
		if (atomic_compare_exchange_strong(&bucket[i], &w,
			(w == 0 ? tag : w) + 1))
			return 1;
		return -1; /* somebody was faster: look again */
	}
	return 0;
}

unsigned
clients_enter(struct clients *c, uint64_t key)
{
	_Atomic uint64_t *bucket = bucket_of(c, key);
	uint64_t tag = key & ~COUNT_MASK;
	int r;

	do {
		if ((r = add_one(bucket, tag, 0)) == 0)
			r = add_one(bucket, tag, 1);
	} while (r == -1);
	return r == 1 ? sum(bucket, tag) : 0;
}

void
clients_leave(struct clients *c, uint64_t key)
{
	_Atomic uint64_t *bucket = bucket_of(c, key);
	uint64_t w, tag = key & ~COUNT_MASK;
	unsigned i;

	for (i = 0; i < CLIENT_BUCKET_WORDS; i++) {
		w = atomic_load(&bucket[i]);
		while ((w & ~COUNT_MASK) == tag && (w & COUNT_MASK) > 0)
			if (atomic_compare_exchange_weak(&bucket[i], &w,
				(w & COUNT_MASK) == 1 ? 0 : w - 1))
				return;
	}
}

/* ------------------------------------------------------------------- rates */

#define TIME_MASK (((uint64_t)1 << RATE_TIME_BITS) - 1)
#define TICKS	  16 /* in a millisecond */
#define MINUTE	  ((uint64_t)60000 * TICKS)

/* One client and kind: its bucket, and the part of its words that names it. */
struct rate_place {
	unsigned bucket;
	uint64_t tag;
};

static struct rate_place
rate_place(uint64_t key, enum rate rate)
{
	uint64_t x = mix(key + (uint64_t)rate);
	struct rate_place p = { (unsigned)(x & (CLIENT_BUCKETS - 1)),
		x & ~TIME_MASK };

	return p;
}

/* The word that bears the tag or, when none does, the one to give up. */
static unsigned
rate_word(const _Atomic uint64_t *bucket, uint64_t tag)
{
	uint64_t w, least = TIME_MASK;
	unsigned i, found = 0;

	for (i = 0; i < CLIENT_BUCKET_WORDS; i++) {
		w = atomic_load(&bucket[i]);
		if (w != 0 && (w & ~TIME_MASK) == tag)
			return i;
		if ((w & TIME_MASK) < least) {
			least = w & TIME_MASK;
			found = i;
		}
	}
	return found;
}

/* When w and one event more are paid off; 0: that is beyond the rate. */
static uint64_t
rate_next(uint64_t w, uint64_t tag, int most, uint64_t now)
{
	uint64_t paid = (w & ~TIME_MASK) == tag ? w & TIME_MASK : 0;

	if (paid < now)
		paid = now;
	paid += MINUTE / (unsigned)most;
	return paid <= now + MINUTE ? paid : 0;
}

bool
clients_may(const struct clients *c, uint64_t key, enum rate rate, int most,
    int64_t now_ms)
{
	struct rate_place p = rate_place(key, rate);
	const _Atomic uint64_t *bucket = c->rates[p.bucket];
	uint64_t w = atomic_load(&bucket[rate_word(bucket, p.tag)]);

	return rate_next(w, p.tag, most, (uint64_t)now_ms * TICKS) != 0;
}

bool
clients_take(struct clients *c, uint64_t key, enum rate rate, int most,
    int64_t now_ms)
{
	struct rate_place p = rate_place(key, rate);
	_Atomic uint64_t *bucket = c->rates[p.bucket], *word;
	uint64_t w, next;

	do {
		word = &bucket[rate_word(bucket, p.tag)];
		w = atomic_load(word);
		next = rate_next(w, p.tag, most, (uint64_t)now_ms * TICKS);
		if (next == 0)
			return false;
	} while (!atomic_compare_exchange_strong(word, &w, p.tag | next));
	return true;
}

/* ---------------------------------------------------------------- pressure */

static int
tenth(int max)
{
	return (max + 9) / 10;
}

bool
clients_pressed(int max, int busy, bool was)
{
	return max > 1 && max - busy < (was ? 2 : 1) * tenth(max);
}

int
clients_share(int max)
{
	return max > 1 ? max - tenth(max) : 1;
}

/* -------------------------------------------------------------------- idle */

void
clients_set_idle(struct clients *c, unsigned slot)
{
	atomic_fetch_or(&c->idle[slot / 64], (uint64_t)1 << slot % 64);
}

void
clients_set_busy(struct clients *c, unsigned slot)
{
	atomic_fetch_and(&c->idle[slot / 64], ~((uint64_t)1 << slot % 64));
}

int
clients_idle(const struct clients *c, unsigned words)
{
	unsigned i;
	int n = 0;

	for (i = 0; i < words && i < SLOTS_MAX / 64; i++)
		n += __builtin_popcountll(atomic_load(&c->idle[i]));
	return n;
}

int
clients_is_idle(const struct clients *c, unsigned slot)
{
	return (int)(atomic_load(&c->idle[slot / 64]) >> slot % 64 & 1);
}
