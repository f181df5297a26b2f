/*
 * The arguments of MAIL and RCPT. A row that fails is a sender turned away for
 * a good address, or an address that means something else to the next hop.
 */
#include "tests/unit/fixture.h"
#include "worker/path.h"

static const struct {
	enum path_kind kind;
	const char *in;	  /* what stands behind the colon */
	const char *text; /* the address as it goes on; NULL: refused */
	const char *rest; /* what is left behind the path */
} paths[] = {
	{ PATH_SENDER, "<a@b.example>", "a@b.example", "" },
	{ PATH_SENDER, " <a@b.example>", "a@b.example", "" },
	{ PATH_SENDER, "   <a@b.example>", "a@b.example", "" },
	{ PATH_SENDER, "<>", "", "" },
	{ PATH_SENDER, "<> SIZE=1", "", " SIZE=1" },
	{ PATH_SENDER, "<a@b.example> SIZE=1", "a@b.example", " SIZE=1" },
	{ PATH_SENDER, "<a@b.example>x", "a@b.example", "x" },
	{ PATH_SENDER, "<A.b+C@B.Example>", "A.b+C@b.example", "" },
	{ PATH_SENDER, "<postmaster>", NULL, NULL },
	{ PATH_RECIPIENT, "<>", NULL, NULL },
	{ PATH_RECIPIENT, "<postmaster>", "", "" },
	{ PATH_RECIPIENT, "<PostMaster> X", "", " X" },
	{ PATH_RECIPIENT, "<postmaster@b.example>", "postmaster@b.example",
	    "" },
	{ PATH_RECIPIENT, "<postmasters>", NULL, NULL },
	/* source routes are dropped, RFC 5321, appendix C */
	{ PATH_RECIPIENT, "<@r.example:a@b.example>", "a@b.example", "" },
	{ PATH_RECIPIENT, "<@r.example,@s.example:a@b.example>", "a@b.example",
	    "" },
	{ PATH_RECIPIENT, "<@[192.0.2.1]:a@b.example>", "a@b.example", "" },
	{ PATH_RECIPIENT, "<@r.example,s.example:a@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<@r.example,:a@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<@r.example a@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<@r.example:>", NULL, NULL },
	{ PATH_RECIPIENT, "<@:a@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<@r.example", NULL, NULL },
	{ PATH_RECIPIENT, "<@r.example:@s.example:a@b.example>", NULL, NULL },
	/* brackets */
	{ PATH_RECIPIENT, "", NULL, NULL },
	{ PATH_RECIPIENT, "   ", NULL, NULL },
	{ PATH_RECIPIENT, "<", NULL, NULL },
	{ PATH_RECIPIENT, "a@b.example", NULL, NULL },
	{ PATH_RECIPIENT, "<a@b.example", NULL, NULL },
	{ PATH_RECIPIENT, "<<a@b.example>>", NULL, NULL },
	{ PATH_RECIPIENT, "< a@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@b.example >", NULL, NULL },
	{ PATH_RECIPIENT, "Joe <a@b.example>", NULL, NULL },
	/* Dot-string */
	{ PATH_RECIPIENT, "<!#$%&'*+-/=?^_`{|}~@b.example>",
	    "!#$%&'*+-/=?^_`{|}~@b.example", "" },
	{ PATH_RECIPIENT, "<.a@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a.@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a..b@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a b@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a(c)@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<@b.example>", NULL, NULL },
	/* UTF-8 goes on as it came */
	{ PATH_RECIPIENT, "<a\xc3\xbc@b.example>", "a\xc3\xbc@b.example", "" },
	{ PATH_RECIPIENT, "<a@B\xc3\x9c.Example> x", "a@B\xc3\x9c.Example",
	    " x" },
	{ PATH_RECIPIENT, "<\"a \xc3\xbc\"@b.example>",
	    "\"a \xc3\xbc\"@b.example", "" },
	{ PATH_SENDER, "<@\xc3\xbc.example:\xe4\xbe\x8b@\xe4\xbe\x8b>",
	    "\xe4\xbe\x8b@\xe4\xbe\x8b", "" },
	{ PATH_RECIPIENT, "<a\xc3@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a\xc2\x85@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@b\xc3.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@\xff>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@b\xef\xbc\xa0x.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a>", NULL, NULL },
	/* Quoted-string: quotes stay only where they are needed */
	{ PATH_RECIPIENT, "<\"joe\"@b.example>", "joe@b.example", "" },
	{ PATH_RECIPIENT, "<\"j\\oe\"@b.example>", "joe@b.example", "" },
	{ PATH_RECIPIENT, "<\"joe smith\"@b.example>",
	    "\"joe smith\"@b.example", "" },
	{ PATH_RECIPIENT, "<\"a>b\"@b.example>", "\"a>b\"@b.example", "" },
	{ PATH_RECIPIENT, "<\"a@b\"@b.example>", "\"a@b\"@b.example", "" },
	{ PATH_RECIPIENT, "<\"a\\\"b\"@b.example>", "\"a\\\"b\"@b.example",
	    "" },
	{ PATH_RECIPIENT, "<\"a\\\\\"@b.example>", "\"a\\\\\"@b.example", "" },
	{ PATH_RECIPIENT, "<\"a..b\"@b.example>", "\"a..b\"@b.example", "" },
	{ PATH_RECIPIENT, "<\"\"@b.example>", "\"\"@b.example", "" },
	{ PATH_RECIPIENT, "<\"a@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<\"a\\\"@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<\"a\"b@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<\"a\tb\"@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<\"a\xff\"@b.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<\"a\"@b.example", NULL, NULL },
	/* domains and literals */
	{ PATH_RECIPIENT, "<a@B.EXAMPLE>", "a@b.example", "" },
	{ PATH_RECIPIENT, "<a@localhost>", "a@localhost", "" },
	{ PATH_RECIPIENT, "<a@under_score.example>", "a@under_score.example",
	    "" },
	{ PATH_RECIPIENT, "<a@b.example.>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@.example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@b..example>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@[192.0.2.1]>", "a@[192.0.2.1]", "" },
	{ PATH_RECIPIENT, "<a@[IPv6:2001:DB8::1]>", "a@[ipv6:2001:db8::1]",
	    "" },
	{ PATH_RECIPIENT, "<a@[2001:db8::1]>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@[192.0.2]>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@[192.0.2.1>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@[]>", NULL, NULL },
	{ PATH_RECIPIENT, "<a@[192.0.2.1]x>", NULL, NULL },
};

