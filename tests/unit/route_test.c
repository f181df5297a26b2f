/*
 * Routes. A row that fails is mail that goes to another host or folder than
 * the list says, or a transaction split or joined where it must not be.
 */
#include "tests/unit/fixture.h"
#include "worker/path.h"
#include "worker/route.h"

static const char source[] = "a.example smtp:192.0.2.1\n"
			     "b.example smtp:192.0.2.1:2525\n"
			     "c.example smtp:[2001:db8::1]\n"
			     "d.example smtp:[2001:db8::1]:2525\n"
			     "e.example maildir:/var/mail/e\n"
			     "joe@e.example maildir:/var/mail/joe\n"
			     ".f.example smtp:192.0.2.6:65535\n"
			     "g.example smtp:192.0.2.7 until=2020-01-01\n"
			     "* smtp:192.0.2.9:25\n";

static const struct {
	const char *to;
	enum list_action scheme;
	const char *text;
} rows[] = {
	{ "x@a.example", ACT_SMTP, "smtp:192.0.2.1:25" },
	{ "x@b.example", ACT_SMTP, "smtp:192.0.2.1:2525" },
	{ "x@c.example", ACT_SMTP, "smtp:[2001:db8::1]:25" },
	{ "x@d.example", ACT_SMTP, "smtp:[2001:db8::1]:2525" },
	{ "x@e.example", ACT_MAILDIR, "maildir:/var/mail/e" },
	{ "joe@e.example", ACT_MAILDIR, "maildir:/var/mail/joe" },
	{ "joe+x@e.example", ACT_MAILDIR, "maildir:/var/mail/joe" },
	{ "\"joe\"@E.example", ACT_MAILDIR, "maildir:/var/mail/joe" },
	{ "x@f.example", ACT_SMTP, "smtp:192.0.2.6:65535" },
	{ "x@a.b.f.example", ACT_SMTP, "smtp:192.0.2.6:65535" },
	{ "x@x.a.example", ACT_SMTP, "smtp:192.0.2.9:25" },
	{ "x@g.example", ACT_SMTP, "smtp:192.0.2.9:25" },
	{ "x@[192.0.2.1]", ACT_SMTP, "smtp:192.0.2.9:25" },
};

static enum list_found
find(const struct generation *g, const char *to, struct route *r)
{
	struct mailbox m;

	assert_int_equal(mailbox_from_text(to, &m), 0);
	return route_find(g, &m, 1700000000, r);
}

static void
test_rows(void **state)
{
	struct fixture *f = *state;
	struct generation *g;
	struct route r;
	size_t i;

	fixture_write(f, "routes", source);
	f->ask.force = true; /* no guard: there are no maildir_roots */
	g = fixture_open(f);
	for (i = 0; i < NITEMS(rows); i++) {
		if (find(g, rows[i].to, &r) != LIST_FOUND)
			fail_msg("%s: no route", rows[i].to);
		assert_int_equal(r.scheme, rows[i].scheme);
		assert_string_equal(r.text, rows[i].text);
		assert_string_equal(route_argument(&r),
		    strchr(rows[i].text, ':') + 1);
	}
	generation_close(g);
}

static void
test_no_route(void **state)
{
	struct fixture *f = *state;
	struct generation *g;
	struct route r;

	fixture_write(f, "routes", "a.example smtp:192.0.2.1\n");
	g = fixture_open(f);
	assert_int_equal(find(g, "x@b.example", &r), LIST_NONE);
	assert_int_equal(find(g, "x@a.example", &r), LIST_FOUND);
	generation_close(g);
}

/* 255 octets of path are taken whole. */
static void
test_longest_path(void **state)
{
	struct fixture *f = *state;
	struct generation *g;
	char line[400];
	struct route r;
	size_t n;

	f->ask.force = true;
	n = (size_t)snprintf(line, sizeof(line), "a.example maildir:/");
	memset(line + n, 'd', 254);
	strlcpy(line + n + 254, "\n", sizeof(line) - n - 254);
	fixture_write(f, "routes", line);
	g = fixture_open(f);
	assert_int_equal(find(g, "x@a.example", &r), LIST_FOUND);
	assert_int_equal(strlen(route_argument(&r)), 255);
	generation_close(g);
}

static const struct {
	const char *a, *b;
	bool same;
} pairs[] = {
	{ "x@a.example", "y@a.example", true },
	{ "x@a.example", "x@b.example", false }, /* another port */
	{ "x@a.example", "x@c.example", false },
	{ "x@c.example", "y@c.example", true },
	{ "x@c.example", "x@d.example", false },
	{ "x@a.example", "x@e.example", false },
	{ "x@e.example", "joe@e.example", true }, /* all Maildirs are one */
	{ "x@e.example", "x@e.example", true },
	{ "x@f.example", "x@x.f.example", true },
};

static void
test_same(void **state)
{
	struct fixture *f = *state;
	struct generation *g;
	struct route a, b;
	size_t i;

	fixture_write(f, "routes", source);
	f->ask.force = true;
	g = fixture_open(f);
	for (i = 0; i < NITEMS(pairs); i++) {
		assert_int_equal(find(g, pairs[i].a, &a), LIST_FOUND);
		assert_int_equal(find(g, pairs[i].b, &b), LIST_FOUND);
		if (route_same(&a, &b) != pairs[i].same ||
		    route_same(&b, &a) != pairs[i].same)
			fail_msg("%s, %s", pairs[i].a, pairs[i].b);
	}
	generation_close(g);
}

/* What is known of the next hops without walking the list. */
static void
check_hops(struct fixture *f, const char *routes, const char *hops)
{
	struct generation *g;
	struct list_info info;

	fixture_write(f, "routes", routes);
	f->ask.force = true;
	g = fixture_open(f);
	generation_info(g, LIST_ROUTES, &info);
	assert_string_equal(info.hops, hops);
	generation_info(g, LIST_DOMAINS, &info);
	assert_null(info.hops);
	generation_close(g);
}

static void
test_hops(void **state)
{
	struct fixture *f = *state;
	char many[4096], told[2048] = "";
	size_t n;
	int i;

	check_hops(f, "", "");
	check_hops(f, "* maildir:/m\n", "maildir");
	check_hops(f, "a.example smtp:192.0.2.1\nb.example smtp:192.0.2.1:25\n",
	    "192.0.2.1:25");
	check_hops(f, source,
	    "192.0.2.9:25 192.0.2.6:65535 192.0.2.1:25 192.0.2.1:2525 "
	    "[2001:db8::1]:25 [2001:db8::1]:2525 192.0.2.7:25 maildir");
	for (i = n = 0; i < 65; i++)
		n += (size_t)snprintf(many + n, sizeof(many) - n,
		    "d%02d.example smtp:192.0.2.1:%d\n", i, i + 1);
	check_hops(f, many, "many");
	many[n - strlen("d64.example smtp:192.0.2.1:65\n")] = '\0';
	for (i = n = 0; i < 64; i++)
		n += (size_t)snprintf(told + n, sizeof(told) - n,
		    "%s192.0.2.1:%d", i > 0 ? " " : "", i + 1);
	check_hops(f, many, told);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, fixture_setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_no_route, fixture_setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_longest_path,
		    fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_same, fixture_setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_hops, fixture_setup,
		    fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
