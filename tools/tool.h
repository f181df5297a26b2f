/*
 * What all tools do alike: say how they are used, and read the configuration.
 */
#ifndef LICTOR_TOOL_H
#define LICTOR_TOOL_H

struct settings;

/* Wrong use: the usage on stderr, EX_USAGE. */
_Noreturn void tool_usage(const char *usage);
/* Asked for: usage and help on stdout, 0. */
_Noreturn void tool_help(const char *usage, const char *help);

/* The settings; ends with EX_CONFIG after each mistake was told on stderr. */
struct settings *tool_settings(const char *path);

#endif
