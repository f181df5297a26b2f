/*
 * The octets of a message on their way from the connection into the spool:
 * where they end, whether their line ends are mended, what is left out, and
 * what is too much. The session's scan is of what goes into the spool, mended or not.
 */
#ifndef LICTOR_INTAKE_H
#define LICTOR_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/authres.h"
#include "worker/data.h"

struct session;

struct intake {
	int64_t begun_ms;
	bool chunked;	       /* by BDAT: only the client tells the end */
	bool mended;	       /* what is spooled has gone through mend */
	bool refused;	       /* bare line ends are, mended or not */
	struct data_scan wire; /* finds the end of what is mended */
	struct data_mend mend;
	struct authres authres; /* between the scan and the spool */
};

/* A message begins. chunked: it comes by BDAT, else by DATA. */
void intake_start(struct session *, bool chunked);
/*
 * Take octets, of DATA up to its end, which session->scan.done tells. What is
 * too large is taken and dropped. Returns how many were taken.
 */
size_t intake_take(struct session *, const char *, size_t);
/* All octets are in. */
void intake_end(struct session *);
/* Octets of the message in the spool, without the end of data. */
int64_t intake_len(const struct session *);
/* For the log: which line ends were mended, or "". */
const char *intake_mended(const struct intake *);

#endif
