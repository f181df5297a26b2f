/*
 * bdat = "BDAT" SP chunk-size [ SP "LAST" ] CRLF
 * chunk-size = 1*DIGIT
 */
#include <string.h>
#include <strings.h>

#include "worker/args.h"

int
bdat_parse(const char *arg, const char *end, int64_t *size, bool *last)
{
	const char *p = arg;
	int64_t n = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++)
		n = n > (INT64_MAX - 9) / 10 ? INT64_MAX : n * 10 + (*p - '0');
	if (p == arg || (p < end && *p != ' '))
		return -1;
	while (p < end && *p == ' ')
		p++;
	*size = n;
	*last = p < end;
	return p == end || (end - p == 4 && strncasecmp(p, "LAST", 4) == 0) ?
	    0 :
	    -1;
}
