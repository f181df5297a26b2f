/*
 * The common part of the command-line programs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "daemon/config.h"
#include "tools/tool.h"

void
tool_usage(const char *usage)
{
	fputs(usage, stderr);
	exit(EX_USAGE);
}

void
tool_help(const char *usage, const char *help)
{
	fputs(usage, stdout);
	fputs(help, stdout);
	exit(fflush(stdout) == 0 ? 0 : EX_IOERR);
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
