/*
 * Writing one list as a CDB. Keys come sorted and unique, so records are only
 * ever added; the exact size is known beforehand and stands in @meta; at the
 * end every record is read back through the same code that a worker uses.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cdb.h>

#include "lists/build.h"
#include "lists/key.h"
#include "lists/lookup.h"
#include "lists/source.h"

struct totals {
	uint64_t size; /* of the file but the @meta value */
	bool v4[33], v6[129], names;
};

static size_t
encode(char value[RECORD_MAX], const struct entry *e)
{
	struct list_entry le;

	memset(&le, 0, sizeof(le));
	le.action = (enum list_action)e->action;
	le.argument = e->argument;
	le.text = e->text;
	le.file = e->file;
	le.line = e->line;
	le.until = e->until;
	return record_encode(value, &le);
}

static void
sum_up(const struct source *s, struct totals *t)
{
	char value[RECORD_MAX];
	struct prefix p;
	size_t i;

	memset(t, 0, sizeof(*t));
	t->size = CDB_TOC + CDB_RECORD + CDB_SLOT + strlen(META_KEY);
	for (i = 0; i < s->n; i++) {
		t->size += CDB_RECORD + CDB_SLOT + strlen(s->entries[i].key) +
		    encode(value, &s->entries[i]);
		if (key_to_prefix(&p, s->entries[i].key,
			strlen(s->entries[i].key)) == -1)
			/* A scoped name is no name of a client. */
			t->names |= strchr(s->entries[i].key, ':') == NULL;
		else if (p.addr.family == 4)
			t->v4[p.len] = true;
		else
			t->v6[p.len] = true;
	}
}

static void
print_lengths(FILE *out, const char *word, const bool *set, int most)
{
	int i;

	fputs(word, out);
	for (i = most; i >= 0; i--)
		if (set[i])
			fprintf(out, " %d", i);
	fputc('\n', out);
}

static void
print_sources(FILE *out, const struct source *s)
{
	size_t i;

	for (i = 0; i < s->nfiles; i++)
		fprintf(out, "source %s %s\n", s->files[i].name,
		    s->files[i].digest);
}

static void
print_meta(FILE *out, const struct source *s, const struct totals *t,
    uint64_t size)
{
	fprintf(out, "format %d\nkind %s\ncount %zu\nsize %020llu\n",
	    LIST_FORMAT, list_name(s->id), s->n, (unsigned long long)size);
	print_lengths(out, "v4", t->v4, 32);
	print_lengths(out, "v6", t->v6, 128);
	fprintf(out, "names %d\n", t->names);
	fprintf(out, "first %s\n", s->first);
	print_sources(out, s);
}

/* The text of @meta, to be freed; the size stands in 20 digits always. */
static char *
meta_text(const struct source *s, const struct totals *t, uint64_t size)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (out == NULL)
		return NULL;
	print_meta(out, s, t, size);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

char *
build_sources(const struct source *s)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (out == NULL)
		return NULL;
	print_sources(out, s);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* 0, or -1 with errno. */
static int
add_records(struct cdb_make *m, const struct source *s, const char *meta)
{
	char value[RECORD_MAX];
	size_t i, n;

	if (cdb_make_add(m, META_KEY, strlen(META_KEY), meta,
		(unsigned)strlen(meta)) == -1)
		return -1;
	for (i = 0; i < s->n; i++) {
		n = encode(value, &s->entries[i]);
		if (n == 0) {
			errno = EMSGSIZE;
			return -1;
		}
		if (cdb_make_add(m, s->entries[i].key,
			(unsigned)strlen(s->entries[i].key), value,
			(unsigned)n) == -1)
			return -1;
	}
	return 0;
}

/* The whole file but its rights. 0, or -1 with errno. */
static int
write_cdb(int fd, const struct source *s)
{
	struct cdb_make m;
	struct totals t;
	char *meta;
	int r;

	sum_up(s, &t);
	meta = meta_text(s, &t, 0);
	if (meta == NULL)
		return -1;
	t.size += strlen(meta);
	free(meta);
	if (t.size > UINT32_MAX) {
		errno = EFBIG;
		return -1;
	}
	meta = meta_text(s, &t, t.size);
	if (meta == NULL)
		return -1;
	r = cdb_make_start(&m, fd);
	if (r == 0)
		r = add_records(&m, s, meta);
	free(meta);
	/* finish frees the index even when a record could not be added */
	return cdb_make_finish(&m) == -1 || r == -1 ? -1 : 0;
}

static int
set_rights(int fd, gid_t gid)
{
	if (fchmod(fd, 0640) == -1)
		return -1;
	if (gid != (gid_t)-1 && fchown(fd, (uid_t)-1, gid) == -1)
		return -1;
	return fsync(fd);
}

/* Every record reads back as it was given. */
static int
read_back(int dirfd, const struct source *s, struct list_error *e)
{
	struct list *l = list_open(dirfd, s->id, e);
	struct list_entry found;
	char want[RECORD_MAX], have[RECORD_MAX];
	size_t i, n;

	if (l == NULL)
		return -1;
	for (i = 0; i < s->n; i++) {
		n = encode(want, &s->entries[i]);
		if (list_get(l, s->entries[i].key, strlen(s->entries[i].key),
			&found) != LIST_FOUND ||
		    record_encode(have, &found) != n ||
		    memcmp(want, have, n) != 0)
			break;
	}
	list_close(l);
	return i == s->n ? 0 : -1;
}

int
build_list(int dirfd, const struct source *s, gid_t gid, struct list_error *e)
{
	char name[32];
	int fd, r, saved;

	snprintf(name, sizeof(name), "%s.cdb", list_name(s->id));
	fd = openat(dirfd, name,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd == -1 ? -1 : write_cdb(fd, s);
	if (r == 0)
		r = set_rights(fd, gid);
	saved = errno;
	list_error_set(e, name, 0, "%s", strerror(saved));
	if (fd != -1 && close(fd) == -1)
		r = -1;
	if (r == 0 && read_back(dirfd, s, e) == -1) {
		list_error_set(e, name, 0, "it does not read back as written");
		saved = EIO;
		r = -1;
	}
	errno = saved;
	return r;
}
