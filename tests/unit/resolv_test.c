/*
 * The name servers of resolv.conf(5). A row that fails is a gateway that asks
 * nobody, or somebody else than its host does.
 */
#include "daemon/config.h"
#include "daemon/resolv.h"
#include "tests/unit/fixture.h"
#include "worker/settings.h"

static const struct {
	const char *text;    /* of the file; NULL: there is none */
	const char *servers; /* each with a blank behind it */
	const char *message; /* within all of them; NULL: none at all */
} rows[] = {
	{ "nameserver 192.0.2.53\n", "192.0.2.53 ", NULL },
	{ NULL, "127.0.0.1 ", NULL },
	{ "", "127.0.0.1 ", NULL },
	{ "search example.org\noptions ndots:3 timeout:1\n", "127.0.0.1 ",
	    NULL },
	{ "# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n"
	  " nameserver 192.0.2.3\nnameservers 192.0.2.4\n"
	  "nameserver\t192.0.2.5 # ours\nnameserver \t 2001:db8::53\r\n",
	    "192.0.2.5 2001:db8::53 ", NULL },
	{ "nameserver 192.0.2.1", "192.0.2.1 ", NULL },
	{ "nameserver 192.0.2.1\nnameserver 192.0.2.1\n", "192.0.2.1 ", NULL },
	{ "nameserver ::ffff:192.0.2.1\n", "192.0.2.1 ", NULL },
	{ "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"
	  "nameserver 192.0.2.4\nnameserver 192.0.2.5\nnameserver 192.0.2.6\n"
	  "nameserver 192.0.2.7\n",
	    "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 ",
	    NULL },
	{ "\nnameserver fe80::1%eth0\nnameserver 192.0.2.1\n", "192.0.2.1 ",
	    ":2: warning: nameserver \"fe80::1%eth0\" is passed over: an "
	    "address with a scope" },
	{ "nameserver ns.example.org\n", "127.0.0.1 ",
	    ":1: warning: nameserver \"ns.example.org\" is passed over: it is "
	    "not an address" },
	{ "nameserver \n", "127.0.0.1 ", "\"\" is passed over" },
	{ "nameserver\n", "127.0.0.1 ", "\"\" is passed over" },
	{ "nameserver 1\x1b[2J\n", "127.0.0.1 ", "\"1?[2J\"" },
};

static struct settings *
load(const char *path, char messages[4096])
{
	struct settings *set = calloc(1, sizeof(*set));

	assert_non_null(set);
	messages[0] = '\0';
	resolv_load(set, path, fixture_collect, messages);
	return set;
}

static void
make_file(char name[64], const char *text)
{
	int fd;

	strlcpy(name, "/tmp/lictor-resolv.XXXXXX", 64);
	fd = mkstemp(name);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
check_servers(const struct settings *set, const char *wanted)
{
	char have[1024] = "", text[ADDR_TEXT_MAX];
	size_t i;

	for (i = 0; i < set->nnameservers; i++) {
		strlcat(have, addr_format(&set->nameservers[i].addr, text),
		    sizeof(have));
		strlcat(have, " ", sizeof(have));
		assert_int_equal(set->nameservers[i].port, 53);
		assert_null(set->nameservers[i].text);
	}
	assert_string_equal(have, wanted);
}

static void
test_rows(void **state)
{
	char name[64], messages[4096];
	struct settings *set;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		make_file(name, rows[i].text == NULL ? "" : rows[i].text);
		if (rows[i].text == NULL)
			unlink(name);
		set = load(name, messages);
		unlink(name);
		check_servers(set, rows[i].servers);
		if (rows[i].message == NULL)
			assert_string_equal(messages, "");
		else if (strstr(messages, rows[i].message) == NULL)
			fail_msg("%s: %s", rows[i].text, messages);
		settings_free(set);
	}
}

/* What follows too long a line counts; what is in it does not. */
static void
test_long_line(void **state)
{
	static char text[4096];
	char name[64], messages[4096];
	struct settings *set;

	(void)state;
	memset(text, ' ', 2000);
	memcpy(text, "search", 6);
	memcpy(text + 1001, "nameserver 192.0.2.1", 20);
	strlcat(text, "\nnameserver 192.0.2.2\n", sizeof(text));
	make_file(name, text);
	set = load(name, messages);
	unlink(name);
	check_servers(set, "192.0.2.2 ");
	assert_string_equal(messages, "");
	settings_free(set);
}

/* A folder in its place is said, and no reason not to serve. */
static void
test_no_file(void **state)
{
	struct settings *set;
	char messages[4096];

	(void)state;
	set = load("/etc", messages);
	check_servers(set, "127.0.0.1 ");
	assert_string_equal(messages, "/etc: warning: Invalid argument\n");
	settings_free(set);
}

/* Settings that name servers are not touched, and print them alone. */
static void
test_settings_first(void **state)
{
	char name[64], messages[4096], printed[8192];
	struct settings *set;
	FILE *f;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		make_file(name,
		    i == 0 ? "hostname = a.example\n" :
			     "hostname = a.example\n"
			     "nameservers = {\"192.0.2.9:5353\", \"::1\"}\n");
		messages[0] = '\0';
		set = config_load(name, fixture_collect, messages);
		unlink(name);
		assert_non_null(set);
		make_file(name, "nameserver 192.0.2.1\n");
		resolv_load(set, name, fixture_collect, messages);
		unlink(name);
		assert_string_equal(messages, "");
		assert_int_equal(set->nnameservers, i == 0 ? 1 : 2);
		assert_int_equal(set->nameservers[0].port, i == 0 ? 53 : 5353);
		f = fmemopen(printed, sizeof(printed), "w");
		assert_non_null(f);
		assert_int_equal(config_print(set, f), 0);
		fclose(f);
		if (i == 0)
			assert_null(strstr(printed, "nameservers"));
		else
			assert_non_null(strstr(printed,
			    "\nnameservers = {\"192.0.2.9:5353\", \"::1\"}\n"));
		settings_free(set);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_settings_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