/* A copy that ends where the text does, so that a step too far is seen. */
static char *
exact_copy(const char *text, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return copy;
}

/* What was printed, parsed again, must be the same mailbox. */
static void
comes_back(const struct mailbox *m)
{
	struct mailbox again;

	if (m->text[0] == '\0')
		return;
	if (mailbox_from_text(m->text, &again) == -1)
		fail_msg("%s does not come back", m->text);
	assert_string_equal(again.local, m->local);
	assert_string_equal(again.domain, m->domain);
	assert_string_equal(again.text, m->text);
}

static void
test_paths(void **state)
{
	const char *p, *end, *wrong, *status;
	struct mailbox m;
	size_t i, len;
	char *copy;

	(void)state;
	for (i = 0; i < NITEMS(paths); i++) {
		len = strlen(paths[i].in);
		p = copy = exact_copy(paths[i].in, len);
		end = p + len;
		wrong = path_parse(&p, end, paths[i].kind, &m, &status);
		if ((wrong == NULL) != (paths[i].text != NULL))
			fail_msg("%s: %s", paths[i].in,
			    wrong != NULL ? wrong : "was taken");
		if (wrong == NULL) {
			assert_string_equal(m.text, paths[i].text);
			assert_int_equal(end - p, strlen(paths[i].rest));
			assert_memory_equal(p, paths[i].rest, end - p);
			comes_back(&m);
		} else {
			assert_string_equal(status,
			    paths[i].kind == PATH_SENDER ? "5.1.7" : "5.1.3");
		}
		free(copy);
	}
}

static const struct {
	const char *text, *local, *domain;
} mailboxes[] = {
	{ "a@b.example", "a", "b.example" },
	{ "\"a\"@b.example", "a", "b.example" },
	{ "\"a\\ b\"@b.example", "a b", "b.example" },
	{ "\"@\"@b.example", "@", "b.example" },
	{ "", NULL, NULL },
	{ "a", NULL, NULL },
	{ "a@b.example ", NULL, NULL },
	{ "a@b.example>", NULL, NULL },
	{ "<a@b.example>", NULL, NULL },
};

static void
test_mailboxes(void **state)
{
	struct mailbox m;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(mailboxes); i++) {
		if (mailbox_from_text(mailboxes[i].text, &m) == -1) {
			assert_null(mailboxes[i].local);
			continue;
		}
		assert_non_null(mailboxes[i].local);
		assert_string_equal(m.local, mailboxes[i].local);
		assert_string_equal(m.domain, mailboxes[i].domain);
		assert_false(m.postmaster);
	}
}

