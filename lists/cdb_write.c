/*
 * A CDB begins with 256 pairs, where each hash table lies and how many slots
 * it has; then come the records, then the tables. The low octet of a key's
 * hash chooses the table, the rest the slot where its search begins; it goes
 * on to the next slot, after the last to the first, until it meets the record
 * or an empty slot. A table has twice as many slots as records. All numbers
 * are 32 bits, little-endian.
 *
 * A library that takes records one by one keeps a list for each table and
 * copies each record twice; here are two large buffers and one array. While
 * one buffer is filled, a thread hands the other to the kernel, which takes
 * about as long.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lists/cdb_write.h"
#include "lists/lookup.h"
#include "lists/memory.h"
#include "lists/parallel.h"

#define TABLES 256
#define BUFFER ((size_t)1 << 20) /* worth a thread, and still at hand */

/* As in the file: the hash of a key and where its record stands; 0: empty. */
struct slot {
	uint32_t hash, pos;
};

struct buffer {
	char octets[BUFFER];
	size_t used;
};

struct cdb_writer {
	struct buffer buffers[2];
	struct buffer *buffer; /* which is filled */
	uint64_t pos;	       /* of the next record */
	size_t records, n;
	struct slot *slots; /* of the n records so far, in their order */
	size_t count[TABLES];

	int fd;
	struct parallel writing;
	const struct buffer *written; /* the other one, by that thread */
	int error;		      /* errno of it, or 0 */
};

uint32_t
cdb_key_hash(const char *key, size_t len)
{
	uint32_t hash = 5381;

	for (; len > 0; len--)
		hash = ((hash << 5) + hash) ^ (unsigned char)*key++;
	return hash;
}

static void
write_buffer(void *arg)
{
	struct cdb_writer *w = arg;
	const char *p = w->written->octets;
	size_t len = w->written->used;
	ssize_t n;

	for (; len > 0 && w->error == 0; p += n, len -= (size_t)n) {
		n = write(w->fd, p, len);
		if (n == -1 && errno != EINTR)
			w->error = errno;
		if (n == -1)
			n = 0;
	}
}

/* Wait until all that was flushed is written. 0, or -1 with errno. */
static int
wait_written(struct cdb_writer *w)
{
	parallel_end(&w->writing);
	errno = w->error;
	return w->error == 0 ? 0 : -1;
}

/* What is in the buffer goes out, and the other one is filled from now on. */
static int
flush(struct cdb_writer *w)
{
	if (wait_written(w) == -1)
		return -1;
	w->written = w->buffer;
	w->buffer = w->buffer == &w->buffers[0] ? &w->buffers[1] :
						  &w->buffers[0];
	w->buffer->used = 0;
	parallel_begin(&w->writing, write_buffer, w, w->written->used);
	return 0;
}

static int
put(struct cdb_writer *w, const char *p, size_t len)
{
	size_t part;

	for (; len > 0; p += part, len -= part) {
		if (w->buffer->used == BUFFER && flush(w) == -1)
			return -1;
		part = BUFFER - w->buffer->used;
		part = part < len ? part : len;
		memcpy(w->buffer->octets + w->buffer->used, p, part);
		w->buffer->used += part;
	}
	return 0;
}

struct cdb_writer *
cdb_write_new(int fd, size_t records)
{
	struct cdb_writer *w = mem_resize(NULL, 1, sizeof(*w));

	w->fd = fd;
	w->records = records;
	w->n = 0;
	w->writing.running = false;
	w->error = 0;
	w->slots = mem_resize(NULL, records, sizeof(*w->slots));
	memset(w->count, 0, sizeof(w->count));
	/* room for the pairs, which come last */
	w->buffer = &w->buffers[0];
	memset(w->buffer->octets, 0, CDB_TOC);
	w->buffer->used = CDB_TOC;
	w->pos = CDB_TOC;
	return w;
}

void
cdb_write_free(struct cdb_writer *w)
{
	parallel_end(&w->writing);
	free(w->slots);
	free(w);
}

uint64_t
cdb_write_size(const struct cdb_writer *w)
{
	return w->pos + CDB_SLOT * w->n;
}

int
cdb_write_add(struct cdb_writer *w, const char *key, size_t klen,
    const char *value, size_t vlen)
{
	struct slot *s = &w->slots[w->n];
	uint32_t head[2] = { htole32((uint32_t)klen), htole32((uint32_t)vlen) };
	size_t len = sizeof(head) + klen + vlen;
	char *p;

	if (w->n == w->records || len > BUFFER ||
	    cdb_write_size(w) + len + CDB_SLOT > UINT32_MAX) {
		errno = EFBIG;
		return -1;
	}
	if (BUFFER - w->buffer->used < len && flush(w) == -1)
		return -1;
	p = w->buffer->octets + w->buffer->used;
	memcpy(p, head, sizeof(head));
	memcpy(p + sizeof(head), key, klen);
	memcpy(p + sizeof(head) + klen, value, vlen);
	w->buffer->used += len;
	s->hash = cdb_key_hash(key, klen);
	s->pos = (uint32_t)w->pos;
	w->count[s->hash % TABLES]++;
	w->n++;
	w->pos += len;
	return 0;
}

/* The records of each table side by side, in their order. */
static struct slot *
part(const struct cdb_writer *w)
{
	struct slot *parted = mem_resize(NULL, w->n, sizeof(*parted));
	size_t place[TABLES], sum = 0, i;

	for (i = 0; i < TABLES; i++) {
		place[i] = sum;
		sum += w->count[i];
	}
	for (i = 0; i < w->n; i++)
		parted[place[w->slots[i].hash % TABLES]++] = w->slots[i];
	return parted;
}

static void
fill(struct slot *table, size_t slots, const struct slot *s, size_t n)
{
	size_t at;

	memset(table, 0, slots * sizeof(*table));
	for (; n > 0; n--, s++) {
		at = (s->hash >> 8) % (uint32_t)slots;
		while (table[at].pos != 0)
			if (++at == slots)
				at = 0;
		table[at].hash = htole32(s->hash);
		table[at].pos = htole32(s->pos);
	}
}

static int
put_tables(struct cdb_writer *w, const struct slot *parted, uint32_t toc[])
{
	struct slot *table = NULL;
	size_t i, slots;
	int r = 0;

	for (i = 0; i < TABLES && r == 0; i++) {
		slots = 2 * w->count[i];
		*toc++ = htole32((uint32_t)w->pos);
		*toc++ = htole32((uint32_t)slots);
		if (slots == 0)
			continue;
		table = mem_resize(table, slots, sizeof(*table));
		fill(table, slots, parted, w->count[i]);
		r = put(w, (char *)table, slots * sizeof(*table));
		parted += w->count[i];
		w->pos += slots * sizeof(*table);
	}
	free(table);
	return r == 0 && flush(w) == 0 ? wait_written(w) : -1;
}

int
cdb_write_finish(struct cdb_writer *w)
{
	struct slot *parted = part(w);
	uint32_t toc[2 * TABLES];
	int r;

	free(w->slots);
	w->slots = NULL;
	r = put_tables(w, parted, toc);
	free(parted);
	w->n = w->records = 0; /* they are in pos now */
	if (r == -1)
		return -1;
	return pwrite(w->fd, toc, sizeof(toc), 0) == sizeof(toc) ? 0 : -1;
}
