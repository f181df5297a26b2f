/*
 * Opening and closing what a reload replaces: see the header.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/listen.h"
#include "daemon/service.h"
#include "worker/log.h"
#include "worker/sandbox.h"
#include "worker/settings.h"

void
service_close(struct service *sv, const struct service *kept)
{
	listen_close(sv->listeners, kept != NULL ? kept->listeners : NULL);
	sandbox_free(sv->sandbox);
	sandbox_free(sv->probe_sandbox);
	generation_close(sv->lists);
	if (sv->state_dirfd != -1)
		close(sv->state_dirfd);
	settings_free(sv->settings);
}

/* Landlock lets through what is there now; what comes later needs a reload. */
static void
warn_missing(const struct strings *paths, const char *event)
{
	size_t i;

	for (i = 0; i < paths->n; i++)
		if (access(paths->item[i], F_OK) == -1)
			log_event(LOG_ODD, event,
			    "maildir_roots %s: %s: out of reach of workers",
			    paths->item[i], strerror(errno));
}

int
service_open(struct service *sv, const char *event)
{
	const struct settings *set = sv->settings;
	char text[512];

	sv->state_dirfd = -1;
	if (privs_find(&sv->privs, set, text, sizeof(text)) == -1 ||
	    privs_folders(&sv->privs, set, text, sizeof(text)) == -1)
		goto fail;
	sv->state_dirfd = open(set->state_dir,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sv->state_dirfd == -1) {
		snprintf(text, sizeof(text), "%.400s: %s", set->state_dir,
		    strerror(errno));
		goto fail;
	}
	sv->sandbox = sandbox_new(set, SANDBOX_WORKER, text, sizeof(text));
	if (sv->sandbox == NULL)
		goto fail;
	sv->probe_sandbox = sandbox_new(set, SANDBOX_PROBE, text, sizeof(text));
	if (sv->probe_sandbox == NULL)
		goto fail;
	warn_missing(&set->maildir_roots, event);
	return 0;
fail:
	log_event(LOG_BAD, event, "%s", text);
	return -1;
}
