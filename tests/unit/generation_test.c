/*
 * Generations: what is in force stays in force whatever happens to the files
 * beside it, and damage is never "not listed".
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>

#include "tests/unit/fixture.h"

static void
path_of(const struct fixture *f, const char *name, char path[160])
{
	snprintf(path, 160, "%s/%s", f->state, name);
}

static bool
exists(const struct fixture *f, const char *name)
{
	char path[160];

	path_of(f, name, path);
	return access(path, F_OK) == 0;
}

static ino_t
inode(const struct fixture *f, const char *name)
{
	char path[160];
	struct stat st;

	path_of(f, name, path);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static enum list_found
look(struct generation *g, const char *text)
{
	struct list_entry e;
	struct addr a;

	assert_int_equal(addr_parse(&a, text), 0);
	return list_find_addr(g, LIST_BANNED, &a, 0, &e);
}

/* All octets of a file of the state folder; to be freed. */
static char *
slurp(const struct fixture *f, const char *name, size_t *size)
{
	char path[160], *bytes = malloc(1 << 16);
	FILE *in;

	path_of(f, name, path);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_non_null(bytes);
	*size = fread(bytes, 1, 1 << 16, in);
	fclose(in);
	return bytes;
}

/* Put a file in the place of another, by a new inode. */
static void
spill(const struct fixture *f, const char *name, const char *bytes, size_t n)
{
	char path[160];
	FILE *out;

	path_of(f, name, path);
	unlink(path);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	assert_int_equal(fclose(out), 0);
}

static void
test_first(void **state)
{
	struct fixture *f = *state;
	struct generation *g = NULL;
	struct list_error e;
	struct stat st;
	char path[160], link[64];
	ssize_t n;

	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_BAD);
	assert_non_null(strstr(e.text, "no generation"));
	g = fixture_open(f);
	assert_string_equal(f->name, "generations/1");
	assert_string_equal(generation_name(g), "generations/1");
	assert_int_equal(generation_number(g), 1);
	assert_int_equal(look(g, "192.0.2.1"), LIST_NONE);
	path_of(f, "current", path);
	n = readlink(path, link, sizeof(link));
	assert_int_equal(n, strlen("generations/1"));
	path_of(f, "generations/1/words.cdb", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	path_of(f, "generations/1", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_SAME);
	generation_close(g);
}

static void
test_refresh(void **state)
{
	struct fixture *f = *state;
	struct generation *g, *old = NULL;
	struct list_error e;

	fixture_write(f, "banned", "192.0.2.1\n");
	fixture_write(f, "relay", "10.0.0.0/8\n");
	g = fixture_open(f);
	assert_int_equal(fixture_refresh(f, &old, &e), GENERATION_NEW);
	assert_int_equal(fixture_compile(f), COMPILE_UNCHANGED);
	assert_string_equal(f->name, "generations/1");
	fixture_write(f, "banned", "192.0.2.2\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_string_equal(f->name, "generations/2");
	generation_begin(g);
	assert_int_equal(look(g, "192.0.2.1"), LIST_FOUND);
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_NEW);
	assert_int_equal(look(g, "192.0.2.1"), LIST_NONE);
	assert_int_equal(look(g, "192.0.2.2"), LIST_FOUND);
	generation_begin(old);
	assert_int_equal(look(old, "192.0.2.1"), LIST_FOUND);
	assert_int_equal(inode(f, "generations/1/relay.cdb"),
	    inode(f, "generations/2/relay.cdb"));
	assert_int_not_equal(inode(f, "generations/1/banned.cdb"),
	    inode(f, "generations/2/banned.cdb"));
	generation_close(g);
	generation_close(old);
}

