/*
 * An entry is two words that are written one after the other. The first is 30
 * bits of the hash, a bit that it is in use, a bit that it is a claim, and 32
 * bits of the minute it is of; of a claim 10 of these, and 22 of whose it is.
 * It alone says who owns the entry, by compare and exchange. The second is 64
 * bits more of the hash. Whoever reads between the two sees an entry that is
 * nobody's.
 */
#include <string.h>

#include "worker/delivered.h"
#include "worker/slot.h"

#define CLAIM	   ((uint64_t)1 << 32)
#define USED	   ((uint64_t)1 << 33)
#define TAG_MASK   (~(uint64_t)0 << 34)
#define NOTE_TIME  ((uint64_t)UINT32_MAX)
#define CLAIM_TIME ((uint64_t)1023)
#define OWNER_MASK (NOTE_TIME & ~CLAIM_TIME)
#define OWNER_AT   10 /* a process number has 22 bits */

void
delivered_key(struct delivered_key *k, const struct clients *c,
    const uint8_t digest[DIGEST_OCTETS], const char *sender, const char *rcpt)
{
	uint8_t hash[DIGEST_OCTETS];
	SHA2_CTX sha;

	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)c->secret, sizeof(c->secret));
	SHA256Update(&sha, digest, DIGEST_OCTETS);
	SHA256Update(&sha, (const uint8_t *)sender, strlen(sender) + 1);
	SHA256Update(&sha, (const uint8_t *)rcpt, strlen(rcpt) + 1);
	SHA256Final(hash, &sha);
	memcpy(&k->who, hash, sizeof(k->who));
	memcpy(&k->tag, hash + sizeof(k->who), sizeof(k->tag));
}

bool
delivered_any(const struct clients *c)
{
	return atomic_load(&c->ndelivered) > 0;
}

/* The place is of the bits that the word has no room for. */
static struct delivered_entry *
bucket_of(struct clients *c, const struct delivered_key *k)
{
	return c->delivered[k->tag & (DELIVERED_BUCKETS - 1)];
}

static uint64_t
minute_of(int64_t now_ms)
{
	return (uint64_t)(now_ms / 60000);
}

/*
 * How old is it, and one minute more: another worker may have written it a
 * moment later than now, in the next one.
 */
static uint64_t
age(uint64_t word, uint64_t minute)
{
	return (minute - word + 1) & (word & CLAIM ? CLAIM_TIME : NOTE_TIME);
}

/* Is it in force? */
static bool
is_live(uint64_t word, uint64_t minute)
{
	return age(word, minute) <=
	    (word & CLAIM ? CLAIM_MINUTES : DELIVERED_DAYS * 1440) + 1;
}

static bool
is_note(uint64_t word)
{
	return word != 0 && !(word & CLAIM);
}

static void
count_down(struct clients *c)
{
	uint32_t n = atomic_load(&c->ndelivered);

	while (n > 0)
		if (atomic_compare_exchange_weak(&c->ndelivered, &n, n - 1))
			return;
}

/*
 * Put a word in the place of another. Notes are counted before they stand, so
 * that a worker that dies here leaves too many counted, never too few. False:
 * somebody was faster.
 */
static bool
exchange(struct clients *c, struct delivered_entry *e, uint64_t old,
    uint64_t word)
{
	bool done;

	if (is_note(word))
		atomic_fetch_add(&c->ndelivered, 1);
	done = atomic_compare_exchange_strong(&e->word, &old, word);
	if (done ? is_note(old) : is_note(word))
		count_down(c);
	return done;
}

static bool
is_tagged(uint64_t word, const struct delivered_key *k)
{
	return word != 0 && ((word ^ k->tag) & TAG_MASK) == 0;
}

/* The entry of this key and its word, a note before a claim; or NULL. */
static struct delivered_entry *
entry_of(struct clients *c, const struct delivered_key *k, uint64_t *word)
{
	struct delivered_entry *e = bucket_of(c, k), *found = NULL;
	uint64_t w;
	unsigned i;

	for (i = 0; i < DELIVERED_BUCKET; i++, e++) {
		w = atomic_load(&e->word);
		if (!is_tagged(w, k) || atomic_load(&e->who) != k->who)
			continue;
		if (found == NULL || is_note(w)) {
			found = e;
			*word = w;
		}
	}
	return found;
}

/* Take out what has expired, so that the count comes down again. */
static void
sweep(struct clients *c, struct delivered_entry *bucket, uint64_t minute)
{
	uint64_t w;
	unsigned i;

	for (i = 0; i < DELIVERED_BUCKET; i++) {
		w = atomic_load(&bucket[i].word);
		if (w != 0 && !is_live(w, minute))
			exchange(c, &bucket[i], w, 0);
	}
}

