/*
 * The short way through a source: whatever lists/plain.c takes, lists/parse.c
 * understands as well, as the same entry and without a word. Else the same
 * list would mean one thing in one version and another in the next.
 */
#include "lists/parse.h"
#include "lists/plain.h"
#include "tests/unit/fixture.h"

static const struct {
	enum list_id list;
	const char *line;
	const char *key; /* what parse_plain makes of it; NULL: not its own */
} rows[] = {
	{ LIST_BANNED, "192.0.2.1", "420c0000201" },
	{ LIST_BANS, "192.0.2.0/24", "418c0000200" },
	{ LIST_RELAY, "0.0.0.0/0", "40000000000" },
	{ LIST_BANNED, "255.255.255.255/32", "420ffffffff" },
	{ LIST_BANNED, "128.0.0.0/1", "40180000000" },
	{ LIST_BANNED, "10.20.30.40", "4200a141e28" },
	{ LIST_BANNED, "192.0.2.1/24", NULL },
	{ LIST_BANNED, "192.0.2.0/33", NULL },
	{ LIST_BANNED, "192.0.2.0/", NULL },
	{ LIST_BANNED, "192.0.2.0/024", NULL },
	{ LIST_BANNED, "192.0.2.0/24 ", NULL },
	{ LIST_BANNED, "192.0.2.0/24#", NULL },
	{ LIST_BANNED, "192.0.2.0/24\r", NULL },
	{ LIST_BANNED, "192.0.2.0 allow", NULL },
	{ LIST_BANNED, " 192.0.2.0", NULL },
	{ LIST_BANNED, "192.0.2.256", NULL },
	{ LIST_BANNED, "192.0.02.1", NULL },
	{ LIST_BANNED, "192.0.00.1", NULL },
	{ LIST_BANNED, "1920.0.2.1", NULL },
	{ LIST_BANNED, "192..2.1", NULL },
	{ LIST_BANNED, "192.0.2", NULL },
	{ LIST_BANNED, "192.0.2.", NULL },
	{ LIST_BANNED, "192.0.2.1.", NULL },
	{ LIST_BANNED, "192.0.2.:", NULL },
	{ LIST_BANNED, "2001:db8::1", NULL },
	{ LIST_BANNED, "", NULL },
	{ LIST_BANNED, "# 192.0.2.1", NULL },
	{ LIST_RELAY, "host.example.org", NULL },
	{ LIST_NAMES, "192.0.2.1", NULL },
	{ LIST_DOMAINS, "example.org", NULL },
	{ LIST_WORDS, "a@example.org", NULL },
	{ LIST_ROUTES, "a@example.org", NULL },
	{ LIST_RECIPIENTS, "a@example.org", "=a@example.org" },
	{ LIST_SENDERS, "A.b+C_d-9@X-Y.Example.ORG",
	    "=a.b+c_d-9@x-y.example.org" },
	{ LIST_RECIPIENTS, "1@1.2a", "=1@1.2a" },
	{ LIST_RECIPIENTS, "u@_d.-", "=u@_d.-" },
	{ LIST_RECIPIENTS, "a@example.1", NULL },
	{ LIST_RECIPIENTS, "a@1", NULL },
	{ LIST_RECIPIENTS, "a@example.org.", NULL },
	{ LIST_RECIPIENTS, "a@.example.org", NULL },
	{ LIST_RECIPIENTS, "a@", NULL },
	{ LIST_RECIPIENTS, "a", NULL },
	{ LIST_RECIPIENTS, "@example.org", NULL },
	{ LIST_RECIPIENTS, ".a@example.org", NULL },
	{ LIST_RECIPIENTS, "a.@example.org", NULL },
	{ LIST_RECIPIENTS, "a..b@example.org", NULL },
	{ LIST_RECIPIENTS, "a@b@example.org", NULL },
	{ LIST_RECIPIENTS, "\"a\"@example.org", NULL },
	{ LIST_RECIPIENTS, "#a@example.org", NULL },
	{ LIST_RECIPIENTS, "a@ex\xc3\xa4mple.org", NULL },
	{ LIST_RECIPIENTS, "a@example.org open", NULL },
};