/* Same sources, same octets, wherever and whenever they are compiled. */
static void
test_same_bytes(void **state)
{
	struct fixture *f = *state, *other;
	char *a, *b;
	size_t na, nb;

	fixture_setup((void **)&other);
	fixture_write(f, "banned", "192.0.2.1\n2001:db8::/32 drop\n");
	fixture_write(other, "banned", "192.0.2.1\n2001:db8::/32 drop\n");
	fixture_write(other, "relay", "10.0.0.0/8\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_int_equal(fixture_compile(other), COMPILE_DONE);
	a = slurp(f, "generations/1/banned.cdb", &na);
	b = slurp(other, "generations/1/banned.cdb", &nb);
	assert_int_equal(na, nb);
	assert_memory_equal(a, b, na);
	free(a);
	free(b);
	fixture_teardown((void **)&other);
}

/* What is for a later version is said to do nothing, and only that. */
static void
test_unused(void **state)
{
	static const struct {
		const char *list, *text, *message; /* "": none */
	} rows[] = {
		{ "names", "a.example\n.b.example\n", "" },
		{ "names", "a.example\nhelo:b.example\nHELO:.c.example\n", "" },
		{ "relay", "a.example.org\n.example.net\n10.0.0.0/8\n", "" },
		{ "senders", "@a.example\n", "" },
		{ "words", "x\n",
		    "words:0: warning: list words is compiled but not "
		    "consulted in this version\n" },
	};
	struct fixture *f;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(rows); i++) {
		fixture_setup((void **)&f);
		fixture_write(f, rows[i].list, rows[i].text);
		assert_int_equal(fixture_compile(f), COMPILE_DONE);
		assert_string_equal(f->messages, rows[i].message);
		fixture_teardown((void **)&f);
	}
}

/* An error in one list leaves all lists as they were. */
static void
test_errors(void **state)
{
	struct fixture *f = *state;
	struct generation *g;
	struct list_error e;

	fixture_write(f, "banned", "192.0.2.1\n");
	g = fixture_open(f);
	fixture_write(f, "banned", "192.0.2.2\n");
	fixture_write(f, "relay", "10.0.0.0/8\nnonsense/8\n10.0.0.x\n");
	assert_int_equal(fixture_compile(f), COMPILE_ERRORS);
	assert_non_null(strstr(f->messages, "relay:2: "));
	assert_non_null(strstr(f->messages, "relay:3: "));
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_SAME);
	assert_false(exists(f, "generations/2"));
	assert_false(exists(f, "generations/.new"));
	generation_close(g);
}

/* How a file of generation 2 is spoiled, and what is said about it. */
static const struct {
	const char *what, *message;
} damages[] = {
	{ "truncated", "not as long as" },
	{ "zeroed", "no @meta" },
	{ "empty", "no complete CDB" },
	{ "foreign", "no list of lictor" },
	{ "older", "another format" },
	{ "other", "another list" },
	{ "missing", "No such file" },
	{ "folder", "no complete CDB" },
};

static void
damage(const struct fixture *f, const char *what)
{
	const char *name = "generations/2/banned.cdb";
	char path[160], *bytes, *p;
	size_t n;

	if (strcmp(what, "other") == 0)
		bytes = slurp(f, "generations/2/bans.cdb", &n);
	else
		bytes = slurp(f, name, &n);
	p = memmem(bytes, n, "format 1", 8);
	assert_non_null(p);
	if (strcmp(what, "truncated") == 0)
		n -= 1;
	else if (strcmp(what, "zeroed") == 0)
		memset(bytes, 0, n);
	else if (strcmp(what, "empty") == 0)
		n = 0;
	else if (strcmp(what, "foreign") == 0)
		memcpy(p, "fnrmat 1", 8);
	else if (strcmp(what, "older") == 0)
		memcpy(p, "format 0", 8);
	spill(f, name, bytes, n);
	free(bytes);
	path_of(f, name, path);
	if (strcmp(what, "missing") == 0)
		assert_int_equal(unlink(path), 0);
	if (strcmp(what, "folder") == 0) {
		assert_int_equal(unlink(path), 0);
		assert_int_equal(mkdir(path, 0755), 0);
	}
}

/* The old lists stay, and the message says why. */
static void
check_damage(struct fixture *f, const char *what, const char *message)
{
	struct generation *g, *none = NULL;
	struct list_error e;

	fixture_write(f, "banned", "192.0.2.1\n");
	g = fixture_open(f);
	fixture_write(f, "banned", "192.0.2.2\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	damage(f, what);
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_BAD);
	assert_string_equal(e.file, "generations/2/banned.cdb");
	if (strstr(e.text, message) == NULL)
		fail_msg("%s: %s", what, e.text);
	generation_begin(g);
	assert_int_equal(look(g, "192.0.2.1"), LIST_FOUND);
	assert_int_equal(fixture_refresh(f, &none, &e), GENERATION_BAD);
	assert_null(none);
	assert_non_null(strstr(e.text, message));
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_BAD);

	/* the next compile makes good what was damaged, asked or not */
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_NEW);
	assert_int_equal(look(g, "192.0.2.2"), LIST_FOUND);
	generation_close(g);
}

