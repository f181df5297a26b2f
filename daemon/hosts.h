/*
 * The hosts file of this host, for next hops that routes give a name.
 */
#ifndef LICTOR_HOSTS_H
#define LICTOR_HOSTS_H

#define HOSTS_PATH "/etc/hosts"

struct settings;

/*
 * Put the addresses of that file into the settings, sorted by name; a name may
 * have several. What is passed over is reported as "file:line: warning: ...".
 * Without the file there are none. It cannot fail.
 */
void hosts_load(struct settings *, const char *path,
    void (*report)(void *, const char *message), void *arg);

#endif
