/*
 * Workers as the master sees them: forked, counted, sent away and buried. What
 * a slot says of itself is a worker's word, and is not trusted.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/pool_policy.h"
#include "daemon/pool_state.h"
#include "worker/clients.h"
#include "worker/delivered.h"
#include "worker/hop_share.h"
#include "worker/log.h"
#include "worker/slot.h"
#include "worker/wait.h"
#include "worker/worker.h"

struct slot *
pool_slot(const struct pool *p, unsigned i)
{
	return slot_at(p->board.slots, i);
}

void
pool_count(const struct pool *p, int *total, int *idle)
{
	unsigned i;

	*total = *idle = 0;
	for (i = 0; i < p->book->high; i++) {
		if (p->book->children[i].pid == 0 ||
		    p->book->children[i].leaving)
			continue;
		(*total)++;
		*idle += clients_is_idle(p->board.clients, i);
	}
}

static void
log_list_trouble(struct pool *p, const char *text)
{
	struct logline l;

	if (strcmp(text, p->book->list_error) == 0)
		return;
	strlcpy(p->book->list_error, text, sizeof(p->book->list_error));
	log_start(&l, LOG_BAD, "list");
	log_text(&l, "text", text);
	log_send(&l);
}

void
pool_refresh_lists(struct pool *p)
{
	char text[sizeof(p->book->list_error)];
	struct list_error error;

	switch (generation_refresh(&p->now.lists, p->now.state_dirfd, &error)) {
	case GENERATION_BAD:
		snprintf(text, sizeof(text), "%s: %s", error.file, error.text);
		log_list_trouble(p, text);
		break;
	case GENERATION_NEW:
		p->book->list_error[0] = '\0';
		log_event(LOG_USUAL, "list", "%s is in force",
		    generation_name(p->now.lists));
		break;
	case GENERATION_SAME:
		break;
	}
}

/* What a slot says of itself is a worker's word: cut and escaped. */
void
pool_see_trouble(struct pool *p, unsigned i)
{
	struct slot *slot = pool_slot(p, i);
	uint32_t seen = atomic_load(&slot->list_trouble);
	char text[sizeof(slot->list_error)];

	if (seen == p->book->children[i].trouble)
		return;
	p->book->children[i].trouble = seen;
	memcpy(text, slot->list_error, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_list_trouble(p, text);
}

int
pool_start_worker(struct pool *p)
{
	unsigned i;
	pid_t pid;

	for (i = 0; i < SLOTS_MAX && p->book->children[i].pid != 0; i++)
		;
	if (i == SLOTS_MAX)
		return -1;
	if (board_reserve(&p->board, i) == -1) {
		log_event(LOG_BAD, "worker", "slots: %s", strerror(errno));
		p->book->early_deaths++;
		return -1;
	}
	if (i >= p->book->high) {
		p->book->high = i + 1;
		atomic_store(&p->board.state->words, i / 64 + 1);
	}
	memset(pool_slot(p, i), 0, sizeof(struct slot));
	atomic_store(&pool_slot(p, i)->phase, SLOT_IDLE);
	clients_set_idle(p->board.clients, i);
	switch (pid = fork()) {
	case -1:
		log_event(LOG_BAD, "worker", "fork: %s", strerror(errno));
		clients_set_busy(p->board.clients, i);
		p->book->early_deaths++;
		return -1;
	case 0:
		exit(pool_be_worker(p, i));
	}
	memset(&p->book->children[i], 0, sizeof(p->book->children[i]));
	p->book->children[i].pid = pid;
	p->book->children[i].born = ++p->book->births;
	pool_slot(p, i)->pid = pid;
	return 0;
}

void
pool_dismiss(struct pool *p, unsigned i)
{
	p->book->children[i].leaving = true;
	clients_set_busy(p->board.clients, i);
	kill(p->book->children[i].pid, SIGTERM);
}

void
pool_dismiss_all(struct pool *p, int sig)
{
	unsigned i;

	for (i = 0; i < p->book->high; i++) {
		if (p->book->children[i].pid == 0)
			continue;
		if (sig == SIGTERM)
			pool_dismiss(p, i);
		else
			kill(p->book->children[i].pid, sig);
	}
}

void
pool_dismiss_idle(struct pool *p, int n)
{
	unsigned i;

	for (i = p->book->high; i > 0 && n > 0; i--) {
		if (p->book->children[i - 1].pid == 0 ||
		    p->book->children[i - 1].leaving ||
		    !clients_is_idle(p->board.clients, i - 1))
			continue;
		pool_dismiss(p, i - 1);
		n--;
	}
}

/* ------------------------------------------------------------------- deaths */

static void
log_death(const struct slot *slot, pid_t pid, int status)
{
	char client[sizeof(slot->client)], ref[sizeof(slot->ref)];
	struct logline l;

	memcpy(client, slot->client, sizeof(client));
	memcpy(ref, slot->ref, sizeof(ref));
	client[sizeof(client) - 1] = ref[sizeof(ref) - 1] = '\0';
	log_start(&l, LOG_BAD, "worker");
	log_number(&l, "pid", pid);
	if (WIFSIGNALED(status))
		log_number(&l, "signal", WTERMSIG(status));
	else
		log_number(&l, "status", WEXITSTATUS(status));
	if (client[0] != '\0') {
		log_text(&l, "client", client);
		log_text(&l, "ref", ref);
	}
	log_text(&l, "text",
	    WIFSIGNALED(status) ? "a worker was killed" : "a worker failed");
	log_send(&l);
}

/* Has a worker that was started since the last early death served anybody? */
static bool
start_is_proven(const struct pool *p)
{
	unsigned i;

	for (i = 0; i < p->book->high; i++)
		if (p->book->children[i].born > p->book->early_birth &&
		    pool_slot(p, i)->sessions > 0)
			return true;
	return false;
}

/*
 * A worker that died may have taken the wake-up of a client with it. Where its
 * successor, who would see that client, may not come yet, the idle ones look.
 */
static void
poke_idle(const struct pool *p)
{
	unsigned i;

	for (i = 0; i < p->book->high; i++)
		if (p->book->children[i].pid != 0 &&
		    clients_is_idle(p->board.clients, i))
			kill(p->book->children[i].pid, SIGUSR1);
}

/*
 * A worker that dies badly is owed a successor whatever the policy says. The
 * pause before that grows with every death before a first session's end, until
 * a worker that was started since has served.
 */
static void
count_death(struct pool *p, const struct slot *slot)
{
	p->book->owed++;
	if (start_is_proven(p))
		p->book->early_deaths = 0;
	if (slot->sessions == 0) {
		p->book->early_deaths++;
		p->book->early_birth = p->book->births;
	}
	if (p->book->early_deaths > 1)
		p->book->not_before = clock_ms() +
		    pool_pause_ms(p->book->early_deaths - 1);
}

void
pool_bury(struct pool *p, unsigned i, int status)
{
	struct slot *slot = pool_slot(p, i);
	bool badly = !WIFEXITED(status) || WEXITSTATUS(status) != WORKER_DONE;

	pool_see_trouble(p, i);
	if (badly) {
		log_death(slot, p->book->children[i].pid, status);
		count_death(p, slot);
		delivered_take_back(p->board.clients, p->book->children[i].pid);
	}
	clients_set_busy(p->board.clients, i);
	if (slot->held != 0)
		clients_leave(p->board.clients, slot->held);
	hop_take_back(p->board.clients, slot);
	if (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_LISTS) {
		/* What the master has open is the same damaged file. */
		generation_close(p->now.lists);
		p->now.lists = NULL;
	}
	memset(slot, 0, sizeof(*slot));
	memset(&p->book->children[i], 0, sizeof(p->book->children[i]));
	if (badly && p->book->not_before > clock_ms())
		poke_idle(p);
}
