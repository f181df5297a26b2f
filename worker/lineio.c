/*
 * Line input and gathered output on a socket. A line that is too long is
 * skipped up to its CRLF and reported once, wherever the reads happen to cut
 * it: its tail is never taken for a command.
 */
#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lists/list.h"
#include "worker/lineio.h"
#include "worker/wait.h"

static ssize_t
plain_read(void *arg, void *buf, size_t len, short *events)
{
	const struct lineio *io = arg;

	*events = POLLIN;
	return recv(io->fd, buf, len, MSG_DONTWAIT);
}

static ssize_t
plain_write(void *arg, const void *buf, size_t len, short *events)
{
	const struct lineio *io = arg;

	*events = POLLOUT;
	/* The last words go out with the end of the connection behind them. */
	return send(io->fd, buf, len,
	    MSG_NOSIGNAL | MSG_DONTWAIT | (io->finished ? MSG_MORE : 0));
}

static void
plain_finish(void *arg)
{
	(void)arg; /* closing says it */
}

static const struct io_ops plain = { plain_read, plain_write, plain_finish };

void
io_use(struct lineio *io, const struct io_ops *ops, void *arg)
{
	io->ops = ops;
	io->arg = arg;
	io->skipping = false;
	io->start = io->end = io->searched = 0;
}

void
io_use_plain(struct lineio *io)
{
	io_use(io, &plain, io);
}

void
io_init(struct lineio *io, struct waiting *waiting, int fd)
{
	io->waiting = waiting;
	io->fd = fd;
	io->failed = io->finished = false;
	io->out_len = 0;
	io_use_plain(io);
	wait_set(waiting, WAIT_CLIENT, fd);
}

uint16_t
io_port(const struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET)
		return ntohs(
		    ((const struct sockaddr_in *)(const void *)ss)->sin_port);
	if (ss->ss_family != AF_INET6)
		return 0;
	return ntohs(
	    ((const struct sockaddr_in6 *)(const void *)ss)->sin6_port);
}

void
io_local(const struct lineio *io, struct addr *a, uint16_t *port)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	memset(&ss, 0, sizeof(ss));
	getsockname(io->fd, (struct sockaddr *)&ss, &len);
	addr_from_sockaddr(a, (struct sockaddr *)&ss);
	*port = io_port(&ss);
}

static enum io_result
waited(enum wait_result r)
{
	switch (r) {
	case WAIT_READY:
		return IO_OK;
	case WAIT_LATE:
		return IO_LATE;
	case WAIT_HURRIED:
		return IO_HURRIED;
	}
	return IO_FAILED;
}

static enum io_result
wait_client(struct lineio *io, short events, int64_t deadline_ms)
{
	return waited(wait_for(io->waiting, WAIT_CLIENT, events, deadline_ms));
}

enum io_result
io_flush(struct lineio *io, int64_t deadline_ms)
{
	enum io_result r = IO_OK;
	size_t done = 0;
	short events;
	ssize_t n;

	while (done < io->out_len && !io->failed) {
		n = io->ops->write(io->arg, io->out + done, io->out_len - done,
		    &events);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n == -1 && errno == EAGAIN)
			r = wait_client(io, events, deadline_ms);
		else if (n == -1 && errno == EINTR)
			r = IO_OK;
		else
			r = IO_FAILED;
		io->failed = r != IO_OK;
	}
	io->out_len = 0;
	return io->failed && r == IO_OK ? IO_FAILED : r;
}

enum io_result
io_finish(struct lineio *io, int64_t deadline_ms)
{
	bool again = io->finished;
	enum io_result r;

	io->finished = true;
	r = io_flush(io, deadline_ms);
	if (!io->failed && !again)
		io->ops->finish(io->arg);
	return r;
}

void
io_put(struct lineio *io, const char *text, size_t len, int64_t deadline_ms)
{
	size_t room;

	while (len > 0) {
		if (io->out_len == sizeof(io->out))
			io_flush(io, deadline_ms);
		room = sizeof(io->out) - io->out_len;
		if (room > len)
			room = len;
		memcpy(io->out + io->out_len, text, room);
		io->out_len += room;
		text += room;
		len -= room;
	}
}

