/*
 * Log lines and the way out for them. What a client wrote is escaped here and
 * nowhere else: a value holds printable ASCII only, is quoted where a blank or
 * a quote stands in it, and is cut at LOG_VALUE_MAX octets, so that no client
 * can push the keys behind it out of the line.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker/log.h"
#include "worker/text.h"

#define FACILITY_MAIL (2 << 3)

static struct {
	int to_stderr;
	bool may_block; /* stderr is a pipe or a terminal */
	int fd;
	char name[32]; /* how a line of this process begins */
	unsigned long dropped;
} out = { .to_stderr = 1, .may_block = true, .fd = -1, .name = "lictord: " };

void
log_forked(void)
{
	snprintf(out.name, sizeof(out.name), "lictord[%d]: ", (int)getpid());
}

void
log_open(int to_stderr)
{
	struct stat st;

	out.to_stderr = to_stderr;
	out.may_block = fstat(STDERR_FILENO, &st) == -1 || !S_ISREG(st.st_mode);
	log_forked();
	tzset(); /* the zone file cannot be read from inside the sandbox */
}

static void
add(struct logline *l, const char *text, size_t len)
{
	size_t room = LOG_LINE_MAX - l->len;

	if (len > room)
		len = room;
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

void
log_start(struct logline *l, enum log_level level, const char *event)
{
	l->level = level;
	l->len = 0;
	add(l, "event=", 6);
	add(l, event, strlen(event));
}

/* An octet that stands in a line just as it is. */
static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static size_t
plain_span(const char *value, size_t len)
{
	size_t i;

	for (i = 0; i < len && is_plain((unsigned char)value[i]); i++)
		;
	return i;
}

/* Escape one octet that is not plain; returns its length. */
static size_t
escape(char dst[4], unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	dst[0] = '\\';
	if (c == '"' || c == '\\') {
		dst[1] = (char)c;
		return 2;
	}
	dst[1] = 'x';
	dst[2] = hex[c >> 4];
	dst[3] = hex[c & 15];
	return 4;
}

static bool
needs_quotes(const char *value, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] == '"' || value[i] == '=' ||
		    value[i] == '\\' || value[i] == 0x7f)
			return true;
	return false;
}

void
log_octets(struct logline *l, const char *key, const char *value, size_t len)
{
	size_t n, room = LOG_VALUE_MAX;
	bool quoted;
	char buf[4];

	if (value == NULL || len == 0 ||
	    l->len + strlen(key) + LOG_VALUE_MAX + 4 > LOG_LINE_MAX)
		return;
	quoted = needs_quotes(value, len < room ? len : room);
	add(l, " ", 1);
	add(l, key, strlen(key));
	add(l, "=\"", quoted ? 2 : 1);
	for (;;) {
		n = plain_span(value, len < room ? len : room);
		add(l, value, n);
		value += n;
		len -= n;
		room -= n;
		if (len == 0 || (n = escape(buf, (unsigned char)*value)) > room)
			break;
		add(l, buf, n);
		value++;
		len--;
		room -= n;
	}
	if (quoted)
		add(l, "\"", 1);
}

void
log_text(struct logline *l, const char *key, const char *value)
{
	if (value != NULL)
		log_octets(l, key, value, strlen(value));
}

void
log_number(struct logline *l, const char *key, int64_t number)
{
	char buf[24];
	struct text t;

	text_start(&t, buf, sizeof(buf));
	text_add_number(&t, number);
	log_text(l, key, buf);
}

static void
log_args(struct logline *l, const char *key, const char *fmt, va_list ap)
{
	char buf[2 * LOG_VALUE_MAX];
	struct text t;

	text_start(&t, buf, sizeof(buf));
	text_args(&t, fmt, ap);
	log_octets(l, key, buf, (size_t)(t.at - buf));
}

void
log_format(struct logline *l, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_args(l, key, fmt, ap);
	va_end(ap);
}

void
log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	struct logline l;
	va_list ap;

	log_start(&l, level, event);
	va_start(ap, fmt);
	log_args(&l, "text", fmt, ap);
	va_end(ap);
	log_send(&l);
}

/* Connect to the system's logger; it may come back at any time. */
static int
connect_logger(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX,
		.sun_path = "/dev/log" };

	if (out.fd != -1)
		close(out.fd);
	out.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (out.fd == -1)
		return -1;
	return connect(out.fd, (struct sockaddr *)&sun, sizeof(sun));
}

static int
send_datagram(const struct msghdr *msg)
{
	if (out.fd != -1 && sendmsg(out.fd, msg, MSG_NOSIGNAL) != -1)
		return 0;
	if (out.fd != -1 && errno != ECONNREFUSED && errno != ENOENT &&
	    errno != ENOTCONN && errno != ECONNRESET)
		return -1;
	if (connect_logger() == -1)
		return -1;
	return sendmsg(out.fd, msg, MSG_NOSIGNAL) == -1 ? -1 : 0;
}

static int
send_syslog(struct logline *l)
{
	char head[96], stamp[32];
	struct iovec iov[2] = { { .iov_base = head },
		{ .iov_base = l->text, .iov_len = l->len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct tm tm;
	time_t now;

	now = time(NULL);
	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
	iov[0].iov_len = (size_t)snprintf(head, sizeof(head), "<%d>%s %s",
	    FACILITY_MAIL | (int)l->level, stamp, out.name);
	return send_datagram(&msg);
}

static int
send_stderr(struct logline *l)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct iovec iov[2] = { { out.name, strlen(out.name) },
		{ l->text, l->len + 1 } };

	/* A reader that stands still must not make a session do so. */
	if (out.may_block && poll(&pfd, 1, 0) != 1)
		return -1;
	l->text[l->len] = '\n'; /* there is room for one octet more */
	return writev(STDERR_FILENO, iov, 2) == -1 ? -1 : 0;
}

void
log_send(struct logline *l)
{
	unsigned long told = out.dropped;

	if (told > 0)
		log_number(l, "dropped", (int64_t)told);
	if ((out.to_stderr ? send_stderr(l) : send_syslog(l)) == 0)
		out.dropped -= told;
	else
		out.dropped++;
}
