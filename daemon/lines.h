/*
 * The lines of a file of this host that is not ours, such as resolv.conf(5).
 */
#ifndef LICTOR_LINES_H
#define LICTOR_LINES_H

#define LINES_MAX 10000 /* what is behind so many is not read */

/*
 * Call each with every line, without its end; what is beyond 1000 octets of a
 * line is cut off, with the word that stands there. 0, or -1 with errno when there is no such file.
 */
int lines_each(const char *path,
    void (*each)(void *, unsigned line, char *text), void *arg);

/* Before it is shown: what cannot be becomes a question mark. */
void lines_printable(char *);

#endif
