/*
 * The orders in which keys are tried: the most specific first, an expired one
 * passed over. The first record decides; damage ends the search at once, as
 * it might have been the one that decides.
 */
#include <errno.h>
#include <string.h>

#include "lists/find.h"
#include "lists/key.h"
#include "lists/lookup.h"
#include "lists/name.h"

struct search {
	struct list *list;
	int64_t now;
	struct list_entry *entry;
	char *found; /* or NULL */
	char key[KEY_MAX];
};

static void
search_init(struct search *s, struct list *l, int64_t now, struct list_entry *e,
    char *found)
{
	s->list = l;
	s->now = now;
	s->entry = e;
	s->found = found;
}

/* Try the key at hand. */
static enum list_found
try_key(struct search *s, size_t len, enum list_match match)
{
	enum list_found r = list_get(s->list, s->key, len, s->entry);

	if (r != LIST_FOUND)
		return r;
	if (s->entry->until != 0 && s->entry->until <= s->now)
		return LIST_NONE;
	s->entry->match = match;
	if (s->found != NULL) {
		memcpy(s->found, s->key, len);
		s->found[len] = '\0';
	}
	return LIST_FOUND;
}

/* Try "=" head middle name; a key too long for any record is not there. */
static enum list_found
try_name(struct search *s, const char *head, const char *middle,
    const char *name, enum list_match match)
{
	const char *const parts[] = { head, middle, name };
	size_t i, len, n = 1;

	s->key[0] = '=';
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		len = strlen(parts[i]);
		if (len >= sizeof(s->key) - n)
			return LIST_NONE;
		memcpy(s->key + n, parts[i], len);
		n += len;
	}
	return try_key(s, n, match);
}

/* head.name, then head.parent of each parent. */
static enum list_found
try_parents(struct search *s, const char *head, const char *name)
{
	enum list_found r = LIST_NONE;

	while (r == LIST_NONE && name != NULL) {
		r = try_name(s, head, ".", name, MATCH_PARENT);
		name = strchr(name, '.');
		if (name != NULL)
			name++;
	}
	return r;
}

static enum list_found
try_domain(struct search *s, const char *head, const char *name,
    enum list_match match)
{
	enum list_found r = try_name(s, head, "", name, match);

	return r == LIST_NONE ? try_parents(s, head, name) : r;
}

/* Keep the first len bits. */
static void
cut_prefix(struct prefix *p, uint8_t len)
{
	size_t i = len / 8;

	p->len = len;
	if (i < sizeof(p->addr.bytes)) {
		p->addr.bytes[i] &= (uint8_t) ~(0xff >> (len % 8));
		memset(p->addr.bytes + i + 1, 0, sizeof(p->addr.bytes) - i - 1);
	}
}

/* Only the lengths that the list holds, none longer than the prefix. */
enum list_found
find_prefix(struct list *l, const struct prefix *want, int64_t now,
    struct list_entry *e, char *found)
{
	const struct list_meta *m = list_meta(l);
	bool v4 = want->addr.family == 4;
	const uint8_t *lens = v4 ? m->v4 : m->v6;
	unsigned i, n = v4 ? m->nv4 : m->nv6;
	struct prefix p = *want;
	enum list_found r = LIST_NONE;
	struct search s;

	search_init(&s, l, now, e, found);
	if (n == 0) /* not a probe, but a damaged list must say so */
		return try_key(&s, 0, MATCH_EXACT);
	for (i = 0; i < n && r == LIST_NONE; i++) {
		if (lens[i] > want->len)
			continue;
		cut_prefix(&p, lens[i]);
		r = try_key(&s, key_from_prefix(s.key, &p),
		    lens[i] == want->len ? MATCH_EXACT : MATCH_DOMAIN);
	}
	if (r == LIST_FOUND)
		e->prefix_len = p.len;
	return r;
}