static void
test_damage(void **state)
{
	struct fixture *f;
	size_t i;

	(void)state;
	for (i = 0; i < NITEMS(damages); i++) {
		fixture_setup((void **)&f);
		check_damage(f, damages[i].what, damages[i].message);
		fixture_teardown((void **)&f);
	}
}

/* A file that is cut or written in place is damage at the next session. */
static void
test_in_place(void **state)
{
	struct fixture *f = *state;
	struct generation *g;
	char path[160];

	fixture_write(f, "banned", "192.0.2.1\n");
	g = fixture_open(f);
	generation_begin(g);
	assert_int_equal(look(g, "192.0.2.1"), LIST_FOUND);
	path_of(f, "generations/1/banned.cdb", path);
	assert_int_equal(truncate(path, 2048), 0);
	generation_begin(g);
	assert_int_equal(look(g, "192.0.2.1"), LIST_DAMAGED);
	assert_int_equal(look(g, "192.0.2.9"), LIST_DAMAGED);
	generation_begin(g);
	assert_int_equal(look(g, "192.0.2.9"), LIST_DAMAGED);
	generation_close(g);
}

/* The empty list, too, must not hide that it was tampered with. */
static void
test_in_place_empty(void **state)
{
	struct fixture *f = *state;
	struct generation *g = fixture_open(f);
	struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
	char path[160];

	path_of(f, "generations/1/banned.cdb", path);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	generation_begin(g);
	assert_int_equal(look(g, "192.0.2.1"), LIST_DAMAGED);
	generation_close(g);
}

/* Not in each session, as nothing of it is read; but not much later. */
static void
test_in_place_empty_later(void **state)
{
	struct fixture *f = *state;
	struct generation *g = fixture_open(f);
	enum list_found found;
	char path[160];
	int n = 0;

	generation_begin(g);
	assert_int_equal(look(g, "192.0.2.1"), LIST_NONE);
	path_of(f, "generations/1/banned.cdb", path);
	assert_int_equal(truncate(path, 0), 0);
	do {
		generation_begin(g);
		found = look(g, "192.0.2.1");
		assert_int_equal(look(g, "192.0.2.9"), found);
	} while (found == LIST_NONE && ++n < 1000);
	assert_int_equal(found, LIST_DAMAGED);
	assert_int_equal(n, 99);
	generation_begin(g);
	assert_int_equal(look(g, "192.0.2.1"), LIST_DAMAGED);
	generation_close(g);
}

