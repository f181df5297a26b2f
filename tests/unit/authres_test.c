/*
 * Authentication-Results. A row that fails is a forged result that somebody
 * behind us believes, or a field of another host's that is lost. Every row is
 * fed whole, octet by octet and cut at every place.
 */
#include "tests/unit/fixture.h"
#include "worker/authres.h"

#define HOST "gw.example.org"
#define AR   "Authentication-Results"
#define OURS AR ": " HOST "; spf=pass\r\n"
#define S    "Subject: x\r\n"

static const struct {
	const char *in, *out; /* out NULL: all of it */
	unsigned removed;
} rows[] = {
	{ "", NULL, 0 },
	{ S "\r\nbody\r\n.\r\n", NULL, 0 },
	{ OURS, "", 1 },
	{ OURS S "\r\nbody\r\n", S "\r\nbody\r\n", 1 },
	{ S OURS "\r\n", S "\r\n", 1 },
	{ S OURS OURS S OURS "\r\n" OURS, S S "\r\n" OURS, 3 },
	{ OURS ".\r\n", ".\r\n", 1 },
	/* another host's */
	{ AR ": mx.example.org; spf=pass\r\n", NULL, 0 },
	{ AR ": mail." HOST "; spf=pass\r\n", NULL, 0 },
	{ AR ": " HOST ".example; spf=pass\r\n", NULL, 0 },
	{ AR ": " HOST "x; spf=pass\r\n", NULL, 0 },
	{ AR ": example.org; spf=pass (" HOST ")\r\n", NULL, 0 },
	{ AR ": example.org;\r\n " HOST ";\r\n " OURS, NULL, 0 },
	{ AR ": gw.(c)example.org; spf=pass\r\n", NULL, 0 },
	{ AR ": gw.\r\n example.org; spf=pass\r\n", NULL, 0 },
	{ AR ": spf=pass; " HOST "\r\n", NULL, 0 },
	{ AR ":\r\n", NULL, 0 },
	{ AR ": \r\n\r\n", NULL, 0 },
	{ AR ": ; " HOST "\r\n", NULL, 0 },
	{ AR ": \"\"; " HOST "\r\n", NULL, 0 },
	{ AR ": (" HOST ") mx.example.org; spf=pass\r\n", NULL, 0 },
	/* no such field */
	{ "ARC-" OURS, NULL, 0 },
	{ "X-" OURS, NULL, 0 },
	{ AR "-Of: " HOST "\r\n", NULL, 0 },
	{ AR "\r\n", NULL, 0 },
	{ AR "\r\n : " HOST "\r\n", NULL, 0 },
	{ AR " " HOST "\r\n", NULL, 0 },
	{ AR " x: " HOST "\r\n", NULL, 0 },
	{ "Authentication: " HOST "\r\n" S, NULL, 0 },
	{ S " " OURS, NULL, 0 },
	{ S "\t" OURS "\r\n", NULL, 0 },
	{ " " OURS, NULL, 0 },
	{ "\r\n" OURS, NULL, 0 },
	{ S "\r\n" OURS OURS "\r\n" OURS, NULL, 0 },
	{ "Content-Type: message/rfc822\r\n\r\n" OURS S "\r\nx\r\n", NULL, 0 },
	/* ours, however it is written */
	{ "authentication-results: " HOST "\r\n", "", 1 },
	{ "AUTHENTICATION-RESULTS: GW.Example.ORG; none\r\n" S, S, 1 },
	{ AR ":" HOST "\r\n" S, S, 1 },
	{ AR ":" HOST ";spf=pass\r\n" S, S, 1 },
	{ AR "\t : \t" HOST " ; spf=pass\r\n" S, S, 1 },
	{ AR ": " HOST " 1; spf=pass\r\n" S, S, 1 },
	{ AR ": " HOST "/1; spf=pass\r\n" S, S, 1 },
	{ AR ": " HOST "(c) 99 (d); spf=pass\r\n" S, S, 1 },
	{ AR ": " HOST ".; spf=pass\r\n" S, S, 1 },
	{ AR ": \"" HOST "\"; spf=pass\r\n" S, S, 1 },
	{ AR ": \"gw\\.ex\\ample.org\"; spf=pass\r\n" S, S, 1 },
	{ AR ": (a) (b(c\\)\\\\)) " HOST "; spf=pass\r\n" S, S, 1 },
	{ AR ":()" HOST "; spf=pass\r\n" S, S, 1 },
	{ AR ": (mx.example.org; \"x) " HOST "\r\n" S, S, 1 },
	/* folded */
	{ AR ":\r\n\t" HOST ";\r\n spf=pass\r\n\tdkim=pass\r\n" S, S, 1 },
	{ AR ": \r\n \r\n\t (a\r\n b) \r\n " HOST "\r\n ; x\r\n" S, S, 1 },
	{ AR ": " HOST "\r\n 1;\r\n \r\n spf=pass\r\n\r\n", "\r\n", 1 },
	{ AR ": \"\r\n " HOST " \"; spf=pass\r\n" S, S, 1 },
	{ AR ": \"gw.\r\nSubject: x\r\n" S, "Subject: x\r\n" S, 1 },
	/* what has no end hides something */
	{ AR ": (mx.example.org; spf=pass\r\n" S, S, 1 },
	{ AR ": (mx\\) ; spf=pass\r\n x\r\n\r\n", "\r\n", 1 },
	{ AR ": \"mx.example.org; spf=pass\r\n" S, S, 1 },
	{ AR ": (", "", 1 },
	{ AR ": mx", NULL, 0 },
	{ AR ": " HOST, "", 1 },
	{ "Authent", NULL, 0 },
	/* stuffed dots are not there */
	{ "." OURS S, S, 1 },
	{ ".." OURS S, NULL, 0 },
	{ AR ":\r\n. " HOST ";\r\n.\tspf=pass\r\n" S, S, 1 },
	{ AR ":\r\n. mx.example.org;\r\n. " HOST "\r\n" S, NULL, 0 },
	{ OURS ".Subject: x\r\n", ".Subject: x\r\n", 1 },
	{ AR ": (\r\n." OURS S, S, 2 },
	{ S ". " OURS, NULL, 0 },
	{ S "." OURS ". x\r\n..\r\n", S "..\r\n", 1 },
	{ S ".\r\n" OURS, S ".\r\n", 1 },
	/* lines that are none */
	{ "garbage\r\n" OURS S, "garbage\r\n" S, 1 },
	{ ":\r\n" OURS S, ":\r\n" S, 1 },
	{ " \r\n" OURS S, " \r\n" S, 1 },
};

