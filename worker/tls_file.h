/*
 * The files that sections tls and next_hop of the settings name, and
 * complaints about them.
 */
#ifndef LICTOR_TLS_FILE_H
#define LICTOR_TLS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/tls.h"

/* Who is to be told what of which file, and where the setting stands. */
struct tls_complaint {
	const struct settings *set;
	const char *section; /* NULL: tls */
	const char *setting, *path;
	unsigned line;
	tls_report *report;
	void *arg;
	bool made; /* at least one was */
};

void tls_complain(struct tls_complaint *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A file in memory that is wiped when it is let go. */
struct tls_file {
	char *octets;
	size_t len;
};

/* Read the file that the complaint names. 0, or -1 after complaining. */
int tls_file_read(struct tls_file *, struct tls_complaint *);
void tls_file_free(struct tls_file *);
/* Does it hold a private key, in PEM form? */
bool tls_file_is_secret(const struct tls_file *);

#endif
