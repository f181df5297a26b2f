/*
 * The life of a helper, in the master: see the header.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/helper.h"
#include "daemon/pool_policy.h"
#include "worker/log.h"
#include "worker/wait.h"

void
helper_init(struct helper *h, const char *name)
{
	memset(h, 0, sizeof(*h));
	h->name = name;
	h->fd = -1;
}

static void
hang_up(struct helper *h)
{
	if (h->fd != -1)
		close(h->fd);
	h->fd = -1;
}

void
helper_start(struct helper *h, int (*run)(void *arg, int fd), void *arg)
{
	int fds[2];

	if (h->pid != 0 || clock_ms() < h->not_before)
		return;
	h->not_before = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fds) == -1) {
		log_event(LOG_BAD, "worker", "%s: %s", h->name,
		    strerror(errno));
		h->not_before = clock_ms() + pool_pause_ms(++h->deaths);
		return;
	}
	h->fd = fds[0];
	switch (h->pid = fork()) {
	case -1:
		log_event(LOG_BAD, "worker", "fork: %s", strerror(errno));
		h->pid = 0;
		h->not_before = clock_ms() + pool_pause_ms(++h->deaths);
		hang_up(h);
		break;
	case 0:
		exit(run(arg, fds[1]));
	}
	close(fds[1]);
}

void
helper_stop(struct helper *h)
{
	hang_up(h);
	helper_init(h, h->name);
}

void
helper_bury(struct helper *h, int status)
{
	bool killed = WIFSIGNALED(status);

	log_event(LOG_BAD, "worker", "the helper %s died, %s %d", h->name,
	    killed ? "signal" : "status",
	    killed ? WTERMSIG(status) : WEXITSTATUS(status));
	hang_up(h);
	h->pid = 0;
	h->not_before = clock_ms() + pool_pause_ms(++h->deaths);
}

void
helper_heard(struct helper *h, int made_sense)
{
	if (made_sense)
		h->deaths = 0;
	else
		hang_up(h); /* it is about to be buried */
}
