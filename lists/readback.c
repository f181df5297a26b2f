/*
 * The proof that a file which was just written is the list that it should be.
 * It takes nothing from the writer but its hash, only the file and the source:
 *
 * - The tables lie one behind the other up to the end of the file. From the
 *   place of the first record up to them stand @meta and the entries in their
 *   order: the lengths, the key and the value of each are compared.
 * - For each record the search is done that the format prescribes, by the hash
 *   of the key that was read: it must come to a slot of that hash that points
 *   to this very record, and to no empty slot before.
 * - As many slots are in use as there are records. Each record has one of its
 *   own, so no slot leads anywhere else. What a search passes is then another
 *   record, and the keys of a merged source differ: whoever compares them,
 *   as the library does, passes it too.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "lists/cdb_write.h"
#include "lists/lookup.h"
#include "lists/parallel.h"
#include "lists/readback.h"
#include "lists/report.h"
#include "lists/source.h"
#include "lists/value.h"

#define TABLES 256
#define SLOT   8  /* octets */
#define AHEAD  16 /* searches that wait until their slot was fetched */

struct table {
	const char *slots;
	uint32_t n;
};

struct search {
	uint32_t hash, pos;
};

/* Some of the records, and the file in which they are. */
struct walk {
	const char *map;
	size_t size;
	struct table tables[TABLES];
	size_t pos, end;	    /* of the records that are left */
	struct search ahead[AHEAD]; /* a ring */
	size_t searches;
	const struct source *source;
	size_t from, to;	     /* these of its entries */
	const struct report *report; /* or NULL */
	bool good;
};

static uint32_t
number(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* Where the tables lie, which is where the records end. */
static bool
read_tables(struct walk *w)
{
	size_t i, at = number(w->map);

	w->end = at;
	for (i = 0; i < TABLES; i++) {
		w->tables[i].n = number(w->map + SLOT * i + 4);
		if (number(w->map + SLOT * i) != at || at > w->size ||
		    w->tables[i].n > (w->size - at) / SLOT)
			return false;
		w->tables[i].slots = w->map + at;
		at += (size_t)SLOT * w->tables[i].n;
	}
	return at == w->size && w->end >= CDB_TOC;
}

static bool
finds(const struct walk *w, const struct search *s)
{
	const struct table *t = &w->tables[s->hash % TABLES];
	uint32_t i, at, pos;

	if (t->n == 0)
		return false;
	at = (s->hash >> 8) % t->n;
	for (i = 0; i < t->n; i++) {
		pos = number(t->slots + (size_t)SLOT * at + 4);
		if (pos == 0)
			return false;
		if (pos == s->pos)
			return number(t->slots + (size_t)SLOT * at) == s->hash;
		if (++at == t->n)
			at = 0;
	}
	return false;
}

/* Have its slot fetched; the search that has waited longest is done. */
static bool
search_later(struct walk *w, uint32_t hash, size_t pos)
{
	const struct table *t = &w->tables[hash % TABLES];
	struct search *s = &w->ahead[w->searches++ % AHEAD];
	bool good = w->searches <= AHEAD || finds(w, s);

	s->hash = hash;
	s->pos = (uint32_t)pos;
	if (t->n > 0)
		__builtin_prefetch(
		    t->slots + (size_t)SLOT * ((hash >> 8) % t->n));
	return good;
}

static bool
search_rest(const struct walk *w)
{
	size_t i;

	for (i = 0; i < AHEAD && i < w->searches; i++)
		if (!finds(w, &w->ahead[i]))
			return false;
	return true;
}

/* The next record has this key and, unless it is NULL, this value. */
static bool
is_next(struct walk *w, const char *key, size_t klen, const char *value,
    size_t vlen)
{
	const char *p = w->map + w->pos, *have = p + CDB_RECORD;
	size_t left = w->end - w->pos;

	if (left < CDB_RECORD + klen)
		return false;
	left -= CDB_RECORD + klen;
	if (value == NULL)
		vlen = number(p + 4);
	if (number(p) != klen || number(p + 4) != vlen || vlen > left ||
	    memcmp(have, key, klen) != 0 ||
	    (value != NULL && memcmp(have + klen, value, vlen) != 0) ||
	    !search_later(w, cdb_key_hash(have, klen), w->pos))
		return false;
	w->pos += CDB_RECORD + klen + vlen;
	return true;
}

static size_t
used_slots(const struct walk *w)
{
	const char *p;
	size_t used = 0;

	for (p = w->map + w->end; p < w->map + w->size; p += SLOT)
		used += number(p + 4) != 0;
	return used;
}

static void
walk_entries(void *arg)
{
	struct walk *w = arg;
	struct value v = { .rule = NULL };
	const struct source *s = w->source;
	const struct entry *e;
	size_t i, len;

	w->good = false;
	for (i = w->from; i < w->to; i++) {
		if (w->report != NULL)
			report_progress(w->report, s->id, "checking", i,
			    i - w->from, w->to - w->from);
		e = &s->entries[i];
		len = value_encode(&v, e);
		if (!is_next(w, e->key, e->key_len, v.octets, len))
			return;
	}
	w->good = w->pos == w->end && search_rest(w);
}

/* Where the record of an entry is said to be; 0: nowhere. */
static size_t
place_of(const struct walk *w, const struct entry *e)
{
	uint32_t hash = cdb_key_hash(e->key, e->key_len), i, at, pos;
	const struct table *t = &w->tables[hash % TABLES];

	for (i = 0, at = hash >> 8; i < t->n; i++, at++) {
		pos = number(t->slots + (size_t)SLOT * (at % t->n) + 4);
		if (pos == 0)
			break;
		if (pos + CDB_RECORD + (size_t)e->key_len <= w->end &&
		    memcmp(w->map + pos + CDB_RECORD, e->key, e->key_len) == 0)
			return pos;
	}
	return 0;
}

/*
 * Two halves side by side: the first has to end where the second begins, and
 * the second at the end, so wherever that is, no record is left out.
 */
static bool
is_list(struct walk *w)
{
	const struct source *s = w->source;
	struct walk other;

	if (w->size < CDB_TOC || !read_tables(w))
		return false;
	w->pos = CDB_TOC;
	if (!is_next(w, META_KEY, strlen(META_KEY), NULL, 0))
		return false;
	other = *w;
	other.searches = 0;
	other.report = NULL;
	w->from = 0;
	w->to = other.from = s->n / 2;
	other.to = s->n;
	if (s->n > 0) {
		other.pos = w->end = place_of(w, &s->entries[other.from]);
		if (other.pos == 0)
			return false;
	}
	parallel_both(walk_entries, w, &other, w->size);
	w->end = other.end;
	return w->good && other.good && used_slots(w) == s->n + 1;
}

int
readback(int fd, const struct source *s, const struct report *r)
{
	struct walk w = { .source = s, .report = r };
	struct stat st;
	void *map;
	bool good;

	if (fstat(fd, &st) == -1)
		return -1;
	w.size = (size_t)st.st_size;
	map = mmap(NULL, w.size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	w.map = map;
	good = is_list(&w);
	munmap(map, w.size);
	if (good)
		return 0;
	errno = EBADMSG;
	return -1;
}
