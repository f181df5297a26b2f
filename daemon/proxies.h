/*
 * The proxies that name their clients, held against list relay.
 */
#ifndef LICTOR_PROXIES_H
#define LICTOR_PROXIES_H

struct settings;

/*
 * No network of proxy_from may meet one that list relay, as it is in force,
 * lets relay: the address of a proxy stands for anybody who once comes through
 * it unnamed. 0, also where no lists can be read, or -1 after each was
 * reported as "file:line: message".
 */
int proxies_check(const struct settings *,
    void (*report)(void *, const char *message), void *arg);

#endif
