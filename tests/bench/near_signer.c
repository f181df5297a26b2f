/*
 * For lictord-near: a gateway whose workers sign by themselves, with keys in
 * their own memory, to measure what the keys helper costs. Linked before
 * worker/signer.c's object, it takes the place of signer_ask(). The
 * environment names certificate and key, since a worker could not open them.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/settings.h"
#include "worker/signer.h"
#include "worker/tls.h"

static struct tls_keys *keys;

static void
report(void *arg, const char *message)
{
	(void)arg;
	warnx("%s", message);
}

/* Before main(), and so before any fork. */
__attribute__((constructor)) static void
load(void)
{
	static char here[] = "environment";
	struct settings set = { .path = here, .hostname = here };
	struct tls_context *ctx;
	char *certificate = getenv("LICTOR_NEAR_CERTIFICATE");
	char *key = getenv("LICTOR_NEAR_KEY");

	if (certificate == NULL || key == NULL)
		errx(1, "LICTOR_NEAR_CERTIFICATE and LICTOR_NEAR_KEY");
	set.tls.certificate.item = &certificate;
	set.tls.key.item = &key;
	set.tls.certificate.n = set.tls.key.n = 1;
	if ((ctx = tls_context_new(&set, report, NULL)) == NULL ||
	    (keys = tls_keys_new(ctx, &set, report, NULL)) == NULL)
		exit(1);
}

int
signer_ask(int channel, struct waiting *w, int64_t deadline_ms,
    const struct sign_request *request, struct sign_answer *answer)
{
	(void)channel;
	(void)w;
	(void)deadline_ms;
	tls_keys_sign(keys, request, answer);
	return answer->len > 0 ? 0 : -1;
}