enum list_found
find_name(struct list *l, const char *name, int64_t now, struct list_entry *e,
    char *found)
{
	const char *head = "";
	char canonical[NAME_TEXT_MAX];
	struct search s;

	search_init(&s, l, now, e, found);
	if (list_id(l) == LIST_NAMES && strncasecmp(name, "helo:", 5) == 0) {
		head = "helo:";
		name += 5;
	}
	if (name[0] == '.') {
		if (name_canonical(canonical, name + 1, strlen(name + 1)) == -1)
			return LIST_NONE;
		return try_parents(&s, head, canonical);
	}
	if (name_canonical(canonical, name, strlen(name)) == -1)
		return LIST_NONE;
	return try_domain(&s, head, canonical, MATCH_EXACT);
}

static enum list_found
try_local(struct search *s, const char *local, size_t len, const char *domain,
    enum list_match match)
{
	char folded[LOCAL_MAX + 1];
	size_t i;

	if (len == 0 || len > LOCAL_MAX)
		return LIST_NONE;
	for (i = 0; i < len; i++)
		folded[i] = ascii_lower(local[i]);
	folded[len] = '\0';
	return try_name(s, folded, "@", domain, match);
}

enum list_found
find_mailbox(struct list *l, const char *local, const char *domain, int64_t now,
    struct list_entry *e, char *found)
{
	bool route = list_id(l) == LIST_ROUTES;
	const char *plus = strchr(local, '+');
	enum list_found r;
	struct search s;

	search_init(&s, l, now, e, found);
	if (local[0] == '\0' && domain[0] == '\0')
		return try_name(&s, "<>", "", "", MATCH_EXACT);
	r = try_local(&s, local, strlen(local), domain, MATCH_EXACT);
	if (r == LIST_NONE && plus != NULL)
		r = try_local(&s, local, (size_t)(plus - local), domain,
		    MATCH_EXTENSION);
	if (r == LIST_NONE && domain[0] != '\0')
		r = try_domain(&s, route ? "" : "@", domain, MATCH_DOMAIN);
	if (r == LIST_NONE && route)
		r = try_name(&s, "*", "", "", MATCH_ANY);
	return r;
}

/* A key of any kind, once it is known what it is. */
static enum list_found
find_key(struct list *l, const struct key *k, int64_t now, struct list_entry *e,
    char *found)
{
	const char *text = k->text + 1, *at = strrchr(text, '@');
	char local[LOCAL_MAX + 1];
	enum list_found r;
	struct search s;

	search_init(&s, l, now, e, found);
	switch (k->kind) {
	case KEY_ADDR:
		return find_prefix(l, &k->prefix, now, e, found);
	case KEY_MAILBOX:
		strlcpy(local, text, (size_t)(at - text) + 1);
		return find_mailbox(l, local, at + 1, now, e, found);
	case KEY_ATNAME:
		return text[1] == '.' ?
		    try_parents(&s, "@", text + 2) :
		    try_domain(&s, "@", text + 1, MATCH_DOMAIN);
	case KEY_NAME:
	case KEY_SCOPED:
		r = find_name(l, text, now, e, found);
		if (r == LIST_NONE && list_id(l) == LIST_ROUTES)
			r = try_name(&s, "*", "", "", MATCH_ANY);
		return r;
	case KEY_NULL:
	case KEY_ANY:
	case KEY_WORD:
		memcpy(s.key, k->text, k->len);
		return try_key(&s, k->len, MATCH_EXACT);
	}
	return LIST_NONE;
}

enum list_found
find_text(struct list *l, const char *text, int64_t now, struct list_entry *e,
    char matched[MAILBOX_TEXT_MAX])
{
	char found[KEY_MAX];
	enum list_found r;
	const char *why;
	struct key k;

	matched[0] = '\0';
	errno = 0;
	if (key_parse(&k, list_id(l), text, strlen(text), &why) == -1) {
		errno = EINVAL;
		return LIST_NONE;
	}
	r = find_key(l, &k, now, e, found);
	if (r == LIST_FOUND)
		key_format(matched, list_id(l), found, strlen(found));
	return r;
}
