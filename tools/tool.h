/*
 * What all tools do alike: say how they are used, and read the configuration.
 */
#ifndef LICTOR_TOOL_H
#define LICTOR_TOOL_H

struct generation;
struct settings;

/* Wrong use: the usage on stderr, EX_USAGE. */
_Noreturn void tool_usage(const char *usage);
/* Asked for: usage and help on stdout, 0. */
_Noreturn void tool_help(const char *usage, const char *help);

/* The settings; ends with EX_CONFIG after each mistake was told on stderr. */
struct settings *tool_settings(const char *path);

/* The generation in force; ends with EX_NOINPUT or EX_NOPERM without. */
struct generation *tool_generation(const char *state_dir);

/* Close stdout: the status, or EX_IOERR if not all of it was written. */
int tool_finish(int status);

#endif
