/*
 * A transaction over a connection to a next hop: what SMTP and LMTP have in
 * common. The next hop is asked for every recipient while the client waits,
 * and its answer is the client's. If it leaves before the message is on its
 * way, MAIL and RCPT are said again on a new connection.
 */
#ifndef LICTOR_DELIVER_HOP_H
#define LICTOR_DELIVER_HOP_H

#include "worker/deliver.h"
#include "worker/hop.h"

/* After the dot: below the client's 10 minutes (RFC 5321, 4.5.3.2.6). */
#define HOP_END_MS 540000

/* For struct deliver_ops; state is the worker's struct hop. */
void hop_recipient(struct delivery *, const struct route *, const char *rcpt,
    const char *params, struct hop_answer *);
void hop_data(struct delivery *, struct hop_answer *);
int hop_write(struct delivery *, const char *, size_t);
void hop_abort(struct delivery *);
void hop_leave(struct delivery *);

/*
 * Send the dot, or the last octets of the chunk. False: they did not go out,
 * so nothing is delivered.
 */
bool hop_dot(struct hop *);
/* The transaction is over, at the next hop too. */
void hop_done(struct hop *);

/* A refusal counts; behind that of a chunk RSET is due (RFC 3030). */
void hop_count_refusal(struct hop *);
/* What was refused at the end, for the log. */
const char *hop_end_name(const struct hop *);

/*
 * A hop's reply as the client may see it. 421, the 500 to 504 that complain
 * about our commands and anything out of place are our trouble: 451.
 */
void hop_judge(const struct hop_reply *, struct hop_answer *, const char *what);
/*
 * Of the last reply; one after which the hop leaves loses the connection, as
 * does trouble with a chunk: where BDAT was not understood, the octets of the
 * message were taken for commands.
 */
void hop_pass_on(struct hop *, struct hop_answer *, const char *what);
/* The connection was lost: 451; 4.7.5 for want of TLS. */
void hop_answer_lost(const struct hop *, struct hop_answer *);

#endif
