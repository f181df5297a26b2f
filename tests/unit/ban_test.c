/*
 * Bans that a program adds and takes out: the file it keeps, the guards, and
 * that a step back goes by them.
 */
#include <errno.h>
#include <time.h>

#include "tests/unit/fixture.h"

#define HEAD                                                                   \
	"# Kept by lictor-ban(8), which leaves out comments when it writes.\n"

static int
setup(void **state)
{
	static struct prefix protect;
	struct fixture *f;
	bool hostbits;

	fixture_setup(state);
	f = *state;
	prefix_parse(&protect, "127.0.0.0/8", &hostbits);
	f->ask.protect = &protect;
	f->ask.nprotect = 1;
	fixture_write(f, "banned", "192.0.2.1\n");
	fixture_write(f, "routes", "* smtp:10.9.9.9\n");
	fixture_write(f, "relay", "172.16.0.0/24\n");
	generation_close(fixture_open(f));
	return 0;
}

static enum compile_outcome
change(struct fixture *f, struct list_ban *ban, const char *net)
{
	bool hostbits;

	f->messages[0] = '\0';
	assert_int_equal(prefix_parse(&ban->net, net, &hostbits), 0);
	return list_ban(&f->ask, ban, f->name, sizeof(f->name));
}

static enum compile_outcome
add(struct fixture *f, const char *net, int64_t until, const char *text)
{
	struct list_ban ban = { .add = true, .until = until, .text = text };

	return change(f, &ban, net);
}

static enum compile_outcome
del(struct fixture *f, const char *net, bool *absent)
{
	struct list_ban ban = { .text = "" };
	enum compile_outcome outcome = change(f, &ban, net);

	*absent = ban.absent;
	return outcome;
}

static void
assert_source(const struct fixture *f, const char *name, const char *want)
{
	char path[160], text[4096] = "";
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", f->source, name);
	in = fopen(path, "r");
	if (want == NULL) {
		assert_null(in);
		return;
	}
	assert_non_null(in);
	text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
	fclose(in);
	assert_string_equal(text, want);
}

/* What bans says of an address in the generation in force. */
static enum list_found
look(const struct fixture *f, enum list_id id, const char *text)
{
	struct generation *g = NULL;
	struct list_error e;
	struct list_entry entry;
	enum list_found r;
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_NEW);
	r = list_find_addr(g, id, &a, (int64_t)time(NULL), &entry);
	generation_close(g);
	return r;
}

static void
test_add_and_del(void **state)
{
	struct fixture *f = *state;
	bool absent;

	assert_int_equal(add(f, "192.0.2.0/24", 0, "a \"b\" \\"), COMPILE_DONE);
	assert_string_equal(f->name, "generations/2");
	assert_int_equal(add(f, "2001:db8::/32", 4102444800, ""), COMPILE_DONE);
	assert_source(f, BAN_FILE,
	    HEAD "192.0.2.0/24 reject \"a \\\"b\\\" \\\\\"\n"
		 "2001:db8::/32 reject until=2100-01-01T00:00:00Z\n");
	assert_int_equal(look(f, LIST_BANS, "192.0.2.9"), LIST_FOUND);
	assert_int_equal(look(f, LIST_BANS, "2001:db8::9"), LIST_FOUND);
	assert_int_equal(look(f, LIST_BANNED, "192.0.2.1"), LIST_FOUND);

	assert_int_equal(del(f, "192.0.2.0/24", &absent), COMPILE_DONE);
	assert_false(absent);
	assert_int_equal(look(f, LIST_BANS, "192.0.2.9"), LIST_NONE);
	assert_int_equal(del(f, "192.0.2.0/24", &absent), COMPILE_UNCHANGED);
	assert_true(absent);
	assert_int_equal(del(f, "2001:db8::/32", &absent), COMPILE_DONE);
	assert_source(f, BAN_FILE, HEAD);
	assert_string_equal(f->messages, "");
}