/* The same line by the long way. */
static void
check_same(const struct source *s, const char *line, size_t len)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct report r = { .send = fixture_report, .arg = f };
	const struct entry *e = s->entries, *want;
	struct source other;

	assert_non_null(f);
	source_init(&other, s->id);
	parse_line(&other, "file", 7, line, len, &r);
	assert_string_equal(f->messages, "");
	assert_int_equal(other.n, 1);
	want = other.entries;
	assert_string_equal(e->key, want->key);
	assert_int_equal(e->key_len, want->key_len);
	assert_int_equal(e->line, want->line);
	assert_int_equal(e->rule->action, want->rule->action);
	assert_int_equal(e->rule->until, want->rule->until);
	assert_string_equal(e->rule->argument, want->rule->argument);
	assert_string_equal(e->rule->text, want->rule->text);
	assert_string_equal(e->rule->file, want->rule->file);
	assert_memory_equal(s->lens, other.lens, sizeof(s->lens));
	assert_int_equal(s->names, other.names);
	assert_string_equal(s->first, other.first);
	source_free(&other);
	free(f);
}

/* Is it taken? Then it is the same, and nothing behind it was looked at. */
static bool
take(enum list_id id, const char *line, size_t len, char key[1024])
{
	static const char behind[] = "\n192.0.2.9\n";
	char *text = malloc(len + sizeof(behind));
	struct source s;
	size_t n;

	assert_non_null(text);
	memcpy(text, line, len);
	memcpy(text + len, behind, sizeof(behind));
	source_init(&s, id);
	n = parse_plain(&s, "file", 7, text, text + len + sizeof(behind) - 1);
	assert_int_equal(s.n, n > 0);
	key[0] = '\0';
	if (n > 0) {
		assert_int_equal(n, len);
		check_same(&s, line, len);
		strlcpy(key, s.entries[0].key, 1024);
	}
	source_free(&s);
	free(text);
	return n > 0;
}

static void
test_rows(void **state)
{
	char key[1024];
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		take(rows[i].list, rows[i].line, strlen(rows[i].line), key);
		assert_string_equal(key,
		    rows[i].key == NULL ? "" : rows[i].key);
	}
}

/* The longest parts, and one octet more. */
static void
test_lengths(void **state)
{
	static const struct {
		int local, label, labels; /* labels of 49 and a dot before it */
		bool good;
	} sizes[] = { { 64, 3, 1, true }, { 65, 3, 1, false },
		{ 1, 63, 1, true }, { 1, 64, 1, false }, { 64, 55, 4, true },
		{ 1, 56, 4, false } };

	char line[512], key[1024];
	size_t i;
	int j, n;

	(void)state;
	for (i = 0; i < NITEMS(sizes); i++) {
		n = snprintf(line, sizeof(line), "%0*d@", sizes[i].local, 0);
		for (j = 0; j < sizes[i].labels; j++)
			n += snprintf(line + n, sizeof(line) - (size_t)n,
			    "%049d.", 0);
		memset(line + n, 'z', (size_t)sizes[i].label);
		n += sizes[i].label;
		assert_int_equal(take(LIST_RECIPIENTS, line, (size_t)n, key),
		    sizes[i].good);
	}
}

/* At the end of a text, with and without a newline, nothing behind is read. */
static void
test_end(void **state)
{
	struct report r = { .send = NULL };
	const char *line;
	struct source s;
	size_t i, len;
	char *text;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		line = rows[i].line;
		for (len = strlen(line); rows[i].key != NULL && len > 0;
		     len--) {
			text = malloc(len); /* a sanitizer watches its end */
			assert_non_null(text);
			memcpy(text, line, len);
			source_init(&s, rows[i].list);
			source_parse_text(&s, "file", text, len, &r);
			assert_true(len < strlen(line) || s.n == 1);
			source_free(&s);
			free(text);
		}
	}
}

/* Lines that are nearly right: some octet of a row is another one. */
static void
test_mutations(void **state)
{
	static const char octets[] = "0123456789./@-_+aZ# \t\"\r:=\x80\xff";
	char line[64], key[1024];
	size_t i, j, k, len, taken = 0;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		len = strlcpy(line, rows[i].line, sizeof(line));
		for (j = 0; j < len; j++) {
			for (k = 0; k < sizeof(octets) - 1; k++) {
				line[j] = octets[k];
				taken += take(rows[i].list, line, len, key);
			}
			line[j] = rows[i].line[j];
		}
	}
	assert_in_range(taken, 1000, 100000);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