enum delivered_state
delivered_find(struct clients *c, const struct delivered_key *k, int64_t now_ms)
{
	uint64_t w;

	sweep(c, bucket_of(c, k), minute_of(now_ms));
	if (entry_of(c, k, &w) == NULL)
		return DELIVERED_NOT;
	return w & CLAIM ? DELIVERED_NOW : DELIVERED_YES;
}

/* How dear an entry is: none, a claim, or a note, the younger the dearer. */
static uint64_t
worth(uint64_t word, uint64_t minute)
{
	if (word == 0)
		return 0;
	return word & CLAIM ? 1 : 2 + NOTE_TIME - age(word, minute);
}

/*
 * Write a word for this key into the cheapest place of its bucket, unless that
 * is dearer than most. NULL: it is.
 */
static struct delivered_entry *
put(struct clients *c, const struct delivered_key *k, uint64_t word,
    uint64_t most, uint64_t minute)
{
	struct delivered_entry *bucket = bucket_of(c, k), *e, *at;
	uint64_t old, w;

	do {
		at = bucket;
		old = atomic_load(&at->word);
		for (e = bucket + 1; e < bucket + DELIVERED_BUCKET; e++) {
			w = atomic_load(&e->word);
			if (worth(w, minute) < worth(old, minute)) {
				at = e;
				old = w;
			}
		}
		if (worth(old, minute) > most)
			return NULL;
	} while (!exchange(c, at, old, word));
	atomic_store(&at->who, k->who);
	return at;
}

static uint64_t
claim_of(pid_t pid)
{
	return USED | CLAIM | ((uint64_t)pid << OWNER_AT & OWNER_MASK);
}

static bool
is_owned(uint64_t word, pid_t pid)
{
	return (word & (USED | CLAIM | OWNER_MASK)) == claim_of(pid);
}

/* The worker's own claim and its word, or NULL. */
static struct delivered_entry *
own_claim(struct clients *c, const struct delivered_key *k, pid_t pid,
    uint64_t *word)
{
	struct delivered_entry *e = bucket_of(c, k);
	unsigned i;

	for (i = 0; i < DELIVERED_BUCKET; i++, e++) {
		*word = atomic_load(&e->word);
		if (is_tagged(*word, k) && is_owned(*word, pid) &&
		    atomic_load(&e->who) == k->who)
			return e;
	}
	return NULL;
}

bool
delivered_claim(struct clients *c, const struct delivered_key *k, pid_t pid,
    int64_t now_ms)
{
	uint64_t w, minute = minute_of(now_ms);
	uint64_t word = (k->tag & TAG_MASK) | claim_of(pid) |
	    (minute & CLAIM_TIME);
	struct delivered_entry *e, *mine, *bucket = bucket_of(c, k);

	if (delivered_find(c, k, now_ms) != DELIVERED_NOT)
		return own_claim(c, k, pid, &w) != NULL;
	if ((mine = put(c, k, word, 0, minute)) == NULL)
		return true;
	/* Of two that claim at once, who is later sees the other. */
	for (e = bucket; e < bucket + DELIVERED_BUCKET; e++)
		if (e != mine && is_tagged(atomic_load(&e->word), k)) {
			exchange(c, mine, word, 0);
			return false;
		}
	return true;
}

void
delivered_release(struct clients *c, const struct delivered_key *k, pid_t pid)
{
	uint64_t w;
	struct delivered_entry *e = own_claim(c, k, pid, &w);

	if (e != NULL)
		exchange(c, e, w, 0);
}

void
delivered_note(struct clients *c, const struct delivered_key *k, pid_t pid,
    int64_t now_ms)
{
	uint64_t w, minute = minute_of(now_ms);
	uint64_t word = (k->tag & TAG_MASK) | USED | (minute & NOTE_TIME);
	struct delivered_entry *e = own_claim(c, k, pid, &w);

	if (e == NULL && (e = entry_of(c, k, &w)) != NULL && !is_note(w))
		e = NULL;
	if (e == NULL || !exchange(c, e, w, word))
		put(c, k, word, UINT64_MAX, minute);
}

void
delivered_forget(struct clients *c, const struct delivered_key *k)
{
	struct delivered_entry *e;
	uint64_t w;

	while ((e = entry_of(c, k, &w)) != NULL)
		exchange(c, e, w, 0);
}

void
delivered_take_back(struct clients *c, pid_t pid)
{
	struct delivered_entry *e = c->delivered[0];
	struct delivered_entry *end = e + DELIVERED_BUCKETS * DELIVERED_BUCKET;
	uint64_t w;

	for (; e < end; e++) {
		w = atomic_load(&e->word);
		if (is_owned(w, pid))
			exchange(c, e, w, 0);
	}
}