/* Taking out what never was does not even make the file. */
static void
test_del_nothing(void **state)
{
	struct fixture *f = *state;
	bool absent;

	assert_int_equal(del(f, "192.0.2.0/24", &absent), COMPILE_UNCHANGED);
	assert_true(absent);
	assert_source(f, BAN_FILE, NULL);
	assert_string_equal(f->name, "generations/1");
}

/* The later end stays, and the newer text. */
static void
test_again(void **state)
{
	static const struct {
		int64_t until;
		const char *text, *line;
		enum compile_outcome outcome;
	} rows[] = {
		{ 4102444800, "x", "until=2100-01-01T00:00:00Z \"x\"",
		    COMPILE_DONE },
		{ 4070908800, "", "until=2100-01-01T00:00:00Z \"x\"",
		    COMPILE_UNCHANGED },
		{ 4133980800, "", "until=2101-01-01T00:00:00Z \"x\"",
		    COMPILE_DONE },
		{ 4070908800, "y", "until=2101-01-01T00:00:00Z \"y\"",
		    COMPILE_DONE },
		{ 0, "", "\"y\"", COMPILE_DONE },
		{ 4133980800, "", "\"y\"", COMPILE_UNCHANGED },
		{ 0, "", "\"y\"", COMPILE_UNCHANGED },
	};
	struct fixture *f = *state;
	char want[256];
	size_t i;

	assert_int_equal(add(f, "192.0.2.9", 0, ""), COMPILE_DONE);
	for (i = 0; i < NITEMS(rows); i++) {
		assert_int_equal(add(f, "198.51.100.1", rows[i].until,
				     rows[i].text),
		    rows[i].outcome);
		snprintf(want, sizeof(want),
		    HEAD "192.0.2.9 reject\n198.51.100.1 reject %s\n",
		    rows[i].line);
		assert_source(f, BAN_FILE, want);
	}
}

/* What is over goes when the file is written, whoever wrote it. */
static void
test_expired(void **state)
{
	struct fixture *f = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/bans.d", f->source);
	assert_int_equal(mkdir(path, 0755), 0);
	fixture_write(f, BAN_FILE,
	    "# by hand\n192.0.2.1 until=2020-01-01\n192.0.2.2 defer\n"
	    "192.0.2.3 until=2020-01-01 \"gone\"\n");
	fixture_write(f, "bans.d/other",
	    "# kept\n192.0.2.4 until=2020-01-01\n");
	fixture_write(f, "bans", "192.0.2.5 # kept too\n");
	assert_int_equal(add(f, "192.0.2.1", 0, ""), COMPILE_DONE);
	assert_source(f, BAN_FILE, HEAD "192.0.2.2 defer\n192.0.2.1 reject\n");
	assert_source(f, "bans.d/other",
	    "# kept\n192.0.2.4 until=2020-01-01\n");
	assert_source(f, "bans", "192.0.2.5 # kept too\n");
	assert_int_equal(look(f, LIST_BANS, "192.0.2.5"), LIST_FOUND);
}

/* Only list bans is looked at: others may be half edited, or broken. */
static void
test_alone(void **state)
{
	struct fixture *f = *state;

	fixture_write(f, "banned", "half an edit\n");
	fixture_write(f, "domains", "example.org\n");
	assert_int_equal(add(f, "198.51.100.1", 0, ""), COMPILE_DONE);
	assert_int_equal(look(f, LIST_BANNED, "192.0.2.1"), LIST_FOUND);
	assert_string_equal(f->messages, "");
}

