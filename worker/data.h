/*
 * Message data as it comes over the wire: where it ends, what it holds that it
 * must not, and how large it is; and the mending of its line ends. Pure: no
 * input or output, no allocation; any split of the same octets gives the same
 * answer.
 */
#ifndef LICTOR_DATA_H
#define LICTOR_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum data_place {
	DATA_LINE_START, /* behind a CRLF */
	DATA_DOT,	 /* a dot stands at the start of this line */
	DATA_DOT_CR,
	DATA_MIDDLE,
	DATA_CR
};

struct data_scan {
	enum data_place place;
	bool done;    /* CRLF.CRLF was seen */
	bool bare_cr; /* a CR without its LF was seen */
	bool bare_lf; /* an LF without its CR */
	bool nul;     /* an octet 0 */
	bool in_header;
	bool in_message_id;   /* its value is to come on a folded line */
	uint16_t line_len;    /* of the header line being read, in line */
	char line[256];	      /* its beginning */
	char message_id[200]; /* as written, without blanks around it */
	unsigned received;    /* Received fields in the header */
	int64_t size;	 /* octets of the message: no stuffed dots, no end */
	int64_t line_at; /* of these, before the line being read */
	int64_t longest; /* octets of the longest line, its CRLF not counted */
	int64_t wire;	 /* octets taken, the end not counted */
};

#define DATA_END_OCTETS 3 /* ".\r\n": taken, but no part of the message */

void data_start(struct data_scan *);

/* Take octets up to the end of the data; returns how many were taken. */
size_t data_take(struct data_scan *, const char *, size_t);

/* The size without what may be the beginning of the end of data. */
int64_t data_certain(const struct data_scan *);

/*
 * Mending: from octets that may hold bare CR and bare LF to a message as SMTP
 * wants it, with dots stuffed. A CR, an LF, or any number of CR before an LF
 * is one line end and becomes CRLF, so that a text keeps its lines; and a dot
 * behind a line end that was mended is stuffed like any other, so that what
 * comes out holds neither a bare CR or LF nor the end of data.
 *
 * Give it what data_take() took, but for the LF that ended it; or the octets
 * of BDAT chunks, which have no stuffed dots. out needs room for 2 * len + 4
 * octets. Returns the number of octets written.
 */
struct data_mend {
	bool stuffed; /* the client stuffs dots: DATA, not BDAT */
	bool wire_cr; /* the last octet of the client's was a CR */
	bool may_dot; /* a dot that comes now is a stuffed one */
	bool cr;      /* a line end is due, unless an LF brings it */
	bool in_line; /* something stands in the line that is written */
	bool bare_cr, bare_lf; /* what was mended */
};

void data_mend_start(struct data_mend *, bool stuffed);
size_t data_mend(struct data_mend *, const char *in, size_t len, char *out);
/* The last chunk is in: end the last line, with up to 4 octets. */
size_t data_mend_end(struct data_mend *, char *out);

/*
 * From the wire to a file: stuffed dots are removed and CRLF becomes LF. out
 * needs room for len + 1 octets. Any split gives the same result; the end
 * (".\r\n") must not be passed in. Returns the number of octets written.
 */
struct data_unstuff {
	bool line_start;
	bool cr;
};

void data_unstuff_start(struct data_unstuff *);
size_t
data_unstuff(struct data_unstuff *, const char *in, size_t len, char *out);

#endif
