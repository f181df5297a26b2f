/*
 * How the configuration reader says what is wrong.
 */
#ifndef LICTOR_CONFIG_REPORT_H
#define LICTOR_CONFIG_REPORT_H

/* Where messages go; errors counts those that are no warnings. */
struct config_log {
	const char *path;
	void (*report)(void *, const char *);
	void *arg;
	unsigned errors;
};

/* Line 0 is no line. After CONFIG_ERRORS_MAX errors the rest is not said. */
#define CONFIG_ERRORS_MAX 50
void config_error(struct config_log *, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void config_warning(struct config_log *, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define CONFIG_LABEL_MAX 256

/* How a section or a setting is called in messages; parts may be NULL. */
const char *config_label(const char *section, const char *title,
    const char *name, char buf[CONFIG_LABEL_MAX]);

#endif
