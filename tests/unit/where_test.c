/*
 * From a route to addresses, by the hosts file; what the DNS says is tried
 * against name servers. A row that fails is mail that goes to other hosts, or
 * in another order, than list routes says.
 */
#include "tests/unit/fixture.h"
#include "worker/hops.h"
#include "worker/route.h"
#include "worker/settings.h"
#include "worker/slot.h"
#include "worker/wait.h"
#include "worker/where_names.h"

static struct host hosts[40];
static struct settings set;
static struct waiting waiting;
static struct dns_servers servers;
static struct dns *dns;
static struct where_cache cache;
static struct where where;

static void
add_host(const char *name, const char *addr)
{
	static char names[NITEMS(hosts)][64];
	size_t i = set.nhosts++;

	strlcpy(names[i], name, sizeof(names[i]));
	hosts[i].name = names[i];
	assert_int_equal(addr_parse(&hosts[i].addr, addr), 0);
}

/* Sorted by name, as hosts_load has it. */
static int
setup(void **state)
{
	char addr[ADDR_TEXT_MAX];
	int i;

	(void)state;
	set.hosts = hosts;
	set.nhosts = 0;
	add_host("a", "192.0.2.1");
	add_host("a6", "2001:db8::1");
	add_host("b", "2001:db8::2");
	add_host("b", "192.0.2.3");
	add_host("b", "192.0.2.2");
	for (i = 1; i <= 12; i++) {
		snprintf(addr, sizeof(addr), "192.0.2.%d", 100 + i);
		add_host("many", addr);
	}
	for (i = 1; i <= 12; i++) {
		snprintf(addr, sizeof(addr), "2001:db8::%x", 0x100 + i);
		add_host("many", addr);
	}
	set.dns_deadline_ms = 100;
	servers.known = true; /* and none at all */
	wait_init(&waiting);
	memset(&cache, 0, sizeof(cache));
	cache.begun = true; /* of hosts in turn the first comes first */
	where = (struct where){ &set, &waiting, &servers, &dns, &cache,
		INT64_MAX };
	return 0;
}

static const struct {
	const char *route, *places; /* text of each, or why there is none */
} rows[] = {
	{ "smtp:192.0.2.9:25", "192.0.2.9:25 " },
	{ "smtp:[2001:db8::9]:2525", "[2001:db8::9]:2525 " },
	{ "smtp:a:25", "192.0.2.1:25 " },
	{ "smtp:a6:25", "[2001:db8::1]:25 " },
	{ "smtp:b:26", "192.0.2.3:26 192.0.2.2:26 [2001:db8::2]:26 " },
	{ "smtp:b:25,a:26",
	    "192.0.2.3:25 192.0.2.2:25 [2001:db8::2]:25 "
	    "192.0.2.1:26 " },
	{ "smtp:192.0.2.1:25,a:25,192.0.2.9:25", "192.0.2.1:25 192.0.2.9:25 " },
	{ "smtp:nowhere:25", "nowhere: the DNS gave no answer" },
	{ "smtp:nowhere:25,a:25", "192.0.2.1:25 " },
	{ "mx:a:25", "a: the DNS gave no answer" },
	/* a host with many addresses leaves room for others */
	{ "smtp:many:1",
	    "192.0.2.101:1 192.0.2.102:1 192.0.2.103:1 192.0.2.104:1 "
	    "192.0.2.105:1 192.0.2.106:1 192.0.2.107:1 192.0.2.108:1 "
	    "[2001:db8::101]:1 [2001:db8::102]:1 [2001:db8::103]:1 "
	    "[2001:db8::104]:1 [2001:db8::105]:1 [2001:db8::106]:1 "
	    "[2001:db8::107]:1 [2001:db8::108]:1 " },
	{ "smtp:many:1,a:1,b:1,192.0.2.9:1",
	    "192.0.2.101:1 192.0.2.102:1 [2001:db8::101]:1 "
	    "[2001:db8::102]:1 192.0.2.1:1 192.0.2.3:1 192.0.2.2:1 "
	    "[2001:db8::2]:1 192.0.2.9:1 " },
	{ "smtp:many:1,many:2,many:3,many:4,many:5,many:6,many:7,many:8",
	    "192.0.2.101:1 [2001:db8::101]:1 192.0.2.101:2 [2001:db8::101]:2 "
	    "192.0.2.101:3 [2001:db8::101]:3 192.0.2.101:4 [2001:db8::101]:4 "
	    "192.0.2.101:5 [2001:db8::101]:5 192.0.2.101:6 [2001:db8::101]:6 "
	    "192.0.2.101:7 [2001:db8::101]:7 192.0.2.101:8 "
	    "[2001:db8::101]:8 " },
	{ "lmtp:a:24|192.0.2.9:24", "192.0.2.1:24 192.0.2.9:24 " },
	{ "lmtp:/run/lmtp", "/run/lmtp " },
	{ "smtp:A:25", "the route cannot be read" },
	{ "smtp:a", "the route cannot be read" },
	{ "smtp:", "the route cannot be read" },
	{ "smtp:a:25,", "the route cannot be read" },
	{ "smtp:a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9",
	    "the route cannot be read" },
};

