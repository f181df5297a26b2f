/*
 * The sources of one list: NAME and the drop-ins NAME.d/ in the order of their
 * names. They are read whole before anything is parsed, so that what was
 * compiled is what was digested. Every mistake is reported, with the file and
 * the line, and parsing goes on behind it.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lists/key.h"
#include "lists/parallel.h"
#include "lists/parse.h"
#include "lists/plain.h"
#include "lists/source.h"
#include "lists/table.h"

#define FILE_MAX ((off_t)1 << 31)

void
source_init(struct source *s, enum list_id id)
{
	memset(s, 0, sizeof(*s));
	s->id = id;
	s->first = "";
	s->sorted = true;
}

void
source_free(struct source *s)
{
	size_t i;

	for (i = 0; i < s->nfiles; i++)
		free(s->files[i].text);
	free(s->files);
	free(s->entries);
	arena_free(&s->strings);
	arena_free(&s->keys);
	arena_free(&s->rules);
	source_init(s, s->id);
}

static bool
is_same_rule(const struct rule *a, const struct rule *b)
{
	return a->action == b->action && a->until == b->until &&
	    a->file == b->file &&
	    (a->argument == b->argument ||
		strcmp(a->argument, b->argument) == 0) &&
	    (a->text == b->text || strcmp(a->text, b->text) == 0);
}

static void
set_rule(struct source *s, const struct rule *rule)
{
	struct rule *copy;

	if (s->rule != NULL && is_same_rule(s->rule, rule))
		return;
	copy = arena_take(&s->rules, sizeof(*copy));
	*copy = *rule;
	s->rule = copy;
}

/* Note what a key tells of the whole list. */
static void
note_key(struct source *s, const struct entry *e)
{
	int len = key_prefix_len(e->key);

	if (len != -1)
		s->lens[e->key[0] == '6'][len] = true;
	else if (!s->names) /* a scoped name is none of a client */
		s->names = strchr(e->key, ':') == NULL;
	if (s->id == LIST_DOMAINS && s->first[0] == '\0' &&
	    e->rule->action == ACT_ACCEPT && e->key[1] != '.')
		s->first = arena_copy(&s->strings, e->key + 1,
		    strlen(e->key + 1));
}

void
source_add(struct source *s, const char *key, size_t len,
    const struct rule *rule, uint32_t line)
{
	struct entry *e;

	if (s->n == s->room) {
		s->room = s->room == 0 ? 64 : s->room * 2;
		s->entries = mem_resize(s->entries, s->room,
		    sizeof(*s->entries));
	}
	set_rule(s, rule);
	e = &s->entries[s->n++];
	e->key = arena_copy(&s->keys, key, len);
	e->key_len = (uint16_t)len;
	e->rule = s->rule;
	e->line = line;
	s->sorted = false;
	note_key(s, e);
}

/* The whole file into memory. 0, or -1 with errno. */
static int
read_all(int fd, struct source_file *f)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return -1;
	}
	f->text = mem_resize(NULL, (size_t)st.st_size + 1, 1);
	while (f->size < (size_t)st.st_size) {
		n = read(fd, f->text + f->size, (size_t)st.st_size - f->size);
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		f->size += (size_t)n;
	}
	return 0;
}

