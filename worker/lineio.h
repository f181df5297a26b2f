/*
 * Octets to and from the client. Input is one buffer from which command lines
 * and message data are taken; output is gathered and sent in one write before
 * the session waits, so that a pipelined group of commands is answered at once
 * (RFC 2920, section 3.2).
 */
#ifndef LICTOR_LINEIO_H
#define LICTOR_LINEIO_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;
struct sockaddr_storage;
struct waiting;

/*
 * The longest command line, its CRLF included. RFC 5321 asks for 512 plus what
 * extensions add; long addresses are common, so there is room.
 */
#define LINE_OCTETS 2048
#define LINE_HEAD   16

enum io_result {
	IO_OK,
	IO_LONG,    /* the line was too long; it was skipped to its end */
	IO_EOF,	    /* the client has closed */
	IO_LATE,    /* the deadline has passed */
	IO_HURRIED, /* the worker has to leave */
	IO_FAILED   /* the connection is lost */
};

/*
 * How octets go in and out: as read(2) and write(2). -1 with EAGAIN: events
 * (POLLIN, POLLOUT) is what to wait for before the next try. A read may have
 * octets when poll(2) sees none, so it is tried before any wait.
 */
struct io_ops {
	ssize_t (*read)(void *arg, void *, size_t, short *events);
	ssize_t (*write)(void *arg, const void *, size_t, short *events);
	/* Say, if that needs no wait, that nothing more will come. */
	void (*finish)(void *arg);
};

struct lineio {
	struct waiting *waiting;
	int fd;
	const struct io_ops *ops;
	void *arg;
	bool skipping;	 /* inside a line that was too long */
	bool failed;	 /* a write failed: nothing more is sent */
	bool finished;	 /* nothing more is put; it is said, or will be */
	size_t start;	 /* first octet not taken yet */
	size_t end;	 /* behind the last octet read */
	size_t searched; /* up to here there is no line end */
	size_t out_len;
	char out[4096];
	char head[LINE_HEAD]; /* how the line that was too long begins */
	char in[65536];
};

/* fd is a socket; if it blocks, it has the limit of wait_limit_recv(). */
void io_init(struct lineio *, struct waiting *, int fd);
/* The port of an AF_INET or AF_INET6 socket address, or 0. */
uint16_t io_port(const struct sockaddr_storage *);
/* Address and port of ours that the client talks to; family 0: it has none. */
void io_local(const struct lineio *, struct addr *, uint16_t *port);

/* From now on octets go this way. What was read before is forgotten. */
void io_use(struct lineio *, const struct io_ops *, void *arg);
/* And now as they are again; fd must stay what it was. */
void io_use_plain(struct lineio *);

/*
 * Take the next command line. Only CRLF ends a line. *line points into the
 * buffer, is without CRLF, not terminated, and valid until the next call.
 * Output is flushed before it waits.
 */
enum io_result
io_line(struct lineio *, int64_t deadline_ms, const char **line, size_t *len);

/* Read what the client has; IO_OK means that at least one octet is there. */
enum io_result io_fill(struct lineio *, int64_t deadline_ms);

/* So many of the octets that are there have been used. */
void io_take(struct lineio *, size_t len);

/* Add to the output; flushes only when the buffer is full. */
void io_put(struct lineio *, const char *, size_t, int64_t deadline_ms);
enum io_result io_flush(struct lineio *, int64_t deadline_ms);
/*
 * Flush, and say that nothing more will come; once. The caller closes the
 * connection, or shuts it down, at once: the last octets may wait for that.
 */
enum io_result io_finish(struct lineio *, int64_t deadline_ms);

#endif
