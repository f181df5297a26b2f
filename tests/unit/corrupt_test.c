/*
 * Lists whose files are cut short or have bits turned, as daemon and tools
 * open and search them. Never a fault nor an endless loop, as the sanitizers
 * watch; and a list that is not whole by its own account says nothing.
 */
#include <errno.h>

#include "lists/dump.h"
#include "lists/find.h"
#include "lists/lookup.h"
#include "lists/source.h"
#include "tests/unit/fixture.h"

#define KEYS  5
#define FLIPS 1000

static const struct {
	enum list_id list;
	const char *source, *keys[KEYS];
} lists[] = {
	{ LIST_BANNED,
	    "192.0.2.0/24 reject \"no\"\n192.0.2.9 allow\n2001:db8::/32\n"
	    "198.51.100.0/25 drop until=2099-01-01\n",
	    { "192.0.2.9", "192.0.2.1", "2001:db8::1", "198.51.100.1",
		"203.0.113.1" } },
	{ LIST_RECIPIENTS,
	    "alice@example.org\n@example.net defer\n@.example.com open\n"
	    "carol@example.org moved carol@example.net \"gone\"\n",
	    { "alice+x@example.org", "x@example.net", "x@a.example.com",
		"carol@example.org", "nobody@example.org" } },
	{ LIST_ROUTES, "example.org smtp:192.0.2.7\n* maildir:/var/mail/all\n",
	    { "a@example.org", "x@example.net", "example.org", "*",
		"a.example.org" } },
};

/* One compiled list, its octets as they should be, and a file for others. */
struct bench {
	struct fixture *f;
	enum list_id id;
	const char *const *keys;
	char *bytes, name[32];
	size_t size;
	int dirfd;
};

static void
bench_setup(struct bench *b, size_t row)
{
	char path[160];
	FILE *in;

	fixture_setup((void **)&b->f);
	b->id = lists[row].list;
	b->keys = lists[row].keys;
	fixture_write(b->f, list_name(b->id), lists[row].source);
	generation_close(fixture_open(b->f));
	snprintf(b->name, sizeof(b->name), "%s.cdb", list_name(b->id));
	snprintf(path, sizeof(path), "%s/generations/1", b->f->state);
	b->dirfd = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(b->dirfd, -1);
	in = fdopen(openat(b->dirfd, b->name, O_RDONLY), "r");
	b->bytes = malloc(1 << 16);
	assert_non_null(in);
	assert_non_null(b->bytes);
	b->size = fread(b->bytes, 1, 1 << 16, in);
	fclose(in);
}

static void
bench_teardown(struct bench *b)
{
	close(b->dirfd);
	free(b->bytes);
	fixture_teardown((void **)&b->f);
}

/* The list with size of these octets as its file, or NULL. */
static struct list *
open_with(const struct bench *b, const char *bytes, size_t size)
{
	struct list_error e;
	struct list *l;
	int fd;

	assert_int_equal(unlinkat(b->dirfd, b->name, 0), 0);
	fd = openat(b->dirfd, b->name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
	l = list_open(b->dirfd, b->id, &e);
	assert_true(l != NULL || (errno == EPROTO && e.text[0] != '\0'));
	return l;
}

/* All that can be asked of a list, and all that it answers. */
static void
search(const struct bench *b, struct list *l)
{
	char matched[MAILBOX_TEXT_MAX];
	struct list_entry e;
	struct source s;
	size_t i, sum = 0;

	for (i = 0; i < KEYS; i++)
		if (find_text(l, b->keys[i], 0, &e, matched) == LIST_FOUND)
			sum += strlen(matched) + strlen(e.argument) +
			    strlen(e.text) + strlen(e.file);
	if (dump_load(&s, l) == 0) {
		for (i = 0; i < s.n; i++)
			sum += strlen(s.entries[i].key);
		source_free(&s);
	}
	list_verify(l);
	assert_in_range(sum, 0, 1 << 20);
}

/* A file of any other length is no list. */
static void
test_truncated(void **state)
{
	struct bench b;
	size_t row, n;

	(void)state;
	for (row = 0; row < NITEMS(lists); row++) {
		bench_setup(&b, row);
		for (n = 0; n < b.size; n += n < 2000 ? 97 : 1)
			assert_null(open_with(&b, b.bytes, n));
		b.bytes[b.size] = '\0';
		assert_null(open_with(&b, b.bytes, b.size + 1));
		bench_teardown(&b);
	}
}

/* Opened or not, found or not: but answered, and within its bounds. */
static void
test_flipped(void **state)
{
	char *copy = malloc(1 << 16);
	unsigned i, j, opened = 0;
	struct bench b;
	struct list *l;
	size_t row;

	(void)state;
	assert_non_null(copy);
	srandom(7);
	for (row = 0; row < NITEMS(lists); row++) {
		bench_setup(&b, row);
		for (i = 0; i < FLIPS; i++) {
			memcpy(copy, b.bytes, b.size);
			for (j = 0; j <= i % 8; j++)
				copy[(size_t)random() % b.size] ^= (char)(1
				    << random() % 8);
			l = open_with(&b, copy, b.size);
			if (l != NULL)
				search(&b, l);
			opened += l != NULL;
			list_close(l);
		}
		bench_teardown(&b);
	}
	free(copy);
	/* else it would be the checks on opening that were tested */
	assert_in_range(opened, FLIPS / 4, NITEMS(lists) * FLIPS);
}

/* One octet of a key's slot or record wrong: never another key's answer. */
static void
test_each_octet(void **state)
{
	struct list_entry e;
	struct bench b;
	struct list *l;
	char matched[MAILBOX_TEXT_MAX];
	size_t n;
	char was;

	(void)state;
	bench_setup(&b, 0);
	for (n = 0; n < b.size; n++) {
		was = b.bytes[n];
		b.bytes[n] = (char)~was;
		l = open_with(&b, b.bytes, b.size);
		b.bytes[n] = was;
		if (l == NULL)
			continue;
		search(&b, l);
		if (find_text(l, "203.0.113.1", 0, &e, matched) == LIST_FOUND)
			fail_msg("octet %zu: 203.0.113.1 is %s", n, matched);
		list_close(l);
	}
	bench_teardown(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_each_octet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
