/*
 * Routes. A row that fails is mail that goes to another host or folder than
 * the list says, or a transaction split or joined where it must not be.
 */
#include "tests/unit/fixture.h"
#include "worker/maildir_path.h"
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
			     "h.example smtp:a.test,b.test|c.test:26\n"
			     "i.example smtp:c.test:26|b.test,a.test\n"
			     "j.example smtp:a.test,b.test\n"
			     "k.example mx:a.test\n"
			     "l.example smtp:a.test\n"
			     "m.example maildir:/m/%{domain}/x-%{local}/y\n"
			     "n.example maildir:/m/%{local}%{local}%{local}\n"
			     "q.example lmtp:/run/l\n"
			     "r.example lmtp:192.0.2.1:24,a.test:24\n"
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
	{ "x@h.example", ACT_SMTP, "smtp:a.test:25,b.test:25|c.test:26" },
	{ "x@k.example", ACT_MX, "mx:a.test:25" },
	{ "x@q.example", ACT_LMTP, "lmtp:/run/l" },
	{ "x@r.example", ACT_LMTP, "lmtp:192.0.2.1:24,a.test:24" },
	{ "Joe+x@M.example", ACT_MAILDIR, "maildir:/m/m.example/x-joe/y" },
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

/*
 * What a sender can write, and the folder it is in: each its own, and none
 * above or beside those of list routes.
 */
static const struct {
	const char *to, *path;
} folders[] = {
	{ "joe@d.test", "/m/joe" },
	{ "JOE@d.test", "/m/joe" },
	{ "joe+news@d.test", "/m/joe" },
	{ "joe+news+x@d.test", "/m/joe" },
	{ "+joe@d.test", "/m/=2Bjoe" },
	{ "\"..\"@d.test", "/m/=2E=2E" },
	{ "\"../x\"@d.test", "/m/=2E=2E=2Fx" },
	{ "\"a/b\"@d.test", "/m/a=2Fb" },
	{ "\"a/../../b\"@d.test", "/m/a=2F..=2F..=2Fb" },
	{ "\".hidden\"@d.test", "/m/=2Ehidden" },
	{ "a.b_c-d@d.test", "/m/a.b_c-d" },
	{ "a=2Fb@d.test", "/m/a=3D2fb" },
	{ "\"a b\\\"c\"@d.test", "/m/a=20b=22c" },
	{ "j\xc3\xbcrgen@d.test", "/m/j=C3=BCrgen" },
	{ "%{domain}@d.test", "/m/=25=7Bdomain=7D" },
	{ "================================================================"
	  "@d.test",
	    "/m/=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D"
	    "=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D"
	    "=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D"
	    "=3D=3D=3D=3D" },
};

static void
test_folders(void **state)
{
	char path[600];
	const char *why;
	struct mailbox m;
	size_t i, varies;
	int r;

	(void)state;
	for (i = 0; i < NITEMS(folders); i++) {
		if (mailbox_from_text(folders[i].to, &m) == -1)
			fail_msg("%s: no mailbox", folders[i].to);
		r = maildir_path(path, sizeof(path), "/m/%{local}", &m, &varies,
		    &why);
		if (folders[i].path == NULL ?
			r == 0 :
			r == -1 || strcmp(path, folders[i].path) != 0)
			fail_msg("%s: %s", folders[i].to, path);
		assert_int_equal(varies, 3);
	}
}

/* The pattern decides what else is in the path, and what may be made. */
static const struct {
	const char *pattern, *path;
	size_t varies;
} patterns[] = {
	{ "/m/x", "/m/x", 0 },
	{ "/m/%{domain}/%{local}/Maildir", "/m/d.test/joe/Maildir", 3 },
	{ "/m/a/x%{local}", "/m/a/xjoe", 5 },
	{ "/%{local}", "/joe", 1 },
	{ "/m/%{local}@%{domain}", "/m/joe@d.test", 3 },
	{ "/m/%{user}", NULL, 3 },
	{ "/m/100%", NULL, 3 },
	{ "m/%{local}", NULL, 2 },
	{ "/m/", NULL, 0 },
	{ "/m/../x", NULL, 0 },
	{ "/m/./x", NULL, 0 },
	{ "", NULL, 0 },
};

