/*
 * Whoever writes to us chooses the local part. It stands in a path in lower
 * case and without +extension; every octet but letters, digits and ._- as
 * =XX, and so does a dot at its beginning: no two recipients that differ in
 * more than that share a folder, and none leads out of its own.
 */
#include <stdbool.h>
#include <string.h>

#include "worker/maildir_path.h"
#include "worker/peer.h"

/* A path that is being written; full when it did not fit. */
struct path {
	char *out;
	size_t n, size;
	bool full;
};

static void
put(struct path *p, char c)
{
	if (p->n + 1 >= p->size)
		p->full = true;
	else
		p->out[p->n++] = c;
}

/* Octets that mean nothing in a path, in whatever folder. */
static bool
is_harmless(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
	    c == '_' || c == '-';
}

static void
put_safe(struct path *p, const char *text, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i, dots = strspn(text, ".");
	char c;

	for (i = 0; i < len; i++) {
		c = text[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (is_harmless(c) && i >= dots) {
			put(p, c);
			continue;
		}
		put(p, '=');
		put(p, hex[(unsigned char)c >> 4]);
		put(p, hex[(unsigned char)c & 0xf]);
	}
}

/* Up to its first +, unless that is its beginning. */
static size_t
without_extension(const char *local)
{
	const char *plus = strchr(local, '+');

	return plus != NULL && plus != local ? (size_t)(plus - local) :
					       strlen(local);
}

/* The placeholder that stands there; how long it is, or 0: it is none. */
static size_t
put_placeholder(struct path *p, const char *at, const struct mailbox *to)
{
	if (strncmp(at, LIST_LOCAL, strlen(LIST_LOCAL)) == 0) {
		put_safe(p, to->local, without_extension(to->local));
		return strlen(LIST_LOCAL);
	}
	if (strncmp(at, LIST_DOMAIN, strlen(LIST_DOMAIN)) == 0) {
		put_safe(p, to->domain, strlen(to->domain));
		return strlen(LIST_DOMAIN);
	}
	return 0;
}

/* Is every folder's name one that there can be? */
static bool
has_good_names(const char *path)
{
	size_t len;

	if (*path != '/')
		return false;
	for (; *path == '/'; path += len) {
		len = strcspn(++path, "/");
		if (len == 0 || len > FOLDER_NAME_MAX ||
		    (path[0] == '.' && len == 1) ||
		    (path[0] == '.' && path[1] == '.' && len == 2))
			return false;
	}
	return *path == '\0';
}

int
maildir_path(char *out, size_t size, const char *pattern,
    const struct mailbox *to, size_t *varies, const char **why)
{
	struct path p = { out, 0, size, false };
	size_t len, name = 0;

	*varies = 0;
	*why = "list routes cannot be read";
	while (*pattern != '\0') {
		len = 1;
		if (*pattern != '%') {
			put(&p, *pattern);
			if (*pattern == '/')
				name = p.n;
		} else {
			if (*varies == 0)
				*varies = name;
			if ((len = put_placeholder(&p, pattern, to)) == 0)
				return -1;
		}
		pattern += len;
	}
	out[p.n] = '\0';
	*why = "the path of the Maildir has too long or empty a name in it";
	return p.full || !has_good_names(out) ? -1 : 0;
}
