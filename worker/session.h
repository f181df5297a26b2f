/*
 * One session: all that a client causes is in this struct, and all of it is
 * cleared before the next client. Only worker/session.c and the commands
 * (cmd_*.c) open it.
 */
#ifndef LICTOR_SESSION_H
#define LICTOR_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/check.h"
#include "worker/data.h"
#include "worker/deliver.h"
#include "worker/dnsbl.h"
#include "worker/intake.h"
#include "worker/lineio.h"
#include "worker/maildom.h"
#include "worker/peer.h"
#include "worker/settings.h"
#include "worker/stream.h"
#include "worker/wait.h"

struct clients;
struct generation;
struct hop;
struct logline;
struct slot;
struct spool;
struct state;
struct tls;
struct tls_context;

/* Where a session is: which commands may come. */
enum phase {
	PH_START = 1, /* greeted; no HELO or EHLO yet */
	PH_HELLO = 2, /* no transaction */
	PH_MAIL = 4,  /* MAIL was accepted, no recipient yet */
	PH_RCPT = 8,  /* at least one recipient was accepted */
	PH_BDAT = 16  /* a chunk was accepted, the last one was not yet */
};

#define PH_OPEN (PH_MAIL | PH_RCPT | PH_BDAT) /* a transaction is */
#define PH_ANY	(PH_START | PH_HELLO | PH_OPEN)

#define REF_TEXT_MAX 24

struct session {
	/* Given by the worker, the same for all its sessions. */
	const struct settings *set;
	struct slot *slot;
	struct spool *spool;
	struct dns_servers *servers;
	struct where_cache *where_cache; /* names of next hops */
	const struct state *state;
	struct clients *clients; /* what workers share, or NULL */
	void (*left)(void *);	 /* called once when the worker is to leave */
	void *left_arg;
	struct tls_context *tls_context; /* NULL: there is none */
	struct hop *hop;		 /* what may lead to a next hop */
	int keys;			 /* the channel to the keys helper */
	struct beside *beside;		 /* who was refused before, or NULL */

	/* Given for every client: what its listener has. */
	enum tls_level tls_level;
	const struct prefixes *proxy_from; /* who names its clients, or NULL */

	/* From here on all is cleared for every client. */
	struct peer peer;
	struct finding found[CHECK_COUNT];
	const struct finding *held; /* a refusal that waits for RCPT */
	unsigned undecided;	    /* rows that may find something else yet */
	bool settled;		    /* a recipient had to know */
	bool named;		    /* its names were asked for */
	struct dns *dns;	    /* questions of its own, or NULL */
	struct tls *tls;	    /* NULL: in the clear */
	struct maildom maildom;	    /* of the sender */

	struct addr via; /* the proxy that named the client; family 0: none */
	bool quiet;	 /* it is the proxy itself that talks */

	enum phase phase;
	unsigned offered; /* extensions that depend on next hops: HOP_... */
	bool may_quit;	  /* refused at the greeting, but for that */
	bool over;	  /* no further command is taken */
	const char *end;  /* how it ended, for the log */
	int64_t start_ms;
	int64_t deadline_ms; /* of the whole session */
	int errors;	     /* replies 5xx */
	int idle_commands;   /* commands since the last message */
	int refused;	     /* refusals since the last message */
	unsigned transactions, messages, refusals;
	char id[16];		/* of the session */
	char ref[REF_TEXT_MAX]; /* of what goes on now: id, or id.N */

	struct envelope env;
	struct delivery delivery;
	struct waiting waiting;

	/* From here on each part is cleared by its own first use. */
	struct lineio io;
	struct rdns rdns;
	struct dnsbl dnsbl; /* its first members are the worker's */
	struct data_scan scan;
	struct intake intake;
	struct stream stream;
};

/*
 * Begin with a connection from that address; the caller has filled the first
 * members and closes fd in the end. Where proxies name the clients, this reads
 * who it is. True: there is a client, whose address is in peer, and
 * session_run must follow. False: there is none, and the session is over.
 */
bool
session_begin(struct session *, int fd, const struct addr *, uint16_t port);
/*
 * Serve it from its greeting to its last octet, on these lists. False: it was
 * refused at the greeting and told so, and is to be let go of (may_quit, io).
 */
bool session_run(struct session *, struct generation *);

/* From now on this is the client. */
void session_set_client(struct session *, const struct addr *, uint16_t port);

/* End the session after the command in hand; why is a word for the log. */
void session_end(struct session *, const char *why);
/*
 * The client was silent for too long, the gateway has to go, or the client
 * has gone: say so where it can be heard, and end the session as late,
 * "shutdown" or lost.
 */
void session_cut_off(struct session *, enum io_result, const char *late,
    const char *lost);
/* The deadline of something that may take secs, within the session's. */
int64_t session_deadline(const struct session *, int secs);
/* Are nearly all workers busy now, so that nobody is to be waited for long? */
bool session_is_pressed(const struct session *);
/*
 * As io_fill, and io_line, for a client that may be silent for secs, or for
 * busy_secs while nearly all workers are busy, also from a moment on at which
 * it waits already.
 */
enum io_result session_fill(struct session *, int secs);
enum io_result
session_line(struct session *, int secs, const char **line, size_t *len);
/*
 * Forget the transaction and what was spooled of its message: after every end of data whatever the answer, after
 * RSET, HELO, EHLO and a lost client.
 */
void session_reset(struct session *);
/* The address of ours that the client talks to is to be in peer. */
void session_learn_local(struct session *);
/* Begin a log line that tells which session and client it is about. */
void session_log(const struct session *, struct logline *, const char *event);

/* Version and cipher, where there is TLS. */
void session_log_tls(const struct session *, struct logline *);
/* The client's confirmed name, or why there is none. */
void session_log_name(const struct session *, struct logline *);

#endif
