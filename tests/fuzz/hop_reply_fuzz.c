/*
 * Any octets as the replies of a next hop. Any split gives the same result,
 * and what a client or a log may be told of it is printable and bounded.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/hop_reply.h"

int LLVMFuzzerTestOneInput(const unsigned char *, size_t);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
printable(const char *p)
{
	for (; *p != '\0'; p++)
		require(*p >= 0x20 && *p < 0x7f);
}

static void
see(void *arg, const char *line)
{
	*(size_t *)arg += strlen(line) + 1;
}

static enum hop_reply_state
take(struct hop_reply *r, const char *p, size_t len, size_t step, size_t *used,
    size_t *seen)
{
	enum hop_reply_state state = REPLY_MORE;
	size_t n;

	hop_reply_start(r);
	*seen = 0;
	for (*used = 0; *used < len && state == REPLY_MORE; *used += n) {
		n = len - *used < step ? len - *used : step;
		state = hop_reply_take(r, p + *used, n, &n, see, seen);
	}
	return state;
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static struct hop_reply whole, parts;
	const char *p = (const char *)data;
	size_t used, used_parts, seen, seen_parts, step;
	enum hop_reply_state state;

	if (size-- == 0)
		return 0;
	step = 1 + (unsigned char)*p++ % 50;
	for (; size > 0; p += used, size -= used) {
		state = take(&whole, p, size, size, &used, &seen);
		require(take(&parts, p, size, step, &used_parts, &seen_parts) ==
		    state);
		require(used == used_parts && used <= size && used > 0);
		require(seen == seen_parts);
		require(whole.code == parts.code);
		require(strcmp(whole.status, parts.status) == 0);
		require(strcmp(whole.text, parts.text) == 0);
		require(whole.lines <= HOP_LINES);
		require(whole.lines == 0 ||
		    (whole.code >= 200 && whole.code <= 599));
		printable(whole.text);
		printable(whole.status);
		require(state != REPLY_DONE || p[used - 1] == '\n');
		if (state != REPLY_DONE)
			break;
	}
	return 0;
}
