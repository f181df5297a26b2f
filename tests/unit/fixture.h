/*
 * For the tests of the lists: a folder of sources and one of state below
 * /tmp, a compiler run on them, and its messages as text.
 */
#ifndef LICTOR_FIXTURE_H
#define LICTOR_FIXTURE_H

#include <sys/types.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lists/list.h"

#define NITEMS(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
	char dir[32], source[48], state[48];
	char messages[65536]; /* "FILE:LINE: text\n", FILE without the folder */
	char name[64];	      /* of the generation in force */
	struct list_compile ask;
};

/* Gather messages of a file's reader, a line each, in 4096 octets. */
static inline void
fixture_collect(void *arg, const char *message)
{
	strlcat(arg, message, 4096);
	strlcat(arg, "\n", 4096);
}

static inline void
fixture_report(void *arg, bool warning, const struct list_error *e)
{
	struct fixture *f = arg;
	const char *file = e->file;
	size_t n = strlen(f->messages), dir = strlen(f->dir);

	if (dir > 0 && strncmp(file, f->dir, dir) == 0) {
		file += dir + 1;
		if (strchr(file, '/') != NULL)
			file = strchr(file, '/') + 1;
	}
	snprintf(f->messages + n, sizeof(f->messages) - n, "%s:%u: %s%s\n",
	    file, e->line, warning ? "warning: " : "", e->text);
}

static inline int
fixture_setup(void **state)
{
	static char root[] = "/";
	static char *anywhere[] = { root };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	strlcpy(f->dir, "/tmp/lictor.XXXXXX", sizeof(f->dir));
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->source, sizeof(f->source), "%s/source", f->dir);
	snprintf(f->state, sizeof(f->state), "%s/state", f->dir);
	assert_int_equal(mkdir(f->source, 0755), 0);
	assert_int_equal(mkdir(f->state, 0755), 0);
	f->ask.source_dir = f->source;
	f->ask.state_dir = f->state;
	f->ask.gid = (gid_t)-1;
	f->ask.maildir_roots = anywhere;
	f->ask.nmaildir_roots = 1;
	f->ask.report = fixture_report;
	f->ask.report_arg = f;
	*state = f;
	return 0;
}

static inline int
fixture_remove(const char *path, const struct stat *st, int type, struct FTW *w)
{
	(void)st;
	(void)type;
	(void)w;
	return remove(path);
}

static inline int
fixture_teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* Write a source; NULL removes it. */
static inline void
fixture_write(struct fixture *f, const char *name, const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->source, name);
	if (text == NULL) {
		unlink(path);
		return;
	}
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static inline enum compile_outcome
fixture_compile(struct fixture *f)
{
	f->messages[0] = '\0';
	return list_compile(&f->ask, f->name, sizeof(f->name));
}

static inline int
fixture_state(const struct fixture *f)
{
	int fd = open(f->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_not_equal(fd, -1);
	return fd;
}

/* Refresh *g as a worker would. */
static inline enum generation_state
fixture_refresh(const struct fixture *f, struct generation **g,
    struct list_error *e)
{
	enum generation_state r;
	int fd = fixture_state(f);

	r = generation_refresh(g, fd, e);
	close(fd);
	return r;
}

/* Compile what is there and open it; ends the test when that fails. */
static inline struct generation *
fixture_open(struct fixture *f)
{
	struct generation *g = NULL;
	struct list_error e;

	if (fixture_compile(f) != COMPILE_DONE)
		fail_msg("%s", f->messages);
	assert_int_equal(fixture_refresh(f, &g, &e), GENERATION_NEW);
	return g;
}

#endif
