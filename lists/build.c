/*
 * Writing one list as a CDB. Keys come sorted and unique, so records are only
 * ever added; the exact size is put into @meta when it is known, which makes
 * the file a list; at the end every record is read back through the same code
 * that a worker uses.
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

#define AHEAD	     16	     /* records whose places are fetched beforehand */
#define DISK_STEP    1000000 /* records after which the disk is set to work */
#define HOPS_TOLD    64	     /* next hops that @meta names at most */
#define HOP_TOLD_MAX (TARGET_TEXT_MAX + 8) /* one of them */

/* Where the routes of a list lead; what lmtp and mx have stands apart. */
struct hops {
	char hop[HOPS_TOLD][HOP_TOLD_MAX];
	size_t n;
	bool maildir, many;
};

static size_t
encode(char value[RECORD_MAX], const struct entry *e)
{
	struct list_entry le;

	memset(&le, 0, sizeof(le));
	le.action = (enum list_action)e->rule->action;
	le.argument = e->rule->argument;
	le.text = e->rule->text;
	le.file = e->rule->file;
	le.line = e->line;
	le.until = e->rule->until;
	return record_encode(value, &le);
}

static void
add_hop(struct hops *h, const char *scheme, const char *text)
{
	char hop[HOP_TOLD_MAX];
	size_t i;

	snprintf(hop, sizeof(hop), "%s%s", scheme, text);
	for (i = 0; i < h->n; i++)
		if (strcmp(h->hop[i], hop) == 0)
			return;
	if (h->n < HOPS_TOLD)
		strlcpy(h->hop[h->n++], hop, sizeof(h->hop[0]));
	else
		h->many = true;
}

