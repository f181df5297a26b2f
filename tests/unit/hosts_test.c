/*
 * The hosts file. A row that fails is mail that goes to another host than this
 * host's own programs would connect to.
 */
#include "daemon/config.h"
#include "daemon/hosts.h"
#include "tests/unit/fixture.h"
#include "worker/settings.h"

static const struct {
	const char *text;    /* of the file; NULL: there is none */
	const char *hosts;   /* "name=address " each, in order */
	const char *message; /* within all of them; NULL: none at all */
} rows[] = {
	{ NULL, "", NULL },
	{ "", "", NULL },
	{ "127.0.0.1 localhost\n", "localhost=127.0.0.1 ", NULL },
	{ "127.0.0.1 localhost", "localhost=127.0.0.1 ", NULL },
	{ "\n# 192.0.2.1 a\n  \t\n192.0.2.2\tb.example  B # c\n",
	    "b=192.0.2.2 b.example=192.0.2.2 ", NULL },
	{ " 192.0.2.1 a#b\r\n", "a=192.0.2.1 ", NULL },
	{ "192.0.2.1 mail.EXAMPLE.org\n", "mail.example.org=192.0.2.1 ", NULL },
	/* the addresses of one name, in the order of the file */
	{ "192.0.2.9 a\n192.0.2.5 b a\n::1 a\n192.0.2.1 a\n",
	    "a=192.0.2.9 a=192.0.2.5 a=::1 a=192.0.2.1 b=192.0.2.5 ", NULL },
	{ "::ffff:192.0.2.1 a\n", "a=192.0.2.1 ", NULL },
	/* no names of hosts, and an address of one link */
	{ "192.0.2.1 a..b x.example. <x> a/b c\n", "c=192.0.2.1 ", NULL },
	{ "192.0.2.1\n192.0.2.2 \n", "", NULL },
	{ "fe80::1%lo0 a\n192.0.2.1 a\n", "a=192.0.2.1 ", NULL },
	{ "\nlocalhost 127.0.0.1\n192.0.2.1 a\n", "a=192.0.2.1 ",
	    ":2: warning: \"localhost\" is passed over: it is not an address" },
	{ "1\x1b[2J a\n", "", ":1: warning: \"1?[2J\" is passed over" },
	{ "192.0.2.01 a\n", "", "\"192.0.2.01\" is passed over" },
};

static struct settings *
load(const char *text, char messages[4096])
{
	struct settings *set = calloc(1, sizeof(*set));
	char name[] = "/tmp/lictor-hosts.XXXXXX";
	int fd = mkstemp(name);

	assert_non_null(set);
	assert_int_not_equal(fd, -1);
	if (text == NULL)
		unlink(name);
	else
		assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	messages[0] = '\0';
	hosts_load(set, name, fixture_collect, messages);
	unlink(name);
	return set;
}

static void
test_rows(void **state)
{
	char messages[4096], have[4096], text[ADDR_TEXT_MAX];
	struct settings *set;
	size_t i, k;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		set = load(rows[i].text, messages);
		have[0] = '\0';
		for (k = 0; k < set->nhosts; k++) {
			strlcat(have, set->hosts[k].name, sizeof(have));
			strlcat(have, "=", sizeof(have));
			strlcat(have, addr_format(&set->hosts[k].addr, text),
			    sizeof(have));
			strlcat(have, " ", sizeof(have));
		}
		assert_string_equal(have, rows[i].hosts);
		if (rows[i].message == NULL)
			assert_string_equal(messages, "");
		else if (strstr(messages, rows[i].message) == NULL)
			fail_msg("%s: %s", rows[i].text, messages);
		settings_free(set);
	}
}

/* However long the file is, what is read of it is bounded, and said to be. */
static void
test_bounds(void **state)
{
	static const char line[] = "192.0.2.1 a b c d e f g h\n";
	static char text[12000 * sizeof(line)];
	char messages[4096];
	struct settings *set;
	size_t i, n;

	(void)state;
	for (i = n = 0; i < 12000; i++)
		n += strlcpy(text + n, line, sizeof(text) - n);
	set = load(text, messages);
	assert_in_range(set->nhosts, 50000, 50008);
	assert_non_null(
	    strstr(messages, "warning: what is behind is not read"));
	assert_ptr_equal(strchr(messages, '\n') + 1,
	    messages + strlen(messages));
	settings_free(set);
	for (i = n = 0; i < 12000; i++)
		n += strlcpy(text + n, "192.0.2.1 a\n", sizeof(text) - n);
	set = load(text, messages);
	assert_int_equal(set->nhosts, 10000);
	assert_non_null(strstr(messages, ":10000: warning: what is behind"));
	settings_free(set);
}

/* Where a line that is too long is cut, half a name is none. */
static void
test_long_line(void **state)
{
	char text[1100], messages[4096];
	struct settings *set;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "192.0.2.1 a", 11);
	strlcpy(text + 994, "mail.example.org\n", sizeof(text) - 994);
	set = load(text, messages);
	assert_int_equal(set->nhosts, 1);
	assert_string_equal(set->hosts[0].name, "a");
	settings_free(set);
}

/* A folder in its place is said, and no reason not to serve. */
static void
test_no_file(void **state)
{
	struct settings *set = calloc(1, sizeof(*set));
	char messages[4096] = "";

	(void)state;
	assert_non_null(set);
	hosts_load(set, "/tmp", fixture_collect, messages);
	assert_int_equal(set->nhosts, 0);
	assert_string_equal(messages, "/tmp: warning: Invalid argument\n");
	settings_free(set);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
