/*
 * Replies. A row that fails is mail that bounces in the first week although
 * soft was set, or a reply line that a client cannot read.
 */
#include "tests/unit/fixture.h"
#include "worker/log.h"
#include "worker/reply.h"
#include "worker/session.h"
#include "worker/settings.h"
#include "worker/slot.h"

static const struct {
	int code;
	const char *status;
	int soft_code;
	const char *soft_status;
} rows[] = {
	{ 550, "5.1.1", 450, "4.1.1" },
	{ 550, "5.7.1", 450, "4.7.1" },
	{ 551, "5.1.6", 450, "4.1.6" },
	{ 552, "5.3.4", 452, "4.3.4" },
	{ 553, "5.1.3", 450, "4.1.3" },
	{ 554, "5.4.6", 451, "4.4.6" },
	{ 555, "5.5.4", 455, "4.5.4" },
	{ 500, "5.5.2", 451, "4.5.2" },
	{ 501, "5.5.4", 451, "4.5.4" },
	{ 502, "5.7.2", 451, "4.7.2" },
	{ 503, "5.5.1", 451, "4.5.1" },
	{ 599, "", 451, "" },
	{ 250, "2.0.0", 250, "2.0.0" },
	{ 354, "", 354, "" },
	{ 421, "4.7.0", 421, "4.7.0" },
	{ 450, "4.2.1", 450, "4.2.1" },
	{ 451, "4.3.0", 451, "4.3.0" },
	{ 452, "4.5.3", 452, "4.5.3" },
};

struct gear {
	struct settings set;
	struct slot slot;
	struct session s;
};

static int
setup(void **state)
{
	struct gear *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return -1;
	g->s.set = &g->set;
	g->s.slot = &g->slot;
	g->s.deadline_ms = INT64_MAX;
	g->s.io.fd = -1;
	strlcpy(g->s.ref, "REF.1", sizeof(g->s.ref));
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	free(*state);
	return 0;
}

/* What was said since the last time. */
static const char *
said(struct gear *g)
{
	static char text[4097];

	memcpy(text, g->s.io.out, g->s.io.out_len);
	text[g->s.io.out_len] = '\0';
	g->s.io.out_len = 0;
	return text;
}

static void
test_soften(void **state)
{
	struct gear *g = *state;
	char status[12];
	int code, soft;
	size_t i;

	for (i = 0; i < NITEMS(rows); i++) {
		for (soft = 0; soft < 2; soft++) {
			g->set.soft = soft;
			code = rows[i].code;
			strlcpy(status, rows[i].status, sizeof(status));
			reply_soften(&g->s, &code, status);
			assert_int_equal(code,
			    soft ? rows[i].soft_code : rows[i].code);
			assert_string_equal(status,
			    soft ? rows[i].soft_status : rows[i].status);
		}
	}
}

static void
test_lines(void **state)
{
	struct gear *g = *state;

	reply(&g->s, 250, "2.0.0", "ok");
	assert_string_equal(said(g), "250 2.0.0 ok\r\n");
	reply(&g->s, 220, NULL, "%s ESMTP", "mx.example");
	assert_string_equal(said(g), "220 mx.example ESMTP\r\n");
	reply_part(&g->s, 250, 1, "SIZE %d", 7);
	reply_part(&g->s, 250, 0, "8BITMIME");
	assert_string_equal(said(g), "250-SIZE 7\r\n250 8BITMIME\r\n");
	g->set.soft = true;
	reply(&g->s, 550, "5.1.1", "no");
	assert_string_equal(said(g), "450 4.1.1 no\r\n");
	assert_int_equal(g->s.errors, 1);
}

/* RFC 5321, section 4.5.3.1.5: 512 octets with CRLF. */
static void
test_long_lines(void **state)
{
	struct gear *g = *state;
	struct reason why = { .code = "banned",
		.reply = 550,
		.status = "5.7.1" };
	char text[2000];
	const char *line;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	reply(&g->s, 250, "2.0.0", "%s", text);
	line = said(g);
	assert_int_equal(strlen(line), 512);
	assert_string_equal(line + 510, "\r\n");
	reply_part(&g->s, 250, 1, "%s", text);
	assert_int_equal(strlen(said(g)), 512);
	/* the reference is there, however long the entry's text is */
	why.text = text;
	log_open(0); /* nowhere */
	reply_refuse(&g->s, "banned", &why, NULL);
	line = said(g);
	assert_true(strlen(line) <= 512);
	assert_non_null(strstr(line, "x; ref REF.1\r\n"));
	assert_int_equal(g->s.refusals, 1);
	assert_int_equal(g->slot.refusals, 1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_soften, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_lines, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
