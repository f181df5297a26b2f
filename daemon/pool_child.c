/*
 * What a child of the master becomes: it lets go of all that it does not need,
 * changes its user, takes over its signals, and goes its own way.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <bsd/libutil.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/keys.h"
#include "daemon/listen.h"
#include "daemon/next_hops.h"
#include "daemon/pool_state.h"
#include "daemon/privs.h"
#include "daemon/probe.h"
#include "daemon/visit.h"
#include "daemon/zones.h"
#include "worker/log.h"
#include "worker/sandbox.h"
#include "worker/settings.h"
#include "worker/wait.h"
#include "worker/worker.h"

#define READ_MOST 1000 /* records of the probe helper's at once */

/* In any child, first. */
static void
leave_master(const struct pool *p)
{
	log_forked();
	if (p->pidfile != NULL)
		pidfile_close(p->pidfile);
	close(p->wake[0]);
	if (p->probe.fd != -1)
		close(p->probe.fd);
	if (p->keys.fd != -1)
		close(p->keys.fd);
}

/* In any child: its user and its signals. 0, or -1: it is not to go on. */
static int
become_child(const struct service *sv, pid_t master)
{
	if (privs_drop(&sv->privs) == -1) {
		log_event(LOG_BAD, "worker", "cannot become user %s: %s",
		    sv->settings->user, strerror(errno));
		return -1;
	}
	wait_signals();
	/* A change of user clears it: so it comes after that. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return getppid() == master ? 0 : -1;
}

/* In the child: nothing of the master's stays but what a worker needs. */
int
pool_be_worker(const struct pool *p, unsigned i)
{
	const struct service *sv = &p->now;
	struct worker_start start;

	leave_master(p);
	sandbox_let_go(sv->probe_sandbox);
	sandbox_let_go(sv->keys_sandbox);
	if (sv->keys[0] != -1)
		close(sv->keys[0]);
	memset(&start, 0, sizeof(start));
	start.slot = pool_slot(p, i);
	board_keep_own(&p->board, i);
	start.settings = sv->settings;
	start.sandbox = sv->sandbox;
	start.listeners = sv->listeners->fds;
	start.tls = sv->listeners->tls;
	start.proxy_from = sv->listeners->proxy_from;
	start.tls_context = sv->tls;
	start.tls_clients = sv->tls_clients;
	start.keys = sv->keys[1];
	start.nlisteners = sv->listeners->n;
	start.state_dirfd = sv->state_dirfd;
	start.lists = sv->lists;
	start.slot_number = i;
	start.state = p->board.visible;
	start.clients = p->board.clients;
	start.wake_fd = p->wake[1];
	if (become_child(sv, p->pid) == -1)
		return getppid() == p->pid ? WORKER_TROUBLE : WORKER_DONE;
	return worker_main(&start);
}

/* -------------------------------------------------------------- the helpers */

/* In the child: the settings, its channel, and no more. */
static int
be_probe(void *arg, int fd)
{
	struct pool *p = arg;
	struct probe_start start = { p->now.settings, p->now.probe_sandbox, fd,
		p->hops, p->now.tls_clients };

	leave_master(p);
	sandbox_let_go(p->now.sandbox);
	sandbox_let_go(p->now.keys_sandbox);
	if (p->now.tls != NULL)
		service_hang_up(&p->now);
	close(p->wake[1]);
	close(p->now.state_dirfd);
	listen_close(p->now.listeners, NULL);
	board_keep_none(&p->board);
	generation_close(p->now.lists);
	if (become_child(&p->now, p->pid) == -1)
		return 1;
	setproctitle("probe");
	return probe_main(&start);
}

void
pool_start_probe(struct pool *p)
{
	if (zones_are_probed(p->now.settings) ||
	    visit_wanted(p->now.settings, p->hops))
		helper_start(&p->probe, be_probe, p);
}

/* One record of the helper's, told by its size. -1: the channel has ended. */
static int
hear_one(struct pool *p)
{
	union {
		struct probe_answer zone;
		struct probe_visit hop;
	} said;

	ssize_t n = recv(p->probe.fd, &said, sizeof(said), MSG_DONTWAIT);

	if (n == sizeof(said.zone))
		zones_take(p->zones, p->now.settings, &said.zone);
	else if (n == sizeof(said.hop))
		next_hops_take(p->board.state, p->board.clients, &said.hop);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return n > 0 ? 1 : -1;
}

void
pool_hear_probe(struct pool *p)
{
	int i, heard = 1;

	/* The master has other work, too. */
	for (i = 0; i < READ_MOST && heard == 1; i++)
		heard = hear_one(p);
	helper_heard(&p->probe, heard >= 0);
}

void
pool_see_hops(struct pool *p)
{
	struct list_info info = { .hops = NULL };
	const char *hops;

	if (p->now.lists != NULL)
		generation_info(p->now.lists, LIST_ROUTES, &info);
	hops = info.hops != NULL ? info.hops : "";
	if (p->hops != NULL && strcmp(p->hops, hops) == 0)
		return;
	free(p->hops);
	p->hops = strdup(hops);
	next_hops_place(p->board.state, p->hops);
	helper_stop(&p->probe);
}

/* The keys helper may be one for settings that are not in force yet. */
struct keys_birth {
	const struct pool *pool;
	const struct service *service;
};

/* In the child: the keys, its two channels, and no more. */
static int
be_keys(void *arg, int fd)
{
	const struct keys_birth *b = arg;
	const struct pool *p = b->pool;
	const struct service *sv = b->service;
	int requests = sv->keys[0];
	struct tls_keys *keys;

	leave_master(p);
	close(p->wake[1]);
	board_keep_none(&p->board);
	sandbox_let_go(sv->sandbox);
	sandbox_let_go(sv->probe_sandbox);
	close(sv->keys[1]);
	close(sv->state_dirfd);
	listen_close(sv->listeners, sv != &p->now ? p->now.listeners : NULL);
	if (sv != &p->now)
		service_let_go(&p->now);
	if ((keys = keys_read(sv->tls, sv->settings, fd)) == NULL ||
	    become_child(sv, p->pid) == -1)
		return 1;
	setproctitle("keys");
	return keys_serve(keys, sv->keys_sandbox, fd, requests);
}

void
pool_start_keys(struct helper *h, const struct pool *p,
    const struct service *sv)
{
	struct keys_birth birth = { p, sv };

	if (sv->tls != NULL)
		helper_start(h, be_keys, &birth);
}

int
pool_open_keys(struct helper *h, const struct pool *p, const struct service *sv)
{
	helper_init(h, "keys");
	pool_start_keys(h, p, sv);
	if (sv->tls == NULL || keys_wait(h, pool_report, NULL) == 0)
		return 0;
	if (h->pid != 0)
		kill(h->pid, SIGKILL);
	helper_stop(h);
	return -1;
}

void
pool_hear_keys(struct helper *h)
{
	int heard = keys_hear(h, pool_report, NULL);

	if (heard != 0)
		helper_heard(h, heard == 1);
}
