/* The end of a file of lines, read in one go. */
#include "tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the last `lines` lines begin; `whole`: the text begins with a line's beginning. */
static size_t find_start(const char *text, size_t bytes, uint32_t lines, int whole)
{
	size_t at = bytes;

	if (at > 0 && text[at - 1] == '\n')
		at--;
	for (uint32_t found = 0; at > 0; at--)
		if (text[at - 1] == '\n' && ++found == lines)
			return at;
	if (whole)
		return 0;
	const char *first = memchr(text, '\n', bytes);
	return first ? (size_t)(first - text) + 1 : bytes;
}

int tail_read(const char *path, uint32_t lines, size_t most, char **text, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st;
	char *all = NULL;
	size_t got = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode))
		rc = -EINVAL;
	off_t from = rc == 0 && (uint64_t)st.st_size > most ? st.st_size - (off_t)most : 0;
	size_t want = rc == 0 ? (size_t)(st.st_size - from) : 0;
	if (rc == 0 && !(all = malloc(want + 1)))
		rc = -ENOMEM;
	while (rc == 0 && got < want) {
		ssize_t n = pread(fd, all + got, want - got, from + (off_t)got);
		if (n == 0)
			break; /* cut meanwhile */
		if (n < 0 && errno != EINTR)
			rc = -errno;
		got += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (rc) {
		free(all);
		return rc;
	}
	size_t start = lines ? find_start(all, got, lines, from == 0) : got;
	memmove(all, all + start, got - start);
	all[got - start] = '\0';
	*text = all;
	*bytes = got - start;
	return 0;
}
