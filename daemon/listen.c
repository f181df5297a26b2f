/*
 * Binding. IPv4 and IPv6 have sockets of their own (IPV6_V6ONLY), so that
 * "0.0.0.0:25" and "[::]:25" stand side by side.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/listen.h"
#include "worker/settings.h"
#include "worker/wait.h"

#define BACKLOG 1024 /* the kernel cuts it at somaxconn */

static void say(void (*report)(void *, const char *), void *arg,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void
say(void (*report)(void *, const char *), void *arg, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report(arg, text);
}

/* A listening socket, or -1 with errno. */
static int
bind_endpoint(const struct endpoint *e)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&e->addr, e->port, &ss);
	int fd, saved, on = 1;

	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		goto fail;
	if (ss.ss_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == -1)
		goto fail;
	/* Accepted sockets inherit both: replies are never held back. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1 ||
	    wait_limit_recv(fd) == -1)
		goto fail;
	if (bind(fd, (struct sockaddr *)&ss, len) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
find(const struct listeners *l, const char *name)
{
	size_t i;

	for (i = 0; l != NULL && i < l->n; i++)
		if (strcmp(l->names[i], name) == 0)
			return l->fds[i];
	return -1;
}

/* What the settings say of that address, or NULL. */
static const struct listener *
section_of(const struct settings *set, const struct endpoint *e)
{
	const struct endpoint *at;
	size_t i;

	for (i = 0; i < set->nlisteners; i++) {
		at = &set->listeners[i].at;
		if (addr_equal(&at->addr, &e->addr) && at->port == e->port)
			return &set->listeners[i];
	}
	return NULL;
}

/* How much TLS the settings want there; none without a certificate. */
static enum tls_level
level(const struct settings *set, const struct listener *section)
{
	if (set->tls.certificate.n == 0)
		return TLS_OFF;
	return section != NULL ? section->tls : TLS_OPTIONAL;
}

static int
add(struct listeners *l, const struct settings *set, const struct endpoint *e,
    int fd)
{
	const struct listener *section = section_of(set, e);

	if (l->n == LISTEN_MAX || (l->names[l->n] = strdup(e->text)) == NULL)
		return -1;
	l->tls[l->n] = level(set, section);
	if (section != NULL && section->proxy_from.n > 0)
		l->proxy_from[l->n] = &section->proxy_from;
	l->fds[l->n++] = fd;
	return 0;
}

struct listeners *
listen_open(const struct settings *set, const struct listeners *old,
    void (*report)(void *, const char *), void *arg)
{
	struct listeners *l = calloc(1, sizeof(*l));
	const struct endpoint *e;
	size_t i;
	int fd;

	if (l == NULL)
		return NULL;
	for (i = 0; i < set->nlisten; i++) {
		e = &set->listen[i];
		if ((fd = find(old, e->text)) == -1)
			fd = bind_endpoint(e);
		if (fd == -1 && e->addr.family == 6 &&
		    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
			say(report, arg, "listen %s: %s: not listening there",
			    e->text,
			    errno == EAFNOSUPPORT ?
				"this host has no IPv6" :
				"this host does not have that address");
			continue;
		}
		if (fd == -1) {
			say(report, arg, "listen %s: %s", e->text,
			    strerror(errno));
			goto fail;
		}
		if (add(l, set, e, fd) == -1)
			goto fail;
	}
	if (l->n > 0)
		return l;
	say(report, arg, "listen: no address is left to listen on");
fail:
	listen_close(l, old);
	return NULL;
}

void
listen_close(struct listeners *l, const struct listeners *kept)
{
	size_t i;

	if (l == NULL)
		return;
	for (i = 0; i < l->n; i++) {
		if (find(kept, l->names[i]) != l->fds[i])
			close(l->fds[i]);
		free(l->names[i]);
	}
	free(l);
}
