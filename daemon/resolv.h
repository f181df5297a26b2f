/*
 * The name servers of this host, for settings that name none.
 */
#ifndef LICTOR_RESOLV_H
#define LICTOR_RESOLV_H

#define RESOLV_PATH "/etc/resolv.conf"

struct settings;

/*
 * Where the settings name no name servers, put in those of that file, each
 * without a text; or 127.0.0.1 where it has none or is not there. What is
 * passed over is reported as "file:line: warning: ...". It cannot fail.
 */
void resolv_load(struct settings *, const char *path,
    void (*report)(void *, const char *message), void *arg);

#endif
