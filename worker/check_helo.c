/*
 * The name in HELO or EHLO: whether it can be one, whether it is ours, and
 * what list names says of it with helo: before it. That it does not match the
 * address is never held against a client (RFC 5321, section 4.1.4).
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "worker/check.h"
#include "worker/peer.h"
#include "worker/settings.h"

#define TAG "IPv6:"

/* What the client said, taken apart. */
enum form {
	FORM_NAME, /* name is it, in canonical form */
	FORM_ADDR, /* an address literal: addr */
	FORM_BARE, /* an address without brackets: addr */
	FORM_MALFORMED
};

struct helo {
	enum form form;
	char name[NAME_TEXT_MAX];
	struct addr addr;
};

/* address-literal = "[" ( IPv4 / "IPv6:" IPv6 ) "]"; RFC 5321, section 4.1.3 */
static enum form
literal(struct helo *h, const char *text, size_t len)
{
	char inner[ADDR_TEXT_MAX + sizeof(TAG)];
	bool tagged;

	if (len < 2 || text[len - 1] != ']' || len - 2 >= sizeof(inner))
		return FORM_MALFORMED;
	memcpy(inner, text + 1, len - 2);
	inner[len - 2] = '\0';
	tagged = strncasecmp(inner, TAG, strlen(TAG)) == 0;
	if (tagged)
		memmove(inner, inner + strlen(TAG), len - 2 - strlen(TAG) + 1);
	if (tagged != (strchr(inner, ':') != NULL) ||
	    addr_parse(&h->addr, inner) == -1)
		return FORM_MALFORMED;
	return FORM_ADDR;
}

/* No top-level domain is a number (RFC 3696, section 2). */
static bool
ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *last = dot != NULL ? dot + 1 : name;

	return last[strspn(last, "0123456789")] == '\0';
}

/* Underscores pass, and so does one dot at the end. */
static enum form
parse(struct helo *h, const char *text)
{
	size_t len = strlen(text);

	if (text[0] == '[')
		return literal(h, text, len);
	if (addr_parse(&h->addr, text) == 0)
		return FORM_BARE;
	if (len > 1 && text[len - 1] == '.')
		len--;
	if (name_canonical(h->name, text, len) == -1 || ends_in_number(h->name))
		return FORM_MALFORMED;
	return FORM_NAME;
}

static bool
is_ours(const struct peer *peer, const struct settings *set,
    const struct helo *h)
{
	size_t i;

	if (h->form == FORM_NAME)
		return strcmp(h->name, set->hostname) == 0;
	for (i = 0; i < set->nlisten; i++)
		if (addr_equal(&h->addr, &set->listen[i].addr))
			return true;
	return addr_equal(&h->addr, &peer->local);
}

static enum verdict
answer(struct reason *why, const char *code, const char *status,
    const char *text)
{
	why->code = code;
	why->status = status;
	why->text = text;
	return V_REJECT;
}

/* What a name or an address says by itself. */
static enum verdict
by_form(const struct peer *peer, const struct settings *set, struct reason *why,
    const struct helo *h)
{
	if (h->form != FORM_MALFORMED && is_ours(peer, set, h))
		return answer(why, "helo-ours", "5.7.1",
		    "your HELO name is ours");
	if (h->form == FORM_MALFORMED || h->form == FORM_BARE)
		return answer(why, "helo-syntax", "5.5.4",
		    "your HELO name is malformed");
	return V_NEXT;
}

static enum verdict
by_entry(const struct settings *set, struct reason *why,
    const struct list_entry *entry)
{
	if (entry->action == ACT_ALLOW)
		return V_NEXT;
	why->code = "helo-list";
	why->text = "your HELO name is refused here";
	return reason_refusal(why, set, entry);
}

enum verdict
check_helo(const struct peer *peer, const struct settings *set,
    struct reason *why)
{
	char key[sizeof("helo:") + NAME_TEXT_MAX];
	struct list_entry entry;
	struct list_info names;
	struct helo h;

	if (peer->relay || peer->banned)
		return V_NEXT;
	if (peer->helo[0] == '\0')
		return V_LATER;
	memset(&h, 0, sizeof(h));
	h.form = parse(&h, peer->helo);
	if (h.form != FORM_NAME)
		return by_form(peer, set, why, &h);
	if (peer->lists == NULL)
		return reason_damaged(why);
	generation_info(peer->lists, LIST_NAMES, &names);
	if (names.count == 0)
		return by_form(peer, set, why, &h);
	snprintf(key, sizeof(key), "helo:%s", h.name);
	switch (
	    list_find_name(peer->lists, LIST_NAMES, key, peer->now, &entry)) {
	case LIST_FOUND:
		return by_entry(set, why, &entry);
	case LIST_NONE:
		return by_form(peer, set, why, &h);
	case LIST_DAMAGED:
		break;
	}
	return reason_damaged(why);
}