struct made {
	char text[2 * AUTHRES_HELD_MAX + 1000];
	size_t len;
};

static void
put(void *arg, const char *p, size_t len)
{
	struct made *m = arg;

	assert_true(len > 0 && m->len + len < sizeof(m->text));
	memcpy(m->text + m->len, p, len);
	m->len += len;
}

/* Feed it in pieces of step octets, the first one of cut octets. */
static void
feed(struct authres *a, struct made *m, const char *host, const char *in,
    size_t cut, size_t step)
{
	size_t piece, at = 0, len = strlen(in);
	char *copy;

	m->len = 0;
	authres_start(a, host, put, m);
	while (at < len) {
		piece = at == 0 && cut > 0 ? cut : step;
		if (piece > len - at)
			piece = len - at;
		copy = malloc(piece); /* a read behind it would be seen */
		assert_non_null(copy);
		memcpy(copy, in + at, piece);
		authres_take(a, copy, piece);
		free(copy);
		at += piece;
	}
	authres_end(a);
	m->text[m->len] = '\0';
	assert_int_equal(m->len + (size_t)a->removed_octets, len);
}

static void
check_row(size_t i, size_t cut, size_t step)
{
	const char *out = rows[i].out != NULL ? rows[i].out : rows[i].in;
	struct authres a;
	struct made m;

	feed(&a, &m, HOST, rows[i].in, cut, step);
	if (strcmp(m.text, out) != 0 || a.removed != rows[i].removed)
		fail_msg("row %zu, cut %zu, step %zu: removed %u, left:\n%s", i,
		    cut, step, a.removed, m.text);
}