/* RFC 5321 wants 64 octets before the @; more never leaves the buffers. */
static void
test_long_local_parts(void **state)
{
	char text[2000];
	struct mailbox m;
	bool quoted, taken;
	size_t n, at;

	(void)state;
	for (quoted = false;; quoted = true) {
		for (n = 1; n < 700; n++) {
			at = 0;
			if (quoted)
				text[at++] = '"';
			for (size_t i = 0; i < n; i++) {
				if (quoted)
					text[at++] = '\\';
				text[at++] = quoted ? '"' : 'a';
			}
			if (quoted)
				text[at++] = '"';
			strlcpy(text + at, "@b.example", 20);
			taken = mailbox_from_text(text, &m) == 0;
			if (n <= 64)
				assert_true(taken);
			if (taken) {
				assert_true(
				    strlen(m.text) < MAILBOX_TEXT_MAX - 1);
				comes_back(&m);
			}
		}
		assert_false(taken);
		if (quoted)
			break;
	}
}

/* Any soup of the octets that mean something: what is taken comes back. */
static void
test_soup(void **state)
{
	static const char octets[] = "aB1.\"\\@<>:, []+%-_\t\x7f\x80";
	const char *p, *status;
	char text[24], *copy;
	unsigned taken = 0;
	struct mailbox m;
	size_t i, n;
	int round;

	(void)state;
	srandom(1);
	for (round = 0; round < 300000; round++) {
		n = 3 + (size_t)random() % (sizeof(text) - 3);
		for (i = 0; i < n; i++)
			text[i] =
			    octets[(size_t)random() % (sizeof(octets) - 1)];
		text[0] = '<';
		text[n / 2] = '@';
		text[n - 1] = '>';
		p = copy = exact_copy(text, n);
		if (path_parse(&p, p + n, PATH_RECIPIENT, &m, &status) ==
		    NULL) {
			taken++;
			comes_back(&m);
		}
		free(copy);
	}
	assert_true(taken > 100);
}

static const struct {
	const char *in, *out; /* each parameter in brackets; "!": an error */
} params[] = {
	{ "", "" },
	{ " ", "" },
	{ " SIZE=100", "[SIZE=100]" },
	{ "  SIZE=100  BODY=7BIT ", "[SIZE=100][BODY=7BIT]" },
	{ " smtputf8", "[smtputf8]" },
	{ " X-a=b", "[X-a=b]" },
	{ " A=!\"#<>;~", "[A=!\"#<>;~]" },
	{ "SIZE=100", "!" },
	{ " =1", "!" },
	{ " -A=1", "!" },
	{ " A=", "!" },
	{ " A=1 B=", "[A=1]!" },
	{ " A==1", "!" },
	{ " A=1=2", "[A=1]!" },
	{ " A_B=1", "[A]!" },
	{ " A\t", "[A]!" },
	{ " A=\x80", "[A=\x80]" },
	{ " A=1\x7f", "[A=1]!" },
};

static void
test_params(void **state)
{
	const char *p, *end;
	struct param par;
	char out[128], *copy;
	size_t i, n;
	int r;

	(void)state;
	for (i = 0; i < NITEMS(params); i++) {
		n = strlen(params[i].in);
		p = copy = exact_copy(params[i].in, n);
		end = p + n;
		out[0] = '\0';
		n = 0;
		while ((r = param_next(&p, end, &par)) == 1) {
			n += (size_t)snprintf(out + n, sizeof(out) - n,
			    "[%.*s%s%.*s]", (int)par.key_len, par.key,
			    par.value != NULL ? "=" : "", (int)par.value_len,
			    par.value != NULL ? par.value : "");
		}
		if (r == -1)
			strlcat(out, "!", sizeof(out));
		assert_string_equal(out, params[i].out);
		free(copy);
	}
}

static void
test_param_names(void **state)
{
	struct param par = { .key = "SizE1", .key_len = 4 };

	(void)state;
	assert_true(param_is(&par, "SIZE"));
	assert_false(param_is(&par, "SIZE1"));
	assert_false(param_is(&par, "SIZ"));
}

static void
test_params_are_kept_as_they_are(void **state)
{
	static const char text[] = " RET=Full x ENVID=a+20b";
	const char *p = text;
	struct param par;
	char out[24] = "", small[10] = "";

	(void)state;
	while (param_next(&p, text + strlen(text), &par) == 1)
		assert_true(param_add(out, sizeof(out), &par));
	assert_string_equal(out, text);
	assert_false(param_add(out, sizeof(out), &par));
	p = text;
	assert_int_equal(param_next(&p, text + strlen(text), &par), 1);
	assert_false(param_add(small, 9, &par));
	assert_true(param_add(small, 10, &par));
	assert_string_equal(small, " RET=Full");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_long_local_parts),
		cmocka_unit_test(test_soup),
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_params_are_kept_as_they_are),
		cmocka_unit_test(test_param_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
