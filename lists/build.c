/*
 * Writing one list as a CDB. Keys come sorted and unique, so records are only
 * ever added; the exact size is put into @meta when it is known, which makes
 * the file a list; at the end all of it is read back.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lists/build.h"
#include "lists/cdb_write.h"
#include "lists/key.h"
#include "lists/lookup.h"
#include "lists/parallel.h"
#include "lists/readback.h"
#include "lists/source.h"
#include "lists/value.h"

#define DISK_STEP    65536 /* records after which the disk is set to work */
#define HOPS_TOLD    64	   /* next hops that @meta names at most */
#define HOP_TOLD_MAX (TARGET_TEXT_MAX + 8) /* one of them */

/* Where the routes of a list lead; what lmtp and mx have stands apart. */
struct hops {
	char hop[HOPS_TOLD][HOP_TOLD_MAX];
	size_t n;
	bool maildir, many;
};

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

/* What is written so far may go to the disk while we go on. */
static void
start_disk(int fd)
{
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* 0, or -1 with errno. */
static int
add_records(struct cdb_writer *w, int fd, const struct source *s,
    const char *meta, const struct report *r)
{
	struct value v = { .rule = NULL };
	const struct entry *e;
	size_t i, n;

	if (cdb_write_add(w, META_KEY, strlen(META_KEY), meta, strlen(meta)) ==
	    -1)
		return -1;
	for (i = 0; i < s->n; i++) {
		report_progress(r, s->id, "writing", i, i, s->n);
		if (i % DISK_STEP == DISK_STEP - 1)
			start_disk(fd);
		e = &s->entries[i];
		n = value_encode(&v, e);
		if (n == 0) {
			errno = EMSGSIZE;
			return -1;
		}
		if (cdb_write_add(w, e->key, e->key_len, v.octets, n) == -1)
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
	struct cdb_writer *w;
	char *meta = meta_text(s);
	int r, saved;

	if (meta == NULL)
		return -1;
	w = cdb_write_new(fd, s->n + 1);
	r = add_records(w, fd, s, meta, report);
	if (r == 0)
		r = cdb_write_finish(w);
	if (r == 0)
		r = put_size(fd, meta, cdb_write_size(w));
	saved = errno;
	cdb_write_free(w);
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

/* Opened as a worker does it, then read whole. */
static int
read_back(int fd, int dirfd, const struct source *s, const struct report *r)
{
	struct list_error e;
	struct list *l = list_open(dirfd, s->id, &e);

	list_close(l);
	if (l != NULL)
		return readback(fd, s, r);
	errno = EBADMSG;
	return -1;
}

struct disk {
	int fd, error;
};

static void
sync_file(void *arg)
{
	struct disk *d = arg;

	d->error = fsync(d->fd) == -1 ? errno : 0;
}

/* Written, read back and on the disk, which works while we read. */
static int
write_list(int fd, int dirfd, const struct source *s, gid_t gid,
    const struct report *report)
{
	struct disk disk = { .fd = fd };
	struct parallel syncing;
	int r, saved;

	if (write_cdb(fd, s, report) == -1 || set_rights(fd, gid) == -1)
		return -1;
	parallel_begin(&syncing, sync_file, &disk, s->n * CDB_SLOT);
	r = read_back(fd, dirfd, s, report);
	saved = errno;
	parallel_end(&syncing);
	errno = r == 0 ? disk.error : saved;
	return r == 0 && disk.error == 0 ? 0 : -1;
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