/* Make room behind end; what was taken already goes. */
static void
compact(struct lineio *io)
{
	if (io->start == io->end) {
		io->start = io->end = io->searched = 0;
	} else if (io->end == sizeof(io->in) && io->start > 0) {
		memmove(io->in, io->in + io->start, io->end - io->start);
		io->end -= io->start;
		io->searched -= io->start;
		io->start = 0;
	}
}

/* What a read has put behind end. IO_LATE stands for "nothing there yet". */
static enum io_result
have_read(struct lineio *io, ssize_t n)
{
	if (n > 0) {
		io->end += (size_t)n;
		return IO_OK;
	}
	if (n == 0)
		return IO_EOF;
	return errno == EAGAIN || errno == EINTR ? IO_LATE : IO_FAILED;
}

/* One read; after IO_LATE wait for events. */
static enum io_result
read_some(struct lineio *io, short *events)
{
	return have_read(io,
	    io->ops->read(io->arg, io->in + io->end, sizeof(io->in) - io->end,
		events));
}

/* Sleep until there is something, and read it; in the clear. */
static enum io_result
await_octets(struct lineio *io, int64_t deadline_ms)
{
	size_t room = sizeof(io->in) - io->end;
	enum wait_result r;
	ssize_t n;

	r = wait_octets(io->waiting, WAIT_CLIENT, io->in + io->end, room,
	    deadline_ms, &n);
	return r == WAIT_READY ? have_read(io, n) : waited(r);
}

/* The same whatever way octets go. */
static enum io_result
wait_and_read(struct lineio *io, short events, int64_t deadline_ms)
{
	enum io_result r;

	if (io->ops == &plain)
		return await_octets(io, deadline_ms);
	do {
		if ((r = wait_client(io, events, deadline_ms)) != IO_OK)
			return r;
	} while ((r = read_some(io, &events)) == IO_LATE);
	return r;
}

enum io_result
io_fill(struct lineio *io, int64_t deadline_ms)
{
	bool answers = io->out_len > 0;
	short events = POLLIN;
	enum io_result r;

	compact(io);
	if (answers && (r = io_flush(io, deadline_ms)) != IO_OK)
		return r;
	/*
	 * A client that was to be answered first has nothing to say yet, unless
	 * octets of its are in hand where poll(2) does not see them.
	 */
	if ((!answers || io->ops != &plain) &&
	    (r = read_some(io, &events)) != IO_LATE)
		return r;
	if (io->failed)
		return IO_FAILED;
	return wait_and_read(io, events, deadline_ms);
}

void
io_take(struct lineio *io, size_t len)
{
	io->start += len;
	io->searched = io->start;
}

/* The CRLF of the line that begins at start, or NULL. */
static char *
find_crlf(struct lineio *io)
{
	char *p, *lf, *end = io->in + io->end;

	p = io->in + io->searched;
	while (p < end && (lf = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		if (lf > io->in + io->start && lf[-1] == '\r')
			return lf - 1;
		p = lf + 1;
	}
	io->searched = io->end;
	return NULL;
}

/*
 * Of an overlong line nothing is kept but how it begins, and its last octet:
 * it may be a CR.
 */
static void
forget_line(struct lineio *io)
{
	if (!io->skipping)
		memcpy(io->head, io->in + io->start, sizeof(io->head));
	io->skipping = true;
	io->start = io->end - 1;
	io->searched = io->start;
}

enum io_result
io_line(struct lineio *io, int64_t deadline_ms, const char **line, size_t *len)
{
	enum io_result r;
	char *cr;
	bool skipped;

	while ((cr = find_crlf(io)) == NULL) {
		if (io->end - io->start >= LINE_OCTETS || io->skipping) {
			if (io->end > io->start)
				forget_line(io);
		}
		if ((r = io_fill(io, deadline_ms)) != IO_OK)
			return r;
	}
	*line = io->in + io->start;
	*len = (size_t)(cr - *line);
	io->start = io->searched = (size_t)(cr + 2 - io->in);
	skipped = io->skipping;
	io->skipping = false;
	if (!skipped && *len + 2 > LINE_OCTETS)
		memcpy(io->head, *line, sizeof(io->head));
	return skipped || *len + 2 > LINE_OCTETS ? IO_LONG : IO_OK;
}
