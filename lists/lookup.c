/*
 * One open list. A CDB has no checksum and a half-written one answers "not
 * found" to everything, so a file counts only when its @meta record names
 * this format, this list and this exact size. A file that changes under the
 * map is damage for as long as it stays open: never a silent "not found".
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdb.h>

#include "lists/lookup.h"
#include "lists/report.h"
#include "lists/table.h"

struct list {
	enum list_id id;
	int fd;
	struct cdb cdb;
	bool mapped;
	off_t size;
	struct timespec mtim;
	struct list_watch own, *watch; /* own, or where its owner keeps it */
	struct list_meta meta;
};

/* @meta against the file itself. NULL, or what is wrong. */
static const char *
check_meta(struct list *l)
{
	const char *why = "damaged: it has no @meta record";
	const void *text;

	if (cdb_find(&l->cdb, META_KEY, strlen(META_KEY)) != 1)
		return why;
	text = cdb_getdata(&l->cdb);
	if (text == NULL)
		return why;
	if (meta_parse(&l->meta, l->id, text, cdb_datalen(&l->cdb), &why) == -1)
		return why;
	if (l->meta.size != (uint64_t)l->size)
		return "damaged: it is not as long as its @meta record says";
	if (CDB_TOC + (l->meta.count + 1) * (CDB_RECORD + CDB_SLOT) >
	    l->meta.size)
		return "damaged: it counts more records than it can hold";
	return NULL;
}

