/*
 * Reading foreign files by the line, bounded in length and number.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lines.h"

#define LINE_OCTETS 1002

/* Anything else could keep the master waiting. */
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

/* The last word of a line that is too long may be half of one. */
static void
cut_word(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] != ' ' && text[n - 1] != '\t')
		n--;
	text[n] = '\0';
}

int
lines_each(const char *path, void (*each)(void *, unsigned line, char *text),
    void *arg)
{
	char text[LINE_OCTETS];
	unsigned line = 1;
	bool start = true, end;
	FILE *f = open_regular(path);

	if (f == NULL)
		return -1;
	while (line <= LINES_MAX && fgets(text, sizeof(text), f) != NULL) {
		end = strchr(text, '\n') != NULL;
		text[strcspn(text, "\n")] = '\0';
		if (!end && strlen(text) == sizeof(text) - 1)
			cut_word(text);
		if (start) /* else the rest of a line that is too long */
			each(arg, line, text);
		start = end;
		line += end;
	}
	fclose(f);
	return 0;
}

void
lines_printable(char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s > '~')
			*s = '?';
}