/* The first half is enough; SHA-256 would take half as long again. */
static void
digest_text(SHA2_CTX *sha, char out[DIGEST_MAX])
{
	uint8_t digest[SHA512_DIGEST_LENGTH];
	size_t i;

	SHA512Final(digest, sha);
	for (i = 0; i < DIGEST_MAX / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void
digest_file(void *arg)
{
	struct source_file *f = arg;
	SHA2_CTX sha;

	if (f->digest[0] != '\0')
		return;
	SHA512Init(&sha);
	SHA512Update(&sha, (const uint8_t *)f->text, f->size);
	digest_text(&sha, f->digest);
}

static void
load_file(struct source *s, int dirfd, const char *name, struct report *r)
{
	struct source_file *f;
	int fd;

	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1) {
		if (errno != ENOENT || strchr(name, '/') != NULL)
			report_error(r, name, 0, "%s", strerror(errno));
		return;
	}
	s->files = mem_resize(s->files, s->nfiles + 1, sizeof(*s->files));
	f = &s->files[s->nfiles++];
	memset(f, 0, sizeof(*f));
	f->name = arena_copy(&s->strings, name, strlen(name));
	if (read_all(fd, f) == -1)
		report_error(r, name, 0, "%s",
		    errno == EINVAL ? "not a regular file" : strerror(errno));
	close(fd);
}

static int
is_dropin(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int
by_octets(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool
is_graphic(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 0x21 || *s > 0x7e)
			return false;
	return true;
}

void
source_load(struct source *s, int dirfd, struct report *r)
{
	struct dirent **dropins;
	char name[SOURCE_NAME_MAX + 1], folder[32];
	int i, n;

	load_file(s, dirfd, list_name(s->id), r);
	snprintf(folder, sizeof(folder), "%s.d", list_name(s->id));
	n = scandirat(dirfd, folder, &dropins, is_dropin, by_octets);
	if (n == -1) {
		if (errno != ENOENT)
			report_error(r, folder, 0, "%s", strerror(errno));
		return;
	}
	for (i = 0; i < n; i++) {
		if ((size_t)snprintf(name, sizeof(name), "%s/%s", folder,
			dropins[i]->d_name) >= sizeof(name) ||
		    !is_graphic(name))
			report_error(r, folder, 0,
			    "`%.60s`: a file name here is short ASCII without "
			    "blanks",
			    dropins[i]->d_name);
		else
			load_file(s, dirfd, name, r);
		free(dropins[i]);
	}
	free(dropins);
}

const struct source_file *
source_file(const struct source *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->nfiles; i++)
		if (strcmp(s->files[i].name, name) == 0)
			return &s->files[i];
	return NULL;
}

/* NAME comes before NAME.d/ and drop-ins by their names: all by octets. */
void
source_replace(struct source *s, const char *name, char *text, size_t size)
{
	struct source_file *f;
	size_t i = 0;

	while (i < s->nfiles && strcmp(s->files[i].name, name) < 0)
		i++;
	if (i == s->nfiles || strcmp(s->files[i].name, name) != 0) {
		s->files = mem_resize(s->files, s->nfiles + 1,
		    sizeof(*s->files));
		memmove(s->files + i + 1, s->files + i,
		    (s->nfiles++ - i) * sizeof(*s->files));
		memset(&s->files[i], 0, sizeof(*s->files));
		s->files[i].name = arena_copy(&s->strings, name, strlen(name));
	}
	f = &s->files[i];
	free(f->text);
	f->text = text;
	f->size = size;
	f->digest[0] = '\0';
}

void
source_digest_files(struct source *s)
{
	size_t i;

	for (i = 0; i < s->nfiles; i++)
		digest_file(&s->files[i]);
}

void
source_digest(const struct source *s, char out[DIGEST_MAX])
{
	SHA2_CTX sha;
	size_t i;

	SHA512Init(&sha);
	for (i = 0; i < s->nfiles; i++) {
		SHA512Update(&sha, (const uint8_t *)s->files[i].name,
		    strlen(s->files[i].name) + 1);
		SHA512Update(&sha, (const uint8_t *)s->files[i].digest,
		    DIGEST_MAX);
	}
	digest_text(&sha, out);
}

/* False, after reporting, for a line that is not to be parsed. */
static bool
check_octets(const char *file, uint32_t line, const char *text, size_t len,
    struct report *r)
{
	size_t i;
	unsigned char c;

	if (len > SOURCE_LINE_MAX) {
		report_error(r, file, line, "the line is longer than %d octets",
		    SOURCE_LINE_MAX);
		return false;
	}
	for (i = 0; i < len; i++) {
		c = (unsigned char)text[i];
		if ((c >= 0x20 && c != 0x7f) || c == '\t')
			continue;
		report_error(r, file, line, "a control character (0x%02x)", c);
		return false;
	}
	return true;
}

void
source_parse_text(struct source *s, const char *name, const char *text,
    size_t size, struct report *r)
{
	const char *file = arena_copy(&s->strings, name, strlen(name));
	const char *begin = text, *end = text + size, *eol;
	uint32_t line = 0;
	size_t len;
	bool dos = false;

	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	for (; text < end; text = eol + 1) {
		line++;
		report_progress(r, s->id, "reading", line,
		    (size_t)(text - begin), size);
		len = parse_plain(s, file, line, text, end);
		eol = text + len;
		if (len > 0)
			continue;
		eol = memchr(text, '\n', (size_t)(end - text));
		if (eol == NULL)
			eol = end;
		len = (size_t)(eol - text);
		if (len > 0 && text[len - 1] == '\r') {
			if (!dos)
				report_error(r, file, line,
				    "the file has DOS line ends (CR LF): "
				    "convert it");
			dos = true;
			len--;
		}
		if (check_octets(file, line, text, len, r))
			parse_line(s, file, line, text, len, r);
	}
}

/* Say once of a list that is for a later version that it does nothing. */
static void
warn_unused(const struct source *s, struct report *r)
{
	const struct list_kind *kind = list_kind(s->id);

	if (kind->unused && s->n > 0)
		report_warning(r, kind->name, 0,
		    "list %s is compiled but not consulted in this version",
		    kind->name);
}

void
source_parse(struct source *s, struct report *r)
{
	struct parallel digesting;
	struct source_file *f;
	size_t i;

	for (i = 0; i < s->nfiles; i++) {
		f = &s->files[i];
		parallel_begin(&digesting, digest_file, f, f->size);
		source_parse_text(s, f->name, f->text, f->size, r);
		parallel_end(&digesting);
		free(f->text);
		f->text = NULL;
	}
	source_merge(s, r);
	warn_unused(s, r);
}
