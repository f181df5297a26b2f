/*
 * The nameserver lines of resolv.conf(5), and nothing else of it: we ask for
 * full names only, and no environment variable has a say. At most as many as
 * udns takes; the rest is passed over, as the system's own resolver does.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config_report.h"
#include "daemon/resolv.h"
#include "worker/settings.h"

#define DNS_PORT  53
#define LINES_MAX 10000
#define BLANKS	  " \t\r\n\f\v"

static void
add(struct settings *set, const struct addr *addr)
{
	struct endpoint *e;
	size_t i;

	for (i = 0; i < set->nnameservers; i++)
		if (addr_equal(&set->nameservers[i].addr, addr))
			return;
	if (set->nnameservers == NAMESERVERS_MAX)
		return;
	set->nameservers = reallocarray(set->nameservers, i + 1, sizeof(*e));
	if (set->nameservers == NULL)
		err(1, NULL);
	e = &set->nameservers[set->nnameservers++];
	memset(e, 0, sizeof(*e));
	e->addr = *addr;
	e->port = DNS_PORT;
}

static void
make_printable(char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}

/* "nameserver" and an address, with blanks between; what follows is free. */
static void
read_line(struct settings *set, struct config_log *log, unsigned line,
    char *text)
{
	struct addr addr;
	char *word = strsep(&text, BLANKS);

	if (strcmp(word, "nameserver") != 0 || text == NULL)
		return;
	text += strspn(text, BLANKS);
	word = strsep(&text, BLANKS);
	if (addr_parse(&addr, word) == 0) {
		add(set, &addr);
		return;
	}
	make_printable(word);
	config_warning(log, line, "nameserver \"%.80s\" is passed over: %s",
	    word,
	    strchr(word, '%') != NULL ? "an address with a scope (%) cannot "
					"be asked" :
					"it is not an address");
}

static FILE *
open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	FILE *f;

	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return NULL;
	}
	if ((f = fdopen(fd, "r")) == NULL)
		close(fd);
	return f;
}

static void
read_lines(struct settings *set, struct config_log *log, FILE *f)
{
	char text[512];
	unsigned line = 1;
	bool start = true;

	while (line < LINES_MAX && fgets(text, sizeof(text), f) != NULL) {
		bool end = strchr(text, '\n') != NULL;

		if (start) /* else the rest of a line that is too long */
			read_line(set, log, line, text);
		start = end;
		line += end;
	}
}

void
resolv_load(struct settings *set, const char *path,
    void (*report)(void *, const char *), void *arg)
{
	struct config_log log = { path, report, arg, 0 };
	struct addr localhost;
	FILE *f;

	if (set->nnameservers > 0)
		return;
	if ((f = open_regular(path)) != NULL) {
		read_lines(set, &log, f);
		fclose(f);
	} else if (errno != ENOENT) {
		config_warning(&log, 0, "%s", strerror(errno));
	}
	if (set->nnameservers == 0 && addr_parse(&localhost, "127.0.0.1") == 0)
		add(set, &localhost);
}
