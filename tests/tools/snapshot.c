/* Prints a snapshot of a state file: a line for each bucket, its records' checksum. */
#include <inttypes.h>
#include <stdio.h>

#include "snap.h"

int main(int argc, char **argv)
{
	struct snap snap;
	char why[300];

	if (argc != 2 || snap_open(&snap, argv[1], why, sizeof(why)) != 0) {
		fprintf(stderr, "%s\n", argc != 2 ? "one file" : why);
		return 1;
	}
	for (uint32_t bucket = 0;; bucket++) {
		const struct snap_bucket *b = snap_find(&snap, 0, bucket);
		if (b == NULL)
			break;
		printf("%" PRIu32 " schema %" PRIu32 " records %" PRIu32 " %016" PRIx64 "\n", b->bucket, b->schema, b->records,
		       b->check);
	}
	snap_close(&snap);
	return 0;
}
