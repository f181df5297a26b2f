/*
 * Opening and closing what a reload replaces: see the header.
 */
#include <sys/socket.h>

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
#include "worker/tls.h"
#include "worker/tls_client.h"

void
service_init(struct service *sv, struct settings *set)
{
	memset(sv, 0, sizeof(*sv));
	sv->settings = set;
	sv->state_dirfd = sv->keys[0] = sv->keys[1] = -1;
}

int
service_call(struct service *sv)
{
	return socketpair(AF_UNIX,
	    SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv->keys);
}

void
service_hang_up(struct service *sv)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (sv->keys[i] != -1)
			close(sv->keys[i]);
		sv->keys[i] = -1;
	}
}

void
service_let_go(const struct service *sv)
{
	int i;

	sandbox_let_go(sv->sandbox);
	sandbox_let_go(sv->probe_sandbox);
	sandbox_let_go(sv->keys_sandbox);
	for (i = 0; i < 2; i++)
		if (sv->keys[i] != -1)
			close(sv->keys[i]);
	if (sv->state_dirfd != -1)
		close(sv->state_dirfd);
	listen_close(sv->listeners, NULL);
}

void
service_close(struct service *sv, const struct service *kept)
{
	listen_close(sv->listeners, kept != NULL ? kept->listeners : NULL);
	sandbox_free(sv->sandbox);
	sandbox_free(sv->probe_sandbox);
	sandbox_free(sv->keys_sandbox);
	service_hang_up(sv);
	tls_context_free(sv->tls);
	tls_clients_free(sv->tls_clients);
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

static void
report(void *arg, const char *message)
{
	(void)arg;
	log_event(LOG_BAD, "reload", "%s", message);
}

/* Certificates, and the channel to who has their keys. */
static int
open_tls(struct service *sv, char *text, size_t size)
{
	const struct settings *set = sv->settings;

	text[0] = '\0';
	if (set->tls.certificate.n == 0)
		return 0;
	if ((sv->tls = tls_context_new(set, report, NULL)) == NULL)
		return -1;
	sv->keys_sandbox = sandbox_new(set, SANDBOX_KEYS, text, size);
	if (sv->keys_sandbox == NULL)
		return -1;
	if (service_call(sv) == 0)
		return 0;
	snprintf(text, size, "keys: %s", strerror(errno));
	return -1;
}

int
service_open(struct service *sv, const char *event)
{
	const struct settings *set = sv->settings;
	char text[512];

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
	if (open_tls(sv, text, sizeof(text)) == -1 ||
	    tls_clients_new(&sv->tls_clients, set, report, NULL) == -1)
		goto fail;
	warn_missing(&set->maildir_roots, event);
	return 0;
fail:
	if (text[0] != '\0')
		log_event(LOG_BAD, event, "%s", text);
	return -1;
}