static const char *
open_map(struct list *l, int dirfd, const char *name)
{
	struct stat st;

	l->fd = openat(dirfd, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (l->fd == -1 || fstat(l->fd, &st) == -1)
		return strerror(errno);
	if (!S_ISREG(st.st_mode) || st.st_size < CDB_TOC ||
	    st.st_size > UINT32_MAX)
		return "damaged: no complete CDB file";
	l->size = st.st_size;
	l->mtim = st.st_mtim;
	if (cdb_init(&l->cdb, l->fd) == -1)
		return "damaged: it cannot be mapped";
	l->mapped = true;
	if (l->cdb.cdb_fsize != (unsigned)l->size)
		return "damaged: it changed while it was opened";
	return check_meta(l);
}

struct list *
list_open(int dirfd, enum list_id id, struct list_error *e)
{
	struct list *l = calloc(1, sizeof(*l));
	char name[32];
	const char *why;
	int saved;

	snprintf(name, sizeof(name), "%s.cdb", list_name(id));
	if (l == NULL) {
		list_error_set(e, name, 0, "%s", strerror(errno));
		return NULL;
	}
	l->id = id;
	l->fd = -1;
	l->watch = &l->own;
	errno = 0;
	why = open_map(l, dirfd, name);
	if (why == NULL)
		return l;
	saved = errno != 0 && why == strerror(errno) ? errno : EPROTO;
	list_error_set(e, name, 0, "%s", why);
	list_close(l);
	errno = saved;
	return NULL;
}

void
list_close(struct list *l)
{
	if (l == NULL)
		return;
	meta_free(&l->meta);
	if (l->mapped)
		cdb_free(&l->cdb);
	if (l->fd != -1)
		close(l->fd);
	free(l);
}

const struct list_meta *
list_meta(const struct list *l)
{
	return &l->meta;
}

enum list_id
list_id(const struct list *l)
{
	return l->id;
}

int64_t
list_built(const struct list *l)
{
	return (int64_t)l->mtim.tv_sec;
}

void
list_watch(struct list *l, struct list_watch *watch)
{
	l->watch = watch;
}

bool
list_damaged(const struct list *l)
{
	return l->watch->damaged;
}

/*
 * Is the file to be compared now? What an empty list says was read when it was
 * opened, and nothing of it is read again, so that damage can only be noticed
 * there: now and then will do.
 */
static bool
is_due(struct list *l)
{
	struct list_watch *w = l->watch;

	if (!w->due)
		return false;
	w->due = false;
	if (l->meta.count > 0)
		return true;
	if (w->rest > 0) {
		w->rest--;
		return false;
	}
	w->rest = LIST_REST;
	return true;
}

/*
 * A hard link or its removal changes st_ctim, which therefore says nothing; a
 * file written or cut in place changes size or mtime.
 */
static bool
is_intact(struct list *l)
{
	struct stat st;

	if (is_due(l)) {
		if (fstat(l->fd, &st) == -1 || st.st_size != l->size ||
		    st.st_mtim.tv_sec != l->mtim.tv_sec ||
		    st.st_mtim.tv_nsec != l->mtim.tv_nsec)
			l->watch->damaged = true;
	}
	return !l->watch->damaged;
}

enum list_found
list_get(struct list *l, const char *key, size_t len, struct list_entry *e)
{
	struct cdb cursor = l->cdb; /* the search writes into it */
	const void *value;
	int r;

	if (!is_intact(l))
		return LIST_DAMAGED;
	if (l->meta.count == 0)
		return LIST_NONE;
	r = cdb_find(&cursor, key, (unsigned)len);
	if (r == 0)
		return LIST_NONE;
	value = r == 1 ? cdb_getdata(&cursor) : NULL;
	if (value == NULL ||
	    record_decode(e, l->id, value, cdb_datalen(&cursor)) == -1) {
		l->watch->damaged = true;
		return LIST_DAMAGED;
	}
	return LIST_FOUND;
}

/* The record at *pos; *pos moves behind it. 0, or -1. */
static int
read_record(const struct list *l, uint64_t *pos, uint64_t end, const char **key,
    uint64_t *klen, const char **value, uint64_t *vlen)
{
	const unsigned char *head;

	if (end - *pos < CDB_RECORD)
		return -1;
	head = cdb_get(&l->cdb, CDB_RECORD, (unsigned)*pos);
	if (head == NULL)
		return -1;
	*pos += CDB_RECORD;
	*klen = cdb_unpack(head);
	*vlen = cdb_unpack(head + 4);
	if (*klen == 0 || *vlen == 0 || *klen + *vlen > end - *pos)
		return -1;
	*key = cdb_get(&l->cdb, (unsigned)*klen, (unsigned)*pos);
	*value = cdb_get(&l->cdb, (unsigned)*vlen, (unsigned)(*pos + *klen));
	*pos += *klen + *vlen;
	return *key == NULL || *value == NULL ? -1 : 0;
}

int
list_each(struct list *l,
    bool (
	*each)(void *, const char *key, size_t len, const struct list_entry *),
    void *arg)
{
	uint64_t i, klen, vlen, pos = CDB_TOC;
	uint64_t end = l->meta.size - CDB_SLOT * (l->meta.count + 1);
	const char *key, *value;
	struct list_entry e;

	if (!is_intact(l))
		return -1;
	for (i = 0; i <= l->meta.count; i++) {
		if (read_record(l, &pos, end, &key, &klen, &value, &vlen) == -1)
			return -1;
		if (klen == strlen(META_KEY) &&
		    memcmp(key, META_KEY, klen) == 0)
			continue;
		if (record_decode(&e, l->id, value, vlen) == -1)
			return -1;
		if (!each(arg, key, klen, &e))
			return 0;
	}
	return pos == end ? 0 : -1;
}

struct verify {
	struct list *list;
	uint64_t n;
};

static bool
verify_one(void *arg, const char *key, size_t len, const struct list_entry *e)
{
	struct verify *v = arg;
	struct list_entry found;

	if (list_get(v->list, key, len, &found) != LIST_FOUND ||
	    found.text != e->text)
		return false;
	v->n++;
	return true;
}

int
list_verify(struct list *l)
{
	struct verify v = { l, 0 };

	if (list_each(l, verify_one, &v) == -1 || v.n != l->meta.count)
		return -1;
	return 0;
}
