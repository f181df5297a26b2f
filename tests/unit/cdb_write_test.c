/*
 * The CDB that is written is, octet for octet, the one that tinycdb makes of
 * the same records: so every program that reads such files reads ours.
 */
#include <cdb.h>
#include <errno.h>

#include "lists/cdb_write.h"
#include "lists/lookup.h"
#include "tests/unit/fixture.h"

static int
temporary(void)
{
	char path[] = "/tmp/lictor.XXXXXX";
	int fd = mkstemp(path);

	assert_int_not_equal(fd, -1);
	unlink(path);
	return fd;
}

/* Record i; the longest is longer than a page. */
static size_t
make(unsigned i, char key[64], char value[8192])
{
	size_t len = i % 1000 == 999 ? 8000 : i % 90;

	snprintf(key, 64, "%x.%u", i * 2654435761U, i);
	memset(value, (int)(i & 0xff), len);
	return len;
}

static char *
contents(int fd, size_t *size)
{
	struct stat st;
	char *p;

	assert_int_equal(fstat(fd, &st), 0);
	*size = (size_t)st.st_size;
	p = malloc(*size);
	assert_non_null(p);
	assert_int_equal(pread(fd, p, *size, 0), *size);
	return p;
}

static int
ours(unsigned n)
{
	struct cdb_writer *w;
	char key[64], value[8192];
	int fd = temporary();
	unsigned i;
	size_t len;

	w = cdb_write_new(fd, n);
	for (i = 0; i < n; i++) {
		len = make(i, key, value);
		assert_int_equal(cdb_write_add(w, key, strlen(key), value, len),
		    0);
	}
	assert_int_equal(cdb_write_finish(w), 0);
	assert_int_equal(cdb_write_size(w), lseek(fd, 0, SEEK_END));
	cdb_write_free(w);
	return fd;
}

static int
theirs(unsigned n)
{
	struct cdb_make m;
	char key[64], value[8192];
	int fd = temporary();
	unsigned i;
	size_t len;

	assert_int_equal(cdb_make_start(&m, fd), 0);
	for (i = 0; i < n; i++) {
		len = make(i, key, value);
		assert_int_equal(cdb_make_add(&m, key, (unsigned)strlen(key),
				     value, (unsigned)len),
		    0);
	}
	assert_int_equal(cdb_make_finish(&m), 0);
	return fd;
}

static void
test_same(void **state)
{
	static const unsigned sizes[] = { 0, 1, 2, 7, 255, 256, 257, 3000,
		40000 };
	char *one, *other;
	size_t i, n, size;
	int a, b;

	(void)state;
	for (i = 0; i < NITEMS(sizes); i++) {
		a = ours(sizes[i]);
		b = theirs(sizes[i]);
		one = contents(a, &n);
		other = contents(b, &size);
		assert_int_equal(n, size);
		assert_memory_equal(one, other, n);
		free(one);
		free(other);
		close(a);
		close(b);
	}
}

static void
test_found(void **state)
{
	char key[64], value[8192];
	int fd = ours(5000);
	struct cdb c;
	unsigned i;
	size_t len;

	(void)state;
	assert_int_equal(cdb_init(&c, fd), 0);
	for (i = 0; i < 10000; i++) {
		len = make(i, key, value);
		assert_int_equal(cdb_find(&c, key, (unsigned)strlen(key)),
		    i < 5000);
		if (i >= 5000)
			continue;
		assert_int_equal(cdb_datalen(&c), len);
		assert_memory_equal(cdb_getdata(&c), value, len);
	}
	cdb_free(&c);
	close(fd);
}

/* More records than there was to be room for, and a full disk. */
static void
test_refused(void **state)
{
	static char value[200000];
	int full = open("/dev/full", O_RDWR);
	struct cdb_writer *w = cdb_write_new(full, 100);
	unsigned n = 0;

	(void)state;
	assert_int_not_equal(full, -1);
	while (cdb_write_add(w, "a", 1, value, sizeof(value)) == 0)
		n++;
	assert_int_equal(errno, ENOSPC);
	/* what fits into two buffers, and no more */
	assert_in_range(n, 1, 20);
	assert_int_equal(cdb_write_add(w, "b", 1, value, sizeof(value)), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(cdb_write_finish(w), -1);
	assert_int_equal(errno, ENOSPC);
	cdb_write_free(w);
	w = cdb_write_new(full, 1);
	assert_int_equal(cdb_write_add(w, "a", 1, "", 0), 0);
	assert_int_equal(cdb_write_add(w, "b", 1, "", 0), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(cdb_write_finish(w), -1);
	assert_int_equal(errno, ENOSPC);
	cdb_write_free(w);
	close(full);
}

/* The numbers of a CDB have 32 bits; nothing is written to see that. */
static void
test_too_large(void **state)
{
	static char value[200000];
	int null = open("/dev/null", O_RDWR);
	struct cdb_writer *w = cdb_write_new(null, 30000);
	unsigned n = 0;

	(void)state;
	assert_int_not_equal(null, -1);
	while (cdb_write_add(w, "a", 1, value, sizeof(value)) == 0)
		n++;
	assert_int_equal(errno, EFBIG);
	assert_in_range(cdb_write_size(w), UINT32_MAX - 2 * sizeof(value),
	    UINT32_MAX);
	assert_int_equal(n,
	    (UINT32_MAX - CDB_TOC) /
		(sizeof(value) + 1 + CDB_RECORD + CDB_SLOT));
	cdb_write_free(w);
	close(null);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