/* The next hops of a route, each once. */
static void
add_hops(struct hops *h, const struct entry *e)
{
	struct list_target t;
	const char *rest = e->rule->argument;

	h->maildir |= e->rule->action == ACT_MAILDIR;
	if (e->rule->action == ACT_SMTP)
		add_hop(h, "", e->rule->argument);
	if (e->rule->action == ACT_MX)
		add_hop(h, LIST_MX, e->rule->argument);
	if (e->rule->action == ACT_LMTP)
		while (*rest != '\0' && (rest = list_target(&t, rest)) != NULL)
			add_hop(h, LIST_LMTP, t.text);
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
print_hops(FILE *out, const struct source *s)
{
	struct hops h = { .n = 0 };
	size_t i;

	for (i = 0; i < s->n; i++)
		add_hops(&h, &s->entries[i]);
	fputs("hops", out);
	if (h.many)
		fputs(" many", out);
	else
		for (i = 0; i < h.n; i++)
			fprintf(out, " %s", h.hop[i]);
	fputs(h.maildir ? " maildir\n" : "\n", out);
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
print_meta(FILE *out, const struct source *s, uint64_t size)
{
	fprintf(out, "format %d\nkind %s\ncount %zu\nsize %020llu\n",
	    LIST_FORMAT, list_name(s->id), s->n, (unsigned long long)size);
	print_lengths(out, "v4", s->lens[0], 32);
	print_lengths(out, "v6", s->lens[1], 128);
	fprintf(out, "names %d\n", s->names);
	fprintf(out, "first %s\n", s->first);
	if (s->id == LIST_ROUTES)
		print_hops(out, s);
	print_sources(out, s);
}

/* The text of @meta, to be freed. */
static char *
meta_text(const struct source *s)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (out == NULL)
		return NULL;
	print_meta(out, s, 0);
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

/* Add a record and what it takes to the size. 0, or -1 with errno. */
static int
add(struct cdb_make *m, const char *key, const char *value, size_t len,
    uint64_t *size)
{
	size_t klen = strlen(key);

	*size += CDB_RECORD + CDB_SLOT + klen + len;
	if (*size > UINT32_MAX) {
		errno = EFBIG;
		return -1;
	}
	return cdb_make_add(m, key, (unsigned)klen, value, (unsigned)len);
}

/* What is written so far may go to the disk while we go on. */
static void
start_disk(int fd)
{
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* 0, or -1 with errno. */
static int
add_records(struct cdb_make *m, const struct source *s, const char *meta,
    uint64_t *size, const struct report *r)
{
	char value[RECORD_MAX];
	size_t i, n;

	if (add(m, META_KEY, meta, strlen(meta), size) == -1)
		return -1;
	for (i = 0; i < s->n; i++) {
		report_progress(r, s->id, "writing", i, i, s->n);
		if (i % DISK_STEP == DISK_STEP - 1)
			start_disk(m->cdb_fd);
		n = encode(value, &s->entries[i]);
		if (n == 0) {
			errno = EMSGSIZE;
			return -1;
		}
		if (add(m, s->entries[i].key, value, n, size) == -1)
			return -1;
	}
	return 0;
}

/* In the place of the zeros that @meta, the first record, has for it. */
static int
put_size(int fd, const char *meta, uint64_t size)
{
	static const char word[] = "\nsize ";
	const char *p = strstr(meta, word);
	char digits[32];
	off_t at;
	int n = snprintf(digits, sizeof(digits), "%020llu",
	    (unsigned long long)size);

	at = CDB_TOC + CDB_RECORD + (off_t)strlen(META_KEY) +
	    (p + strlen(word) - meta);
	return pwrite(fd, digits, (size_t)n, at) == n ? 0 : -1;
}

/* The whole file but its rights. 0, or -1 with errno. */
static int
write_cdb(int fd, const struct source *s, const struct report *report)
{
	uint64_t size = CDB_TOC;
	struct cdb_make m;
	char *meta = meta_text(s);
	int r, saved;

	if (meta == NULL)
		return -1;
	r = cdb_make_start(&m, fd);
	if (r == 0)
		r = add_records(&m, s, meta, &size, report);
	saved = errno;
	/* finish frees the index even when a record could not be added */
	if (cdb_make_finish(&m) == -1 && r == 0) {
		saved = errno;
		r = -1;
	}
	if (r == 0 && (r = put_size(fd, meta, size)) == -1)
		saved = errno;
	free(meta);
	errno = saved;
	return r;
}

static int
set_rights(int fd, gid_t gid)
{
	if (fchmod(fd, 0640) == -1)
		return -1;
	return gid == (gid_t)-1 ? 0 : fchown(fd, (uid_t)-1, gid);
}

/* Every record reads back as it was given. */
static bool
reads_back(struct list *l, const struct source *s, const struct report *r)
{
	char value[RECORD_MAX];
	const char *key;
	size_t i, n;

	for (i = 0; i < s->n; i++) {
		report_progress(r, s->id, "checking", i, i, s->n);
		if (i + AHEAD < s->n)
			list_ahead(l, s->entries[i + AHEAD].key);
		key = s->entries[i].key;
		n = encode(value, &s->entries[i]);
		if (!list_holds(l, key, strlen(key), value, n))
			return false;
	}
	return true;
}

static int
read_back(int dirfd, const struct source *s, const struct report *r)
{
	struct list_error e;
	struct list *l = list_open(dirfd, s->id, &e);
	bool good = l != NULL && reads_back(l, s, r);

	list_close(l);
	if (good)
		return 0;
	errno = EBADMSG;
	return -1;
}

/* Written, read back and on the disk, which works while we read. */
static int
write_list(int fd, int dirfd, const struct source *s, gid_t gid,
    const struct report *r)
{
	if (write_cdb(fd, s, r) == -1 || set_rights(fd, gid) == -1)
		return -1;
	start_disk(fd);
	return read_back(dirfd, s, r) == -1 ? -1 : fsync(fd);
}

int
build_list(int dirfd, const struct source *s, gid_t gid,
    const struct report *report, struct list_error *e)
{
	char name[32];
	int fd, r, saved;

	snprintf(name, sizeof(name), "%s.cdb", list_name(s->id));
	fd = openat(dirfd, name,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd == -1 ? -1 : write_list(fd, dirfd, s, gid, report);
	saved = errno;
	if (fd != -1 && close(fd) == -1 && r == 0) {
		saved = errno;
		r = -1;
	}
	if (saved == EBADMSG) {
		list_error_set(e, name, 0, "it does not read back as written");
		saved = EIO;
	} else {
		list_error_set(e, name, 0, "%s", strerror(saved));
	}
	errno = saved;
	return r;
}