static void
test_rows_in_any_split(void **state)
{
	size_t i, cut;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		check_row(i, 0, strlen(rows[i].in) + 1);
		check_row(i, 0, 1);
		check_row(i, 0, 2);
		check_row(i, 0, 3);
		for (cut = 1; cut < strlen(rows[i].in); cut++)
			check_row(i, cut, 10000);
	}
}

/* Of one that needs too long to name its host nobody asks whose it is. */
static void
test_long_beginning(void **state)
{
	static const char tail[] = "mx.example.org; spf=pass\r\n" S "\r\n";
	char in[AUTHRES_HELD_MAX + 200];
	size_t len = sizeof(AR ":") - 1, at, step;
	struct authres a;
	struct made m;

	(void)state;
	for (at = AUTHRES_HELD_MAX - 30; at < AUTHRES_HELD_MAX + 5; at++) {
		memset(in, ' ', at);
		memcpy(in, AR ":", len);
		memcpy(in + 600, "\r\n \r\n. ", 7);
		memcpy(in + at, tail, sizeof(tail));
		for (step = 1; step < 1500; step += 1 + step / 2) {
			feed(&a, &m, HOST, in, 0, step);
			if (at + 14 < AUTHRES_HELD_MAX) {
				assert_int_equal(a.removed, 0);
				assert_string_equal(m.text, in);
			} else {
				assert_int_equal(a.removed, 1);
				assert_string_equal(m.text, S "\r\n");
			}
		}
	}
}

/* Octets that would come after the bound come at a stuffed dot. */
static void
test_dot_at_the_bound(void **state)
{
	char in[AUTHRES_HELD_MAX + 200];
	struct authres a;
	struct made m;
	size_t at, step;

	(void)state;
	for (at = AUTHRES_HELD_MAX - 5; at < AUTHRES_HELD_MAX + 5; at++) {
		memset(in, ' ', at);
		memcpy(in, AR ":", sizeof(AR ":") - 1);
		strcpy(in + at, "\r\n.. x\r\n" S);
		for (step = 1; step < 1500; step += 1 + step / 2) {
			feed(&a, &m, HOST, in, 0, step);
			assert_int_equal(a.removed, at + 2 >= AUTHRES_HELD_MAX);
			assert_string_equal(m.text,
			    a.removed > 0 ? ".. x\r\n" S : in);
		}
		strcpy(in + at, "\r\n. " HOST "\r\n" S);
		feed(&a, &m, HOST, in, 0, 1);
		assert_string_equal(m.text, S);
	}
}

/* U-labels and A-labels are the same name (RFC 8601, section 5). */
static void
test_names_in_utf8(void **state)
{
	static const char *const ids[] = { "mx.xn--bcher-kva.example",
		"mx.b\xc3\xbc"
		"cher.example",
		"MX.XN--BCHER-KVA.Example",
		"\"mx.B\xc3\x9c"
		"CHER.example\"" };
	struct authres a;
	struct made m;
	char in[200];
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(ids); i++) {
		snprintf(in, sizeof(in), AR ": %s; spf=pass\r\n", ids[i]);
		feed(&a, &m, "mx.xn--bcher-kva.example", in, 0, 1);
		assert_int_equal(a.removed, 1);
		feed(&a, &m, HOST, in, 0, 1);
		assert_int_equal(a.removed, 0);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_in_any_split),
		cmocka_unit_test(test_long_beginning),
		cmocka_unit_test(test_dot_at_the_bound),
		cmocka_unit_test(test_names_in_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