/* What a killed compiler leaves is cleaned; its numbers are not used again. */
static void
test_leftovers(void **state)
{
	struct fixture *f = *state;
	char path[160];

	generation_close(fixture_open(f));
	path_of(f, "generations/.new", path);
	assert_int_equal(mkdir(path, 0755), 0);
	spill(f, "generations/.new/banned.cdb", "x", 1);
	path_of(f, "generations/2", path);
	assert_int_equal(mkdir(path, 0755), 0);
	spill(f, "generations/2/banned.cdb", "x", 1);
	fixture_write(f, "banned", "192.0.2.1\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_string_equal(f->name, "generations/3");
	assert_false(exists(f, "generations/2"));
	assert_false(exists(f, "generations/.new"));
}

/* Compilers that are killed at any moment leave something complete. */
static void
test_killed(void **state)
{
	struct fixture *f = *state;
	struct generation *g;
	struct list_error e;
	char text[64];
	pid_t pid;
	int i;

	g = fixture_open(f);
	f->ask.force = true;
	for (i = 0; i < 60; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d\n", i + 1);
		fixture_write(f, "banned", text);
		pid = fork();
		assert_int_not_equal(pid, -1);
		if (pid == 0) {
			fixture_compile(f);
			_exit(0);
		}
		usleep((useconds_t)(i * 200));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		assert_int_not_equal(fixture_refresh(f, &g, &e),
		    GENERATION_BAD);
	}
	assert_int_not_equal(fixture_compile(f), COMPILE_TROUBLE);
	assert_int_not_equal(fixture_refresh(f, &g, &e), GENERATION_BAD);
	assert_int_equal(look(g, "192.0.2.60"), LIST_FOUND);
	generation_close(g);
}

/* The newest five stay. */
static void
test_prune(void **state)
{
	struct fixture *f = *state;
	char text[64];
	int i;

	f->ask.force = true;
	for (i = 1; i <= 8; i++) {
		snprintf(text, sizeof(text), "192.0.2.%d\n", i);
		fixture_write(f, "banned", text);
		assert_int_equal(fixture_compile(f), COMPILE_DONE);
	}
	assert_string_equal(f->name, "generations/8");
	assert_false(exists(f, "generations/3"));
	assert_true(exists(f, "generations/4"));
}

/* Rising within each kind of work, and told often enough to be of use. */
static void
note_progress(void *arg, enum list_id id, const char *what, size_t done,
    size_t all)
{
	static const char *last;
	static size_t last_done;
	char *told = arg;

	assert_int_equal(id, LIST_RECIPIENTS);
	assert_in_range(done, 1, all);
	if (last == NULL || strcmp(last, what) != 0) {
		strlcat(told, what, 64);
		strlcat(told, " ", 64);
	} else {
		assert_true(done > last_done);
	}
	last = what;
	last_done = done;
}

static void
test_progress(void **state)
{
	struct fixture *f = *state;
	char path[128], told[64] = "";
	FILE *out;
	int i;

	fixture_write(f, "banned", "192.0.2.1\n");
	snprintf(path, sizeof(path), "%s/recipients", f->source);
	out = fopen(path, "w");
	assert_non_null(out);
	for (i = 0; i < 140000; i++)
		fprintf(out, "u%d@example.org\n", i);
	assert_int_equal(fclose(out), 0);
	f->ask.progress = note_progress;
	f->ask.progress_arg = told;
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_string_equal(told, "reading writing checking ");
}

/* Only a list that is named is taken from its source. */
static void
test_named(void **state)
{
	struct fixture *f = *state;
	struct generation *g;
	struct list_error e;
	struct list_info info;

	g = fixture_open(f);
	fixture_write(f, "banned", "192.0.2.1\n");
	fixture_write(f, "relay", "10.0.0.0/8\n");
	f->ask.wanted = 1U << LIST_RELAY;
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_NEW);
	assert_int_equal(look(g, "192.0.2.1"), LIST_NONE);
	generation_info(g, LIST_RELAY, &info);
	assert_int_equal(info.count, 1);
	f->ask.wanted = 0;
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_NEW);
	assert_int_equal(look(g, "192.0.2.1"), LIST_FOUND);
	generation_close(g);
}

static enum compile_outcome
previous(struct fixture *f)
{
	f->messages[0] = '\0';
	return list_previous(&f->ask, f->name, sizeof(f->name));
}

/* What was stepped back from stays out until it changes or is named. */
static void
test_previous(void **state)
{
	struct fixture *f = *state;
	struct generation *g;
	struct list_error e;

	fixture_write(f, "banned", "192.0.2.1\n");
	g = fixture_open(f);
	assert_int_equal(previous(f), COMPILE_ERRORS);
	fixture_write(f, "banned", "192.0.2.2\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_int_equal(previous(f), COMPILE_DONE);
	assert_string_equal(f->name, "generations/1");
	assert_int_equal(fixture_compile(f), COMPILE_UNCHANGED);
	assert_non_null(strstr(f->messages, "before --previous"));

	/* another list goes its way, and the step back stays */
	fixture_write(f, "names", "a.example.net\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_string_equal(f->name, "generations/3");
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_NEW);
	assert_int_equal(look(g, "192.0.2.1"), LIST_FOUND);
	assert_int_equal(look(g, "192.0.2.2"), LIST_NONE);

	/* back from 3 is 1: 2 was stepped back from */
	assert_int_equal(previous(f), COMPILE_DONE);
	assert_string_equal(f->name, "generations/1");

	f->ask.wanted = 1U << LIST_BANNED;
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	f->ask.wanted = 0;
	assert_string_equal(f->name, "generations/4");
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_NEW);
	assert_int_equal(look(g, "192.0.2.2"), LIST_FOUND);

	fixture_write(f, "names", "b.example.net\n");
	assert_int_equal(fixture_compile(f), COMPILE_DONE);
	assert_string_equal(f->messages, "");
	generation_close(g);
}