static const struct {
	const char *net, *text, *message;
} refusals[] = {
	{ "127.0.0.1", "", "bans.d/lictor-ban:3: the ban 127.0.0.1 meets" },
	{ "0.0.0.0/0", "", "bans.d/lictor-ban:3: 0.0.0.0/0 is wider than /8" },
	{ "10.9.9.9", "", "meets next hop 10.9.9.9 (routes:1)" },
	{ "172.16.0.0/16", "", "meets relay 172.16.0.0/24 (relay:1)" },
	{ "203.0.113.1", "",
	    "bans.d/lictor-ban:3: 203.0.113.1: another action here" },
	{ "192.0.2.7", "a\nb",
	    "bans.d/lictor-ban:0: a text goes into a reply" },
	{ "192.0.2.7", "\xc3\xa4",
	    "bans.d/lictor-ban:0: a text goes into a reply" },
};

/* A refusal leaves source and generation as they were; -f overrides guards. */
static void
test_refused(void **state)
{
	struct fixture *f = *state;
	size_t i;

	fixture_write(f, "bans", "203.0.113.1 allow\n");
	assert_int_equal(add(f, "192.0.2.77", 0, ""), COMPILE_DONE);
	for (i = 0; i < NITEMS(refusals); i++) {
		assert_int_equal(add(f, refusals[i].net, 0, refusals[i].text),
		    COMPILE_ERRORS);
		if (strstr(f->messages, refusals[i].message) == NULL)
			fail_msg("%s: %s", refusals[i].net, f->messages);
		assert_source(f, BAN_FILE, HEAD "192.0.2.77 reject\n");
		assert_source(f, "bans.d/.lictor-ban.new", NULL);
		assert_string_equal(f->name, "generations/2");
	}
	f->ask.force = true;
	assert_int_equal(add(f, "127.0.0.1", 0, ""), COMPILE_DONE);
}

