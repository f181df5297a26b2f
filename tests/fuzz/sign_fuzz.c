/*
 * Any octets as a request to the keys helper, with an RSA and an ECDSA key.
 * Whatever is asked, what is signed is a digest, or a block that was padded
 * for a signature: that comes out of the signature again, and ends as such a
 * block does.
 */
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/settings.h"
#include "worker/signer.h"
#include "worker/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static EVP_PKEY *rsa;
static struct tls_keys *keys;

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
report(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

/* A certificate and its key in a folder of their own. */
static void
write_pair(EVP_PKEY *key, char certificate[48], char private[48],
    const char *dir, char name)
{
	X509 *x = X509_new();
	FILE *f;

	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	require(X509_sign(x, key, EVP_sha256()) != 0);
	snprintf(certificate, 48, "%s/%c.pem", dir, name);
	require((f = fopen(certificate, "w")) != NULL);
	PEM_write_X509(f, x);
	fclose(f);
	snprintf(private, 48, "%s/%c.key", dir, name);
	require((f = fopen(private, "w")) != NULL);
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	X509_free(x);
}

static void
set_up(void)
{
	char dir[] = "/dev/shm/lictor.XXXXXX", here[] = "fuzz";
	char paths[4][48];
	char *certificates[] = { paths[0], paths[2] };
	char *privates[] = { paths[1], paths[3] };
	struct settings set = { .path = here, .hostname = here };
	EVP_PKEY *ec = EVP_EC_gen("P-256");
	struct tls_context *ctx;
	int i;

	require(mkdtemp(dir) != NULL && (rsa = EVP_RSA_gen(2048)) != NULL);
	write_pair(rsa, paths[0], paths[1], dir, 'r');
	write_pair(ec, paths[2], paths[3], dir, 'e');
	set.tls.certificate.item = certificates;
	set.tls.key.item = privates;
	set.tls.certificate.n = set.tls.key.n = 2;
	require((ctx = tls_context_new(&set, report, NULL)) != NULL);
	require((keys = tls_keys_new(ctx, &set, report, NULL)) != NULL);
	for (i = 0; i < 4; i++)
		unlink(paths[i]);
	rmdir(dir);
	tls_context_free(ctx);
	EVP_PKEY_free(ec);
}

/* A request that asks for a block that is as it should be. */
static void
pad(struct sign_request *r)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(rsa, NULL);
	unsigned char signature[SIGN_OCTETS];
	size_t len = sizeof(signature), size = sizeof(r->octets);

	EVP_PKEY_sign_init(ctx);
	EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING);
	EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256());
	EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST);
	require(EVP_PKEY_sign(ctx, signature, &len, r->octets, 32) == 1);
	EVP_PKEY_CTX_free(ctx);
	ctx = EVP_PKEY_CTX_new(rsa, NULL);
	EVP_PKEY_encrypt_init(ctx);
	EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING);
	require(EVP_PKEY_encrypt(ctx, r->octets, &size, signature, len) == 1);
	r->certificate = 0;
	r->scheme = SIGN_RSA_PSS;
	r->len = (uint32_t)size;
	EVP_PKEY_CTX_free(ctx);
}

static void
check(const struct sign_request *r, const struct sign_answer *a)
{
	unsigned char block[SIGN_OCTETS];
	size_t len = sizeof(block);
	EVP_PKEY_CTX *ctx;

	require(a->len <= sizeof(a->octets));
	if (a->len == 0 || r->certificate != 0)
		return;
	ctx = EVP_PKEY_CTX_new(rsa, NULL);
	EVP_PKEY_encrypt_init(ctx);
	EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING);
	require(EVP_PKEY_encrypt(ctx, block, &len, a->octets, a->len) == 1);
	EVP_PKEY_CTX_free(ctx);
	require(len == 256);
	if (r->scheme == SIGN_RSA_PSS)
		require(memcmp(block, r->octets, len) == 0 &&
		    block[len - 1] == 0xbc);
	else
		require(r->scheme == SIGN_RSA_PKCS1 && block[0] == 0 &&
		    block[1] == 1 && block[2] == 0xff &&
		    memcmp(block + len - r->len, r->octets, r->len) == 0);
}

/* The first octet: pad for PSS first, then change one octet or none. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sign_request request;
	struct sign_answer answer;

	if (size-- == 0 || size > sizeof(request))
		return 0;
	if (keys == NULL)
		set_up();
	memset(&request, 0, sizeof(request));
	memcpy(&request, data + 1, size);
	if (data[0] & 1) {
		pad(&request);
		if (size > 0 && (data[0] & 2))
			request.octets[data[size] % 256] ^= data[0] >> 2;
	}
	tls_keys_sign(keys, &request, &answer);
	check(&request, &answer);
	return 0;
}