/* -n writes nothing at all, not even into an empty state folder. */
static void
test_check(void **state)
{
	struct fixture *f = *state;

	f->ask.check = true;
	fixture_write(f, "banned", "192.0.2.1\n");
	assert_int_equal(fixture_compile(f), COMPILE_UNCHANGED);
	assert_false(exists(f, "lock"));
	assert_false(exists(f, "generations"));
	fixture_write(f, "banned", "192.0.2.1 nonsense\n");
	assert_int_equal(fixture_compile(f), COMPILE_ERRORS);
}

static void
test_trouble(void **state)
{
	struct fixture *f = *state;

	f->ask.source_dir = "/nonexistent/lists";
	assert_int_equal(fixture_compile(f), COMPILE_TROUBLE);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(f->messages, "/nonexistent/lists"));
	f->ask.source_dir = f->source;
	f->ask.state_dir = "/nonexistent/state";
	assert_int_equal(fixture_compile(f), COMPILE_TROUBLE);
}

/* Drop-ins come after NAME, in the order of their names. */
static void
test_dropins(void **state)
{
	struct fixture *f = *state;
	struct generation *g;
	struct list_entry e;
	struct addr a;
	char path[160];

	snprintf(path, sizeof(path), "%s/banned.d", f->source);
	assert_int_equal(mkdir(path, 0755), 0);
	fixture_write(f, "banned.d/b", "192.0.2.2\n");
	fixture_write(f, "banned.d/a", "\n192.0.2.2\n192.0.2.3\n");
	fixture_write(f, "banned.d/.hidden", "nonsense\n");
	fixture_write(f, "banned", "192.0.2.1\n");
	g = fixture_open(f);
	assert_int_equal(addr_parse(&a, "192.0.2.2"), 0);
	assert_int_equal(list_find_addr(g, LIST_BANNED, &a, 0, &e), LIST_FOUND);
	assert_string_equal(e.file, "banned.d/a");
	assert_int_equal(e.line, 2);
	assert_int_equal(look(g, "192.0.2.1"), LIST_FOUND);
	generation_close(g);
}

static void
print_change(void *arg, bool comes, const char *key, const struct list_entry *e)
{
	fprintf(arg, "%s: %c ", list_name(e->list), comes ? '+' : '-');
	list_print(arg, key, e);
	fputc('\n', arg);
}

static void
test_diff(void **state)
{
	struct fixture *f = *state;
	char *text;
	size_t size;
	FILE *out;

	fixture_write(f, "banned", "192.0.2.1\n192.0.2.2 drop\n192.0.2.3\n");
	generation_close(fixture_open(f));
	fixture_write(f, "banned",
	    "# moved\n192.0.2.3\n192.0.2.2 \"x\"\n192.0.2.4\n");
	out = open_memstream(&text, &size);
	assert_int_equal(list_diff(&f->ask, print_change, out),
	    COMPILE_UNCHANGED);
	fclose(out);
	assert_string_equal(text,
	    "banned: - 192.0.2.1 reject\n"
	    "banned: - 192.0.2.2 drop\n"
	    "banned: + 192.0.2.2 reject \"x\"\n"
	    "banned: + 192.0.2.4 reject\n");
	free(text);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_first),
		TEST(test_refresh),
		TEST(test_same_bytes),
		TEST(test_unused),
		TEST(test_errors),
		TEST(test_damage),
		TEST(test_in_place),
		TEST(test_in_place_empty),
		TEST(test_in_place_empty_later),
		TEST(test_leftovers),
		TEST(test_killed),
		TEST(test_prune),
		TEST(test_progress),
		TEST(test_named),
		TEST(test_previous),
		TEST(test_check),
		TEST(test_trouble),
		TEST(test_dropins),
		TEST(test_diff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
