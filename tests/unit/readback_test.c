/*
 * What a compile does not notice in the file that it has written, nobody does:
 * a list is read back whole, and not one octet may be another.
 */
#include <endian.h>
#include <errno.h>

#include "lists/build.h"
#include "lists/lookup.h"
#include "lists/readback.h"
#include "lists/source.h"
#include "tests/unit/fixture.h"

/* A list that was built, and its octets. */
struct built {
	struct source source;
	struct fixture *f;
	int dirfd, fd;
	char *bytes;
	size_t size;
};

static const struct report quiet = { .send = NULL };

static void
build(struct built *b, unsigned n)
{
	struct report r = { .send = NULL };
	struct list_error e;
	struct stat st;
	char line[64];
	unsigned i;
	int len;

	fixture_setup((void **)&b->f);
	source_init(&b->source, LIST_BANNED);
	for (i = 0; i < n; i++) {
		len = snprintf(line, sizeof(line), "10.%u.%u.%u%s",
		    i >> 16 & 255, i >> 8 & 255, i & 255,
		    i % 5 == 0 ? " drop" : "");
		source_parse_text(&b->source, "banned", line, (size_t)len, &r);
	}
	source_merge(&b->source, &r);
	assert_int_equal(r.errors, 0);
	assert_int_equal(b->source.n, n);
	b->dirfd = fixture_state(b->f);
	assert_int_equal(build_list(b->dirfd, &b->source, (gid_t)-1, &quiet,
			     &e),
	    0);
	b->fd = openat(b->dirfd, "banned.cdb", O_RDWR);
	assert_int_equal(fstat(b->fd, &st), 0);
	b->size = (size_t)st.st_size;
	b->bytes = malloc(b->size);
	assert_non_null(b->bytes);
	assert_int_equal(pread(b->fd, b->bytes, b->size, 0), b->size);
}

static void
unbuild(struct built *b)
{
	free(b->bytes);
	close(b->fd);
	close(b->dirfd);
	source_free(&b->source);
	fixture_teardown((void **)&b->f);
}

static int
read_again(const struct built *b)
{
	int r;

	errno = 0;
	r = readback(b->fd, &b->source, &quiet);
	assert_int_equal(errno, r == 0 ? 0 : EBADMSG);
	return r;
}

static uint32_t
number(const struct built *b, size_t at)
{
	uint32_t v;

	memcpy(&v, b->bytes + at, sizeof(v));
	return le32toh(v);
}

/* What is looked at elsewhere, the text of @meta, or by nobody. */
static bool
is_indifferent(const struct built *b, size_t at)
{
	size_t meta = CDB_TOC + CDB_RECORD + strlen(META_KEY);
	size_t tables = number(b, 0), slot;

	if (at >= meta && at < meta + number(b, CDB_TOC + 4))
		return true;
	if (at < tables)
		return false;
	slot = at - (at - tables) % 8;
	return at - slot < 4 && number(b, slot + 4) == 0;
}

static void
test_octets(void **state)
{
	static const unsigned sizes[] = { 0, 1, 2, 40 };
	struct built b;
	size_t i, at, seen = 0;
	char turned;

	(void)state;
	for (i = 0; i < NITEMS(sizes); i++) {
		build(&b, sizes[i]);
		assert_int_equal(read_again(&b), 0);
		for (at = 0; at < b.size; at++) {
			turned = (char)(b.bytes[at] ^ (1 << at % 8));
			assert_int_equal(pwrite(b.fd, &turned, 1, (off_t)at),
			    1);
			if (read_again(&b) == 0 && !is_indifferent(&b, at))
				fail_msg("octet %zu of %u entries", at,
				    sizes[i]);
			seen += !is_indifferent(&b, at);
			assert_int_equal(pwrite(b.fd, b.bytes + at, 1,
					     (off_t)at),
			    1);
		}
		unbuild(&b);
	}
	assert_in_range(seen, 4 * CDB_TOC, 100000);
}

static void
put_slot(const struct built *b, size_t at, const char slot[8])
{
	assert_int_equal(pwrite(b->fd, slot, 8, (off_t)at), 8);
}

/* Slots that have changed places: all is there, and some is not found. */
static void
test_slots(void **state)
{
	static const char empty[8];
	char slot[8];
	struct built b;
	size_t at, moved = 0;

	(void)state;
	build(&b, 40);
	for (at = number(&b, 0); at + 16 <= b.size; at += 8) {
		if (number(&b, at + 4) == 0 || number(&b, at + 12) != 0)
			continue;
		memcpy(slot, b.bytes + at, sizeof(slot));
		put_slot(&b, at + 8, slot);
		put_slot(&b, at, empty);
		assert_int_equal(read_again(&b), -1);
		put_slot(&b, at + 8, empty);
		assert_int_equal(read_again(&b), -1);
		put_slot(&b, at, slot);
		assert_int_equal(read_again(&b), 0);
		/* one that leads to the record of another one */
		put_slot(&b, at + 8, slot);
		assert_int_equal(read_again(&b), -1);
		put_slot(&b, at + 8, empty);
		moved++;
	}
	assert_in_range(moved, 5, 40);
	unbuild(&b);
}

/* Cut or with something behind; another source; so long that two read it. */
static void
test_whole(void **state)
{
	struct built b;
	size_t n;

	(void)state;
	build(&b, 40000);
	assert_int_equal(read_again(&b), 0);
	for (n = 0; n < 40000; n += 3333) {
		b.source.entries[n].line++;
		assert_int_equal(read_again(&b), -1);
		b.source.entries[n].line--;
	}
	b.source.n--;
	assert_int_equal(read_again(&b), -1);
	b.source.n++;
	assert_int_equal(read_again(&b), 0);
	assert_int_equal(pwrite(b.fd, "", 1, (off_t)b.size), 1);
	assert_int_equal(read_again(&b), -1);
	for (n = b.size; n > 0; n = n * 2 / 3) {
		assert_int_equal(ftruncate(b.fd, (off_t)n - 1), 0);
		if (n > 1)
			assert_int_equal(read_again(&b), -1);
	}
	unbuild(&b);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_octets),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
