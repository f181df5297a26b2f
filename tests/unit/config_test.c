/*
 * The configuration reader. Files tests/config/NAME.in are loaded, and what
 * was reported and, if all was well, what was printed back is held against
 * NAME.ok; UPDATE_OK=1 in the environment writes the .ok files anew. Where it
 * fails, an administrator's slip goes unseen or a good file is refused.
 */
#include <sys/types.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "worker/settings.h"

#define GOOD "hostname = \"mx.example.org\"\n"

struct output {
	char text[32768];
	unsigned messages;
};

static void
collect(void *arg, const char *message)
{
	struct output *o = arg;

	o->messages++;
	strlcat(o->text, message, sizeof(o->text));
	strlcat(o->text, "\n", sizeof(o->text));
}

static void
print(const struct settings *set, char *buf, size_t size)
{
	FILE *f = fmemopen(buf, size, "w");

	assert_non_null(f);
	assert_int_equal(config_print(set, f), 0);
	assert_int_equal(fclose(f), 0);
}

static void
make_file(char name[64], const char *text, size_t len)
{
	int fd;

	strlcpy(name, "/tmp/lictor-config.XXXXXX", 64);
	fd = mkstemp(name);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static struct settings *
load_text(const char *text, struct output *o)
{
	struct settings *set;
	char name[64];

	memset(o, 0, sizeof(*o));
	make_file(name, text, strlen(text));
	set = config_load(name, collect, o);
	unlink(name);
	return set;
}

/* ------------------------------------------------------------------ files */

/* What was printed loads again, without a word, and prints the same. */
static void
check_round(const char *printed)
{
	static struct output o;
	char again[16384];
	struct settings *set = load_text(printed, &o);

	assert_string_equal(o.text, "");
	assert_non_null(set);
	print(set, again, sizeof(again));
	assert_string_equal(again, printed);
	settings_free(set);
}

static void
write_ok(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void
check_ok(const char *in, const char *text)
{
	char name[256], wanted[32768];
	FILE *f;
	size_t n;

	snprintf(name, sizeof(name), "%.*s.ok", (int)(strlen(in) - 3), in);
	if (getenv("UPDATE_OK") != NULL)
		write_ok(name, text);
	f = fopen(name, "r");
	assert_non_null(f);
	n = fread(wanted, 1, sizeof(wanted) - 1, f);
	wanted[n] = '\0';
	fclose(f);
	if (strcmp(wanted, text) != 0)
		print_message("%s differs:\n%s", name, text);
	assert_string_equal(text, wanted);
}

static void
files(void **state)
{
	static struct output o;
	char printed[16384];
	struct settings *set;
	size_t i;
	glob_t g;

	(void)state;
	assert_int_equal(glob("tests/config/*.in", 0, NULL, &g), 0);
	for (i = 0; i < g.gl_pathc; i++) {
		memset(&o, 0, sizeof(o));
		set = config_load(g.gl_pathv[i], collect, &o);
		if (set != NULL) {
			print(set, printed, sizeof(printed));
			check_round(printed);
			strlcat(o.text, printed, sizeof(o.text));
			settings_free(set);
		}
		check_ok(g.gl_pathv[i], o.text);
	}
	globfree(&g);
}

/* ------------------------------------------------------------------- rows */

static const struct {
	const char *text;    /* after a good hostname, so from line 2 on */
	const char *message; /* the first, after the file name; NULL: none */
} rows[] = {
	{ "", NULL },
	{ "soft = yes # a comment", NULL },
	{ "// a comment\nsoft = yes", NULL },
	{ "soft /* here */ = /* and here */ yes", NULL },
	{ "listen = { # one\n\"127.0.0.1:1\", // two\n\"127.0.0.1:2\" }",
	    NULL },
	{ "listen = \"[::ffff:192.0.2.1]:65535\"", NULL },
	{ "listen = \"[192.0.2.1]:25\"",
	    ":2: listen: \"[192.0.2.1]:25\" is not an IPv6 address and a "
	    "port" },
	{ "listen = \"192.0.2.1:65536\"",
	    ":2: listen: \"65536\" is not a port from 1 to 65535" },
	{ "listen = \"192.0.2.1:\"",
	    ":2: listen: \"\" is not a port from 1 to 65535" },
	{ "listen = {\"[::1]:25\",\n\"[0:0::1]:25\"}",
	    ":3: listen: \"[0:0::1]:25\" is there twice" },
	{ "listen = {\"127.0.0.1:25\"}\nlisten = {\"127.0.0.2:25\"}",
	    ":3: listen is already set in line 2" },
	{ "listen = {\"127.0.0.1:25\"}\nlisten += {\"127.0.0.2:25\",\n\"x\"}",
	    ":4: listen: \"x\" has no port" },
	{ "listen = {}", ":2: listen: at least one is wanted" },
	{ "/* a\nb */ user = \"a b\"", ":3: user: \"a b\" is not a user name" },
	{ "postmaster = \"a@b@c.example\"",
	    ":2: postmaster: \"a@b@c.example\" is not an address" },
	{ "postmaster = \"a..b@c.example\"",
	    ":2: postmaster: \"a..b@c.example\" is not an address" },
	{ "workers { min = 16385 }",
	    ":2: workers: min: 16385 is not in 1 to 16384" },
	{ "workers { min = -1 }", ":2: workers: min: -1 is not in 1 to 16384" },
	{ "workers { min = 99999999999999999999 }",
	    ":2: workers: min: 99999999999999999999 is not in 1 to 16384" },
	{ "workers { min = 0 }", ":2: workers: min: 0 is not in 1 to 16384" },
	{ "workers { max = 5 }", ":2: workers: min 8 is more than max 5" },
	{ "timeouts { stop_secs = 0 }",
	    ":2: timeouts: stop_secs: 0 is not in 1 to 86400" },
	{ "limits { message_bytes = 65535 }",
	    ":2: limits: message_bytes: 65535 is not in 65536 to "
	    "2147483647" },
	{ "spool_dir = \"/a/..\"", ":2: spool_dir: \"/a/..\" holds a .." },
	{ "spool_dir = \"/a/..b\"", NULL },
	{ "spool_dir = /a//b",
	    ":2: a value with // or /* in it must be quoted" },
	{ "spool_dir = '${HOME}'",
	    ":2: \"${\" is not allowed: the environment is not consulted (in "
	    "double quotes, write \\x24{ for the characters themselves)" },
	{ "# ${HOME}\nsoft = yes", NULL },
	{ "soft = ${SOFT}",
	    ":2: \"${\" is not allowed: the environment is not consulted (in "
	    "double quotes, write \\x24{ for the characters themselves)" },
	{ "soft = 'yes\n", ":2: this string is not closed" },
	{ "soft = yes, user = \"x\"",
	    ":2: expected the name of a setting, found ," },
	{ "soft = * yes", ":2: expected a value for soft, found *" },
	{ "include(\"/etc/passwd\")",
	    ":2: expected \"=\" or \"{\" after include, found (" },
	{ "workers|min = 3", ":2: unknown setting \"workers|min\"" },
	{ "}", ":2: expected the name of a setting, found }" },
	{ "nameservers = {\"127.0.0.1\", \"::1\", \"[::1]:5353\"}", NULL },
	{ "nameservers = \"[2001:db8::1]\"", NULL },
	{ "nameservers = {}", ":2: nameservers: at least one is wanted" },
	{ "nameservers = {\"localhost\"}",
	    ":2: nameservers: \"localhost\" is not an address" },
	{ "nameservers = {\"\"}", ":2: nameservers: \"\" is not an address" },
	{ "nameservers = {\"[192.0.2.1]\"}",
	    ":2: nameservers: \"[192.0.2.1]\" is not an address" },
	{ "nameservers = {\"fe80::1%eth0\"}",
	    ":2: nameservers: \"fe80::1%eth0\": write an IPv6 address as "
	    "[address]:port" },
	{ "nameservers = {\"192.0.2.1:0\"}",
	    ":2: nameservers: \"0\" is not a port from 1 to 65535" },
	{ "nameservers = {\"127.0.0.1\",\n\"127.0.0.1:53\"}",
	    ":3: nameservers: \"127.0.0.1:53\" is there twice" },
	{ "nameservers = {\"192.0.2.1\", \"192.0.2.2\", \"192.0.2.3\",\n"
	  "\"192.0.2.4\", \"192.0.2.5\", \"192.0.2.6\", \"192.0.2.7\"}",
	    ":3: nameservers: more than 6 values" },
	{ "dns_deadline_ms = 100", NULL },
	{ "dns_deadline_ms = 99",
	    ":2: dns_deadline_ms: 99 is not in 100 to 60000" },
	{ "dns_deadline_ms = 60001",
	    ":2: dns_deadline_ms: 60001 is not in 100 to 60000" },
	{ "test 'rdns' { mode = on at = greeting require = matches\n"
	  "unknown = defer }",
	    NULL },
	{ "test 'rdns' { require = all }",
	    ":2: test \"rdns\": require: \"all\" is none of none, name, "
	    "resolves, matches" },
	{ "test 'dnsbl' { mode = on  threshold = 3  probe_secs = 60 }", NULL },
	{ "test 'dnsbl' { threshold = 0 }",
	    ":2: test \"dnsbl\": threshold: 0 is not in 1 to 1000000" },
	{ "test 'relay' { mode = on\n at = rcpt }",
	    ":3: warning: test \"relay\": at has no effect in this version" },
	{ "dnsbl \"\" { weight = 1 }",
	    ":2: section dnsbl wants a title in quotes" },
	{ "dnsbl 'z.example' { text = '$ip $zone $txt $$' }", NULL },
	{ "dnsbl 'z.example' { of = {name, helo, sender} weight = -3 }", NULL },
};

static void
check_row(size_t i)
{
	static struct output o;
	struct settings *set;
	char text[1024], *first;

	snprintf(text, sizeof(text), GOOD "%s\n", rows[i].text);
	set = load_text(text, &o);
	settings_free(set);
	if (rows[i].message == NULL) {
		assert_string_equal(o.text, "");
		assert_non_null(set);
		return;
	}
	first = strchr(o.text, ':');
	assert_non_null(first);
	first[strcspn(first, "\n")] = '\0';
	assert_string_equal(first, rows[i].message);
}

static void
snippets(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(i);
}

/* ----------------------------------------------------------------- values */

static void
defaults(void **state)
{
	static struct output o;
	struct settings *set = load_text(GOOD, &o);

	(void)state;
	assert_non_null(set);
	assert_string_equal(o.text, "");
	assert_string_equal(set->hostname, "mx.example.org");
	assert_string_equal(set->postmaster, "");
	assert_int_equal(set->nlisten, 2);
	assert_int_equal(set->listen[1].port, 25);
	assert_int_equal(set->listen[1].addr.family, 6);
	assert_int_equal(set->protect.n, 2);
	assert_string_equal(set->open.item[1], "abuse");
	assert_true(set->require_helo);
	assert_false(set->soft);
	assert_int_equal(set->limits.message_bytes, 52428800);
	assert_int_equal(set->timeouts.stop_secs, 60);
	assert_int_equal(set->tests[TEST_BANNED].mode, MODE_ON);
	assert_int_equal(set->tests[TEST_BANNED].at, AT_GREETING);
	assert_int_equal(set->tests[TEST_BANNED].unknown, UNKNOWN_DEFER);
	assert_int_equal(set->tests[TEST_RECIPIENT].unknown, UNKNOWN_DEFER);
	assert_int_equal(set->tests[TEST_RECIPIENT].at, AT_RCPT);
	assert_int_equal(set->tests[TEST_RDNS].mode, MODE_ON);
	assert_int_equal(set->tests[TEST_RDNS].at, AT_RCPT);
	assert_int_equal(set->tests[TEST_RDNS].require, RDNS_NONE);
	assert_int_equal(set->tests[TEST_RDNS].unknown, UNKNOWN_PASS);
	assert_int_equal(set->tests[TEST_DNSBL].mode, MODE_ON);
	assert_int_equal(set->tests[TEST_DNSBL].at, AT_RCPT);
	assert_int_equal(set->tests[TEST_DNSBL].threshold, 1);
	assert_int_equal(set->tests[TEST_DNSBL].unknown, UNKNOWN_PASS);
	assert_int_equal(set->nzones, 0);
	assert_int_equal(set->probe_secs, 600);
	assert_int_equal(set->nnameservers, 0);
	assert_int_equal(set->dns_deadline_ms, 5000);
	settings_free(set);
}

static void
values(void **state)
{
	static struct output o;
	struct settings *set = load_text(GOOD
	    "spool_dir = \"/a\\\"b\\\\c\\x24{HOME}\"\n"
	    "postmaster = \"Post.Master@EXAMPLE.org\"\n"
	    "open += {\"help\"}\nopen += \"noc\"\n"
	    "workers { min = 2 max = 0x10 }\n",
	    &o);

	(void)state;
	assert_null(set);
	assert_int_equal(o.messages, 1);
	set = load_text(GOOD "spool_dir = \"/a\\\"b\\\\c\\x24{HOME}\"\n"
			     "postmaster = \"Post.Master@EXAMPLE.org\"\n"
			     "open += {\"help\"}\nopen += \"noc\"\n"
			     "nameservers += {\"127.0.0.1\", \"[::1]:5353\"}\n"
			     "nameservers += {\"[2001:db8::1]\"}\n",
	    &o);
	assert_non_null(set);
	assert_string_equal(set->spool_dir, "/a\"b\\c${HOME}");
	assert_string_equal(set->postmaster, "Post.Master@example.org");
	assert_int_equal(set->open.n, 4);
	assert_string_equal(set->open.item[3], "noc");
	assert_int_equal(set->nnameservers, 3);
	assert_int_equal(set->nameservers[0].port, 53);
	assert_int_equal(set->nameservers[1].addr.family, 6);
	assert_int_equal(set->nameservers[1].port, 5353);
	assert_int_equal(set->nameservers[2].port, 53);
	settings_free(set);
}

/* An empty file is good where the machine knows its own full name. */
static void
empty(void **state)
{
	static struct output o;
	struct settings *set = load_text("", &o);
	char name[256] = "";

	(void)state;
	gethostname(name, sizeof(name) - 1);
	if (strchr(name, '.') == NULL) {
		assert_null(set);
		assert_int_equal(o.messages, 1);
		assert_non_null(strstr(o.text, ": hostname: this machine"));
		return;
	}
	assert_non_null(set);
	assert_string_equal(o.text, "");
	settings_free(set);
}

static void
no_file(void **state)
{
	static struct output o;
	char name[64], *big = calloc(1, 2 << 20);

	(void)state;
	assert_null(config_load("/nonexistent/x", collect, &o));
	assert_null(config_load("/etc", collect, &o));
	assert_string_equal(o.text,
	    "/nonexistent/x: No such file or directory\n"
	    "/etc: Is a directory\n");
	memset(big, ' ', 2 << 20);
	make_file(name, big, 2 << 20);
	free(big);
	assert_null(config_load(name, collect, &o));
	unlink(name);
	assert_non_null(strstr(o.text, ": File too large\n"));
	settings_free(NULL);
}

/* The manual's example is one that works, and without a warning. */
static void
manual(void **state)
{
	static struct output o;
	static char page[65536];
	struct settings *set;
	char *example, *end;
	FILE *f = fopen("man/lictor.conf.5", "r");

	(void)state;
	assert_non_null(f);
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	fclose(f);
	assert_non_null(example = strstr(page, ".Bd -literal"));
	assert_non_null(example = strchr(example, '\n'));
	assert_non_null(end = strstr(example, ".Ed"));
	*end = '\0';
	set = load_text(example, &o);
	assert_string_equal(o.text, "");
	assert_non_null(set);
	settings_free(set);
}

/* Whatever the file holds, what is said has an end. */
static void
many(void **state)
{
	static struct output o;
	static char text[60000];
	size_t i;

	(void)state;
	text[0] = '\0';
	for (i = 0; i < 5000; i++)
		memcpy(text + i * 8, "a = {},\n", 8);
	assert_null(load_text(text, &o));
	assert_int_equal(o.messages, 51);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(snippets),
		cmocka_unit_test(defaults),
		cmocka_unit_test(values),
		cmocka_unit_test(empty),
		cmocka_unit_test(no_file),
		cmocka_unit_test(manual),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
