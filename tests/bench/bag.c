/*
 * The bag of messages and its ledger. A ledger line is in the file before the
 * next command is sent, so that a driver that is killed leaves a true one.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bag.h"

void
bag_open(struct bag *b, uint32_t total, int retries, const char *ledger)
{
	struct timespec ts;

	memset(b, 0, sizeof(*b));
	b->total = total;
	b->retries = ledger != NULL ? retries : 0;
	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(b->run, sizeof(b->run), "%08x%05x%05x", (unsigned)ts.tv_sec,
	    (unsigned)(ts.tv_nsec / 1000), (unsigned)getpid() & 0xfffff);
	if (ledger == NULL)
		return;
	if ((b->ledger = fopen(ledger, "ae")) == NULL)
		err(1, "%s", ledger);
	setvbuf(b->ledger, NULL, _IOLBF, 0);
}

void
bag_close(struct bag *b)
{
	if (b->ledger != NULL && fclose(b->ledger) != 0)
		err(1, "ledger");
	free(b->returned);
}

bool
bag_take(struct bag *b, struct message *m)
{
	if (b->nreturned > 0) {
		*m = b->returned[--b->nreturned];
		return true;
	}
	if (b->fresh == b->total)
		return false;
	m->number = b->fresh++;
	m->tries = 0;
	return true;
}

bool
bag_empty(const struct bag *b)
{
	return b->nreturned == 0 && b->fresh == b->total;
}

void
bag_return(struct bag *b, struct message *m)
{
	if (m->tries++ >= b->retries) {
		b->gave_up++;
		return;
	}
	if (b->nreturned == b->room) {
		b->room = b->room == 0 ? 64 : 2 * b->room;
		b->returned = reallocarray(b->returned, b->room,
		    sizeof(*b->returned));
		if (b->returned == NULL)
			err(1, NULL);
	}
	b->returned[b->nreturned++] = *m;
}

void
bag_told(struct bag *b, struct message *m, int code)
{
	char id[BAG_ID_MAX];

	if (b->ledger != NULL)
		fprintf(b->ledger, "told %s %d\n", bag_id(b, m, id), code);
	if (code == 250)
		b->accepted++;
	else
		bag_return(b, m);
}

void
bag_lost(struct bag *b, struct message *m)
{
	char id[BAG_ID_MAX];

	if (b->ledger != NULL)
		fprintf(b->ledger, "lost %s\n", bag_id(b, m, id));
	bag_return(b, m);
}

const char *
bag_id(const struct bag *b, const struct message *m, char buf[BAG_ID_MAX])
{
	snprintf(buf, BAG_ID_MAX, "%s.%08x", b->run, (unsigned)m->number);
	return buf;
}
