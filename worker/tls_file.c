/*
 * Reading PEM files with care: what is read lies in pages of its own, and is
 * wiped before they are given back, so that no later fork inherits it.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/settings.h"
#include "worker/tls_file.h"

#define FILE_BYTES (1 << 20)

void
tls_complain(struct tls_complaint *c, const char *fmt, ...)
{
	char text[512], whole[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(whole, sizeof(whole), "%.400s:%u: %.300s: %s: %.500s: %s",
	    c->set->path, c->line, c->section != NULL ? c->section : "tls",
	    c->setting, c->path, text);
	c->report(c->arg, whole);
	c->made = true;
}

static int
read_fd(struct tls_file *f, int fd)
{
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return -1;
	}
	while (f->len < FILE_BYTES) {
		n = read(fd, f->octets + f->len, FILE_BYTES - f->len);
		if (n == 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return -1;
		f->len += n > 0 ? (size_t)n : 0;
	}
	errno = EFBIG;
	return -1;
}

int
tls_file_read(struct tls_file *f, struct tls_complaint *c)
{
	int fd, r;

	f->len = 0;
	f->octets = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->octets == MAP_FAILED) {
		f->octets = NULL;
		tls_complain(c, "%s", strerror(errno));
		return -1;
	}
	fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	r = fd == -1 ? -1 : read_fd(f, fd);
	if (r == -1) {
		tls_complain(c, "%s", strerror(errno));
		tls_file_free(f);
	}
	if (fd != -1)
		close(fd);
	return r;
}

void
tls_file_free(struct tls_file *f)
{
	if (f->octets == NULL)
		return;
	explicit_bzero(f->octets, f->len);
	munmap(f->octets, FILE_BYTES);
	f->octets = NULL;
}

bool
tls_file_is_secret(const struct tls_file *f)
{
	static const char mark[] = "PRIVATE KEY-----";

	return memmem(f->octets, f->len, mark, sizeof(mark) - 1) != NULL;
}