static void
make_route(struct route *r, const char *text)
{
	memset(r, 0, sizeof(*r));
	r->scheme = text[0] == 's' ? ACT_SMTP :
	    text[0] == 'l'	   ? ACT_LMTP :
				     ACT_MX;
	strlcpy(r->text, text, sizeof(r->text));
}

static void
find(const char *route, char have[2048])
{
	char why[128] = "";
	struct places to;
	struct route r;
	size_t i;

	make_route(&r, route);
	have[0] = '\0';
	if (where_find(&to, &r, &where, why, sizeof(why)) == -1)
		strlcpy(have, why, 2048);
	for (i = 0; i < to.n; i++) {
		strlcat(have, to.item[i].text, 2048);
		strlcat(have, " ", 2048);
		assert_int_equal(to.item[i].lmtp, r.scheme == ACT_LMTP);
		assert_int_equal(to.item[i].addr.family == 0,
		    to.item[i].text[0] == '/');
	}
}

static void
test_rows(void **state)
{
	char have[2048];
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		find(rows[i].route, have);
		assert_string_equal(have, rows[i].places);
	}
}

/* Those in turn change places with each call, the others never. */
static void
test_turns(void **state)
{
	static const char *const turns[] = {
		"192.0.2.7:1 192.0.2.1:1 192.0.2.8:1 192.0.2.9:1 192.0.2.9:2 ",
		"192.0.2.7:1 192.0.2.8:1 192.0.2.9:1 192.0.2.1:1 192.0.2.9:2 ",
		"192.0.2.7:1 192.0.2.9:1 192.0.2.1:1 192.0.2.8:1 192.0.2.9:2 ",
	};

	char have[2048];
	size_t i;

	(void)state;
	for (i = 0; i < 7; i++) {
		find("smtp:192.0.2.7:1,a:1|192.0.2.8:1|192.0.2.9:1,192.0.2.9:2",
		    have);
		assert_string_equal(have, turns[i % 3]);
	}
}

/* What was not found out is known again as soon as it is there. */
static void
test_cache(void **state)
{
	char have[2048];

	(void)state;
	find("smtp:z:25", have);
	assert_string_equal(have, "z: the DNS gave no answer");
	add_host("z", "192.0.2.26");
	find("smtp:z:25", have); /* not within seconds */
	assert_string_equal(have, "z: the DNS gave no answer");
	cache.names[0].until_ms = 1;
	find("smtp:z:25", have);
	assert_string_equal(have, "192.0.2.26:25 ");
	set.nhosts--;
	find("smtp:z:26", have); /* not within a minute, for any port */
	assert_string_equal(have, "192.0.2.26:26 ");
	find("mx:z:26", have); /* and its mail hosts are another matter */
	assert_string_equal(have, "z: the DNS gave no answer");
}

/* The name of the route has what all addresses have that were asked. */
static void
test_notes(void **state)
{
	struct clients *c = calloc(1, sizeof(*c));
	struct places to;
	struct route r;
	char why[128];

	(void)state;
	assert_non_null(c);
	make_route(&r, "smtp:b:25,a:25");
	assert_int_equal(where_find(&to, &r, &where, why, sizeof(why)), 0);
	hops_note(c, "192.0.2.3:25", HOP_DSN | HOP_UTF8);
	where_note(&to, &to.item[0], c);
	assert_int_equal(hops_common(c, NULL, "b:25"), HOP_DSN | HOP_UTF8);
	assert_int_equal(hops_common(c, NULL, "a:25"), 0);
	hops_note(c, "[2001:db8::2]:25", HOP_DSN);
	where_note(&to, &to.item[2], c);
	assert_int_equal(hops_common(c, NULL, "b:25,a:25"), HOP_DSN);
	hops_note(c, "[2001:db8::2]:25", HOP_UTF8);
	where_note(&to, &to.item[2], c);
	assert_int_equal(hops_common(c, NULL, "b:25"), HOP_UTF8);
	make_route(&r, "lmtp:/run/lmtp");
	assert_int_equal(where_find(&to, &r, &where, why, sizeof(why)), 0);
	hops_note(c, "/run/lmtp", HOP_DSN | HOP_UTF8);
	where_note(&to, &to.item[0], c);
	assert_int_equal(hops_common(c, NULL, "lmtp:/run/lmtp"), HOP_UTF8);
	where_note(&to, &to.item[0], NULL); /* nowhere to note it */
	free(c);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_rows, setup),
		cmocka_unit_test_setup(test_turns, setup),
		cmocka_unit_test_setup(test_cache, setup),
		cmocka_unit_test_setup(test_notes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
