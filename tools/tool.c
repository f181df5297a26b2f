/*
 * The common part of the command-line programs.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/config.h"
#include "lists/list.h"
#include "tools/tool.h"

void
tool_usage(const char *usage)
{
	fputs(usage, stderr);
	exit(EX_USAGE);
}

int
tool_finish(int status)
{
	bool failed = ferror(stdout) != 0;

	if (fclose(stdout) == EOF || failed) {
		warn("stdout");
		return EX_IOERR;
	}
	return status;
}

void
tool_help(const char *usage, const char *help)
{
	fputs(usage, stdout);
	fputs(help, stdout);
	exit(tool_finish(0));
}

static void
report(void *arg, const char *message)
{
	(void)arg;
	fprintf(stderr, "%s\n", message);
}

struct settings *
tool_settings(const char *path)
{
	struct settings *set = config_load(path, report, NULL);

	if (set == NULL)
		exit(EX_CONFIG);
	return set;
}

static int
exit_code(int error)
{
	return error == EPROTO ? EX_SOFTWARE :
	    error == EACCES    ? EX_NOPERM :
				 EX_NOINPUT;
}

struct generation *
tool_generation(const char *state_dir)
{
	struct generation *g = NULL;
	struct list_error e;
	int fd;

	fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		err(exit_code(errno), "%s", state_dir);
	if (generation_refresh(&g, fd, &e) == GENERATION_BAD)
		errx(exit_code(errno), "%s/%s: %s", state_dir, e.file, e.text);
	close(fd);
	return g;
}
