/*
 * The grammar of the lists: tests/lists/LIST_*.in is parsed as a source of
 * list LIST; its messages and what was understood must be LIST_*.ok. With
 * LICTOR_UPDATE set the .ok files are written instead of compared.
 */
#include <glob.h>

#include "lists/source.h"
#include "tests/unit/fixture.h"

static char *
read_file(const char *path, size_t *size)
{
	char *text = malloc(1 << 16);
	FILE *in = fopen(path, "r");

	assert_non_null(text);
	*size = in == NULL ? 0 : fread(text, 1, (1 << 16) - 1, in);
	text[*size] = '\0';
	if (in != NULL)
		fclose(in);
	return text;
}

/* Messages, then the entries as a dump would write them. */
static void
understand(const char *path, FILE *out)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct report r = { .send = fixture_report, .arg = f };
	const char *base = strrchr(path, '/') + 1;
	char list[32], *text;
	struct source s;
	size_t i, size;
	int id;

	assert_non_null(f);
	strlcpy(list, base, strcspn(base, "_") + 1);
	id = list_by_name(list);
	assert_int_not_equal(id, -1);
	text = read_file(path, &size);
	source_init(&s, (enum list_id)id);
	source_parse_text(&s, list, text, size, &r);
	source_merge(&s, &r);
	source_warn_shadowed(&s, &r);
	source_order_by_line(&s);
	fputs(f->messages, out);
	for (i = 0; i < s.n; i++) {
		fprintf(out, "%u ", s.entries[i].line);
		source_print(s.id, &s.entries[i], out);
		fputc('\n', out);
	}
	source_free(&s);
	free(text);
	free(f);
}

static void
check_file(const char *path)
{
	char ok[256], *have, *want;
	size_t size, n = strlen(path) - 2;
	FILE *out = open_memstream(&have, &size);

	assert_non_null(out);
	understand(path, out);
	fclose(out);
	snprintf(ok, sizeof(ok), "%.*sok", (int)n, path);
	if (getenv("LICTOR_UPDATE") != NULL) {
		out = fopen(ok, "w");
		assert_non_null(out);
		fputs(have, out);
		fclose(out);
	} else {
		want = read_file(ok, &size);
		if (strcmp(have, want) != 0)
			fail_msg("%s: got\n%s", path, have);
		free(want);
	}
	free(have);
}

static void
test_files(void **state)
{
	glob_t g;
	size_t i;

	(void)state;
	assert_int_equal(glob("tests/lists/*.in", 0, NULL, &g), 0);
	for (i = 0; i < g.gl_pathc; i++)
		check_file(g.gl_pathv[i]);
	globfree(&g);
}

static const struct {
	const char *in, *out; /* out NULL: must be refused */
} times[] = {
	{ "2026-12-31", "2027-01-01T00:00:00Z" },
	{ "2028-02-29", "2028-03-01T00:00:00Z" },
	{ "2026-12-31T12:00:00Z", "2026-12-31T12:00:00Z" },
	{ "2026-12-31t12:00:00z", "2026-12-31T12:00:00Z" },
	{ "2026-12-31T12:00:00+01:30", "2026-12-31T10:30:00Z" },
	{ "2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00Z" },
	{ "2026-12-31T12:00:00.25Z", "2026-12-31T12:00:00Z" },
	{ "2026-02-29", NULL },
	{ "2026-13-01", NULL },
	{ "2026-00-01", NULL },
	{ "2026-1-1", NULL },
	{ "1970-01-01", NULL },
	{ "2026-12-31T12:00:00", NULL },
	{ "2026-12-31T12:00Z", NULL },
	{ "2026-12-31T24:00:00Z", NULL },
	{ "2026-12-31T12:00:00.Z", NULL },
	{ "2026-12-31T12:00:00+0100", NULL },
	{ "2026-12-31T12:00:00Zx", NULL },
	{ "2026-12-31 12:00:00Z", NULL },
	{ "tomorrow", NULL },
	{ "", NULL },
};

static void
test_times(void **state)
{
	char out[UNTIL_MAX];
	const char *why;
	int64_t until;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(times); i++) {
		until = until_parse(times[i].in, strlen(times[i].in), &why);
		if (until == -1)
			assert_null(times[i].out);
		else if (times[i].out == NULL)
			fail_msg("%s was taken", times[i].in);
		else
			assert_string_equal(until_format(until, out),
			    times[i].out);
	}
}

/* A line of 4096 octets is read, one of 4097 is refused and only that one. */
static void
test_long_line(void **state)
{
	static char text[4200];
	struct report r = { .send = NULL };
	struct source s;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "192.0.2.1", 9);
	text[4096] = '\n';
	source_init(&s, LIST_BANNED);
	source_parse_text(&s, "banned", text, 4097, &r);
	assert_int_equal(r.errors, 0);
	assert_int_equal(s.n, 1);
	source_free(&s);
	text[4096] = ' ';
	strlcpy(text + 4097, "\n192.0.2.2", 100);
	source_parse_text(&s, "banned", text, strlen(text), &r);
	assert_int_equal(r.errors, 1);
	assert_int_equal(s.n, 1);
	source_free(&s);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