/* A guard that an allow of list banned answers, though banned is not read. */
static void
test_allowed_elsewhere(void **state)
{
	struct fixture *f = *state;

	fixture_write(f, "banned", "172.16.0.0/24 allow\n10.9.9.9 allow\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_int_equal(add(f, "172.16.0.0/16", 0, ""), COMPILE_DONE);
	assert_int_equal(add(f, "10.9.0.0/16", 0, ""), COMPILE_DONE);
	assert_string_equal(f->messages, "");
}

/* What list banned allows cannot be told: no guess, and nothing changes. */
static void
test_damaged_elsewhere(void **state)
{
	struct fixture *f = *state;
	char path[160], octets[8192], *key;
	size_t n;
	FILE *file;

	fixture_write(f, "banned", "172.16.0.0/24 allow\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	snprintf(path, sizeof(path), "%s/%s/banned.cdb", f->state, f->name);
	file = fopen(path, "r+");
	assert_non_null(file);
	n = fread(octets, 1, sizeof(octets), file);
	key = memmem(octets, n, "418ac100000", 11);
	assert_non_null(key);
	assert_int_equal(fseek(file, key + 11 - octets, SEEK_SET), 0);
	fputs("\xff\xff\xff\xff", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(add(f, "172.16.0.0/16", 0, ""), COMPILE_ERRORS);
	assert_non_null(strstr(f->messages,
	    "banned:0: the list in force is damaged: name it"));
	assert_source(f, BAN_FILE, NULL);
}

/*
 * What was forced in, or was in force when a setting came, stands in nobody's
 * way; an exception that goes uncovers it again.
 */
static void
test_known(void **state)
{
	struct fixture *f = *state;
	bool absent;

	fixture_write(f, "bans", "127.0.0.1\n");
	f->ask.force = true;
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	f->ask.force = false;
	assert_int_equal(add(f, "192.0.2.7", 0, ""), COMPILE_DONE);
	assert_int_equal(del(f, "192.0.2.7", &absent), COMPILE_DONE);
	/* an edit that was not compiled yet is guarded */
	fixture_write(f, "bans", "127.0.0.1\n127.0.0.2\n");
	assert_int_equal(add(f, "192.0.2.7", 0, ""), COMPILE_ERRORS);
	assert_non_null(strstr(f->messages, "bans:2: the ban 127.0.0.2 meets"));
	assert_null(strstr(f->messages, "bans:1:"));

	fixture_write(f, "bans", "172.16.0.0/16\n172.16.0.0/24 allow\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	fixture_write(f, "bans", "172.16.0.0/16\n");
	assert_int_equal(add(f, "192.0.2.7", 0, ""), COMPILE_ERRORS);
	assert_non_null(strstr(f->messages, "meets relay 172.16.0.0/24"));
}

/* However many bans: a step back goes by them, and none is lost. */
static void
test_previous(void **state)
{
	struct fixture *f = *state;
	char net[32];
	int i;

	fixture_write(f, "banned", "192.0.2.2\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	for (i = 1; i <= 20; i++) {
		snprintf(net, sizeof(net), "198.51.100.%d", i);
		assert_int_equal(add(f, net, 0, ""), COMPILE_DONE);
	}
	assert_int_equal(list_previous(&f->ask, f->name, sizeof(f->name)),
	    COMPILE_DONE);
	assert_string_equal(f->name, "generations/23");
	assert_int_equal(look(f, LIST_BANNED, "192.0.2.1"), LIST_FOUND);
	assert_int_equal(look(f, LIST_BANNED, "192.0.2.2"), LIST_NONE);
	for (i = 1; i <= 20; i++) {
		snprintf(net, sizeof(net), "198.51.100.%d", i);
		assert_int_equal(look(f, LIST_BANS, net), LIST_FOUND);
	}

	/* it stays out, and there is nothing before it */
	assert_int_equal(add(f, "198.51.100.99", 0, ""), COMPILE_DONE);
	assert_int_equal(fixture_compile(f), COMPILE_UNCHANGED);
	assert_int_equal(look(f, LIST_BANNED, "192.0.2.1"), LIST_FOUND);
	assert_int_equal(look(f, LIST_BANS, "198.51.100.99"), LIST_FOUND);
	assert_int_equal(list_previous(&f->ask, f->name, sizeof(f->name)),
	    COMPILE_ERRORS);
	assert_non_null(strstr(f->messages, "no earlier generation"));
}

/* Compiles among many bans: the last five can all be gone back to. */
static void
test_kept(void **state)
{
	struct fixture *f = *state;
	char text[32];
	int i, j;

	for (i = 2; i <= 8; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d\n", i);
		fixture_write(f, "banned", text);
		assert_int_equal(fixture_compile(f), COMPILE_DONE);
		for (j = 0; j < 7; j++) {
			snprintf(text, sizeof(text), "198.51.%d.%d", i, j);
			assert_int_equal(add(f, text, 0, ""), COMPILE_DONE);
		}
	}
	for (i = 7; i >= 4; i--) {
		assert_int_equal(list_previous(&f->ask, f->name,
				     sizeof(f->name)),
		    COMPILE_DONE);
		snprintf(text, sizeof(text), "192.0.2.%d", i);
		assert_int_equal(look(f, LIST_BANNED, text), LIST_FOUND);
		assert_int_equal(look(f, LIST_BANS, "198.51.8.6"), LIST_FOUND);
	}
	assert_int_equal(list_previous(&f->ask, f->name, sizeof(f->name)),
	    COMPILE_ERRORS);
}

static void
count_change(void *arg, bool comes, const char *key, const struct list_entry *e)
{
	int *n = arg;

	(void)key;
	(void)e;
	(*n) += comes ? 1 : 100;
}

/* The new file whose generation never came into force: one who was killed. */
static void
test_half_done(void **state)
{
	struct fixture *f = *state;
	bool absent;
	int n = 0;

	assert_int_equal(add(f, "198.51.100.1", 0, ""), COMPILE_DONE);
	fixture_write(f, BAN_FILE, HEAD "198.51.100.2 reject\n");
	fixture_write(f, "bans.d/.lictor-ban.new", "half a li");
	assert_int_equal(list_diff(&f->ask, count_change, &n),
	    COMPILE_UNCHANGED);
	assert_int_equal(n, 101);
	assert_int_equal(del(f, "198.51.100.1", &absent), COMPILE_DONE);
	assert_int_equal(look(f, LIST_BANS, "198.51.100.1"), LIST_NONE);
	assert_int_equal(look(f, LIST_BANS, "198.51.100.2"), LIST_FOUND);
	assert_int_equal(add(f, "198.51.100.3", 0, ""), COMPILE_DONE);
	assert_source(f, BAN_FILE,
	    HEAD "198.51.100.2 reject\n198.51.100.3 reject\n");
	assert_source(f, "bans.d/.lictor-ban.new", NULL);
}

/* With no generation yet, or a damaged one, everything is compiled. */
static void
test_first(void **state)
{
	struct fixture *f = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/current", f->state);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(add(f, "198.51.100.1", 0, ""), COMPILE_DONE);
	assert_int_equal(look(f, LIST_BANNED, "192.0.2.1"), LIST_FOUND);
	assert_int_equal(look(f, LIST_BANS, "198.51.100.1"), LIST_FOUND);
	snprintf(path, sizeof(path), "%s/%s/banned.cdb", f->state, f->name);
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(add(f, "198.51.100.2", 0, ""), COMPILE_DONE);
	assert_int_equal(look(f, LIST_BANNED, "192.0.2.1"), LIST_FOUND);
}

/* A file that cannot be written is trouble, and nothing came into force. */
static void
test_trouble(void **state)
{
	struct fixture *f = *state;
	char path[160];

	fixture_write(f, "bans.d", "a file where a folder should be\n");
	assert_int_not_equal(add(f, "198.51.100.1", 0, ""), COMPILE_DONE);
	assert_string_not_equal(f->messages, "");
	assert_int_equal(look(f, LIST_BANS, "198.51.100.1"), LIST_NONE);
	fixture_write(f, "bans.d", NULL);
	snprintf(path, sizeof(path), "%s/bans.d", f->source);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/bans.d/.lictor-ban.new", f->source);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(add(f, "198.51.100.1", 0, ""), COMPILE_TROUBLE);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(look(f, LIST_BANS, "198.51.100.1"), LIST_NONE);
	assert_string_equal(f->name, "generations/1");
}

static const struct {
	const char *text;
	int64_t until; /* from 1,000,000 on; -1: none */
} times[] = {
	{ "90s", 1000090 },
	{ "30m", 1001800 },
	{ "2h", 1007200 },
	{ "7d", 1604800 },
	{ "007d", 1604800 },
	{ "1971-01-01", 31622400 },
	{ "1971-01-01T00:00:00Z", 31536000 },
	{ "1971-01-01T01:00:00+01:00", 31536000 },
	{ "0s", -1 },
	{ "", -1 },
	{ "s", -1 },
	{ "5", -1 },
	{ "-1s", -1 },
	{ "+1s", -1 },
	{ "1w", -1 },
	{ "1h30m", -1 },
	{ "1 h", -1 },
	{ "99999999999999999999999999d", -1 },
	{ "9999999999d", -1 },
	{ "1971-01-01T00:00:00", -1 },
};

static void
test_times(void **state)
{
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(times); i++)
		if (until_from(times[i].text, 1000000, &why) != times[i].until)
			fail_msg("%s", times[i].text);
	assert_int_equal(until_from("2020-01-01", 1800000000, &why), -1);
	assert_string_equal(why, "that time has passed");
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_add_and_del),
		TEST(test_del_nothing),
		TEST(test_again),
		TEST(test_expired),
		TEST(test_alone),
		TEST(test_refused),
		TEST(test_allowed_elsewhere),
		TEST(test_damaged_elsewhere),
		TEST(test_known),
		TEST(test_previous),
		TEST(test_kept),
		TEST(test_half_done),
		TEST(test_first),
		TEST(test_trouble),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