static void
test_patterns(void **state)
{
	char path[600];
	const char *why;
	struct mailbox m;
	size_t i, varies;
	int r;

	(void)state;
	assert_int_equal(mailbox_from_text("joe@d.test", &m), 0);
	for (i = 0; i < NITEMS(patterns); i++) {
		r = maildir_path(path, sizeof(path), patterns[i].pattern, &m,
		    &varies, &why);
		if (patterns[i].path == NULL ?
			r == 0 :
			r == -1 || strcmp(path, patterns[i].path) != 0)
			fail_msg("%s: %s", patterns[i].pattern, path);
		assert_int_equal(varies, patterns[i].varies);
	}
	assert_int_equal(mailbox_from_text("x@[IPv6:2001:db8::1]", &m), 0);
	assert_int_equal(maildir_path(path, sizeof(path), "/m/%{domain}", &m,
			     &varies, &why),
	    0);
	assert_string_equal(path, "/m/=5Bipv6=3A2001=3Adb8=3A=3A1=5D");
	m.local[0] = '\0'; /* no name at all, and none that means a folder */
	assert_int_equal(maildir_path(path, sizeof(path), "/m/%{local}", &m,
			     &varies, &why),
	    -1);
	assert_int_equal(maildir_path(path, sizeof(path), "/m/.%{local}", &m,
			     &varies, &why),
	    -1);
}

/* A name of 254 octets is the longest; the path has its bound. */
static void
test_long_folders(void **state)
{
	char path[64], longest[600];
	const char *why;
	struct mailbox m;
	size_t varies, n;

	(void)state;
	memset(&m, 0, sizeof(m));
	strlcpy(m.domain, "d.test", sizeof(m.domain));
	for (n = 253; n <= 255; n++) {
		memset(m.local, 'a', n);
		assert_int_equal(maildir_path(longest, sizeof(longest),
				     "/m/%{local}/y", &m, &varies, &why),
		    n < 255 ? 0 : -1);
	}
	for (n = 60; n <= 61; n++) {
		memset(m.local, 0, sizeof(m.local));
		memset(m.local, 'a', n);
		assert_int_equal(maildir_path(path, sizeof(path), "/m/%{local}",
				     &m, &varies, &why),
		    n == 60 ? 0 : -1);
	}
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
	{ "x@h.example", "x@i.example", true }, /* in another order */
	{ "x@h.example", "x@j.example", false },
	{ "x@k.example", "x@l.example", false },
	{ "x@j.example", "x@l.example", false },
	{ "x@k.example", "y@k.example", true },
	{ "x@m.example", "y@m.example", true },
	{ "x@m.example", "x@e.example", true },
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
	    "[2001:db8::1]:25 [2001:db8::1]:2525 192.0.2.7:25 "
	    "a.test:25,b.test:25|c.test:26 c.test:26|b.test:25,a.test:25 "
	    "a.test:25,b.test:25 mx:a.test:25 a.test:25 lmtp:/run/l "
	    "lmtp:192.0.2.1:24 lmtp:a.test:24 maildir");
	check_hops(f,
	    "a.example lmtp:/run/lmtp\nb.example lmtp:a.test:24|b.test:24\n"
	    "c.example lmtp:b.test:24\nd.example smtp:b.test:24\n",
	    "lmtp:/run/lmtp lmtp:a.test:24 lmtp:b.test:24 b.test:24");
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
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_long_folders),
		cmocka_unit_test_setup_teardown(test_same, fixture_setup,
		    fixture_teardown),
		cmocka_unit_test_setup_teardown(test_hops, fixture_setup,
		    fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
