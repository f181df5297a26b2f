/*
 * Messages of the configuration reader: "file:line: message", counted, and
 * with an end whatever the file holds.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config_report.h"

static void __attribute__((format(printf, 4, 0)))
message(struct config_log *log, unsigned line, const char *kind,
    const char *fmt, va_list ap)
{
	char text[768], whole[1280];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (line != 0)
		snprintf(whole, sizeof(whole), "%s:%u: %s%s", log->path, line,
		    kind, text);
	else
		snprintf(whole, sizeof(whole), "%s: %s%s", log->path, kind,
		    text);
	log->report(log->arg, whole);
}

void
config_error(struct config_log *log, unsigned line, const char *fmt, ...)
{
	va_list ap;

	log->errors++;
	if (log->errors > CONFIG_ERRORS_MAX + 1)
		return;
	if (log->errors > CONFIG_ERRORS_MAX)
		fmt = "too many errors, the rest is not shown";
	va_start(ap, fmt);
	message(log, line, "", fmt, ap);
	va_end(ap);
}

void
config_warning(struct config_log *log, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(log, line, "warning: ", fmt, ap);
	va_end(ap);
}

const char *
config_label(const char *section, const char *title, const char *name,
    char buf[CONFIG_LABEL_MAX])
{
	if (title != NULL)
		snprintf(buf, CONFIG_LABEL_MAX, "%.60s \"%.80s\"", section,
		    title);
	else
		snprintf(buf, CONFIG_LABEL_MAX, "%.60s",
		    section != NULL ? section : "");
	if (name != NULL) {
		if (section != NULL)
			strlcat(buf, ": ", CONFIG_LABEL_MAX);
		strlcat(buf, name, CONFIG_LABEL_MAX);
	}
	return buf;
}
