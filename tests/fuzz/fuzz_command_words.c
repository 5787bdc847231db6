/* What fuzz_command.c starts from, and what is put into it. */
#include "fuzz.h"

const size_t fuzz_longest = 2048;

#define ORDER "{\"command\":\"worker.restart\",\"args\":{\"target\":\"game.0\",\"version\":\"1\\n2\"},\"id\":7}"

const struct fuzz_seed fuzz_seeds[] = {
	FUZZ_SEED("F\0{\"command\":\"ping\",\"id\":1}\0F\1{\"command\":\"status\"}\0"),
	FUZZ_SEED("F\0" ORDER "\0D\1F\0{\"command\":\"worker.list\"}\0"),
	FUZZ_SEED("F\0" ORDER "\0C\0D\0"),
	FUZZ_SEED("F\0" ORDER "\0S\0F\1" ORDER "\0D\1"),
	FUZZ_SEED("r\0\1F\0{\"command\":\"ping\"}\0r\0\2F\0{\"command\":\"ping\"}\0"),
	FUZZ_SEED("F\0{\"command\":\"config.show\",\"args\":{\"effective\":true}}\0F\0{\"command\":\"config.diff\"}\0"),
	FUZZ_SEED("F\0{\"command\":\"audit\",\"args\":{\"last\":5}}\0"),
	FUZZ_SEED("R\0\4\x12\0\0\0R\0\x12{\"command\":\"stats\"}P"),
	FUZZ_SEED("L\0\x12\0\0\0\x24{\"command\":\"stats\"}\x12\0\0\0{\"command\":\"stats\"}T"),
	FUZZ_SEED("L\1\0\0\1\0\4{\"a\""),
	FUZZ_SEED("F\0{\"command\":\"buckets.move\",\"args\":{\"buckets\":\"0-3,9\",\"target\":\"game.0\"},\"id\":2}\0D\1"),
	FUZZ_SEED("F\0{\"command\":\"rollout.start\",\"args\":{\"group\":\"game\",\"to\":\"1.5.0\",\"replace\":true}}\0"),
	FUZZ_SEED("F\0{\"command\":\"rollout.explain\",\"args\":{\"group\":\"game\"}}\0"),
	FUZZ_SEED("F\0{\"command\":\"buckets.find\",\"args\":{\"keys\":[\"1\",\"0x2\"]}}\0"),
	FUZZ_SEED("F\0{\"command\":\"worker.drain\",\"args\":{\"target\":\"game.0\"}}\0D\0"),
	FUZZ_SEED("F\0{\"command\":\"quarantine.show\",\"args\":{\"name\":"
		  "\"20260101T000000.000000000Z-g-1.pcapng\"}}\0"),
	FUZZ_SEED("F\0{\"command\":\"worker.debug\",\"args\":{\"target\":\"game.0\",\"buckets\":\"1\","
		  "\"keys\":[\"7\"]}}\0D\0"),
	{ NULL, 0 },
};

const struct fuzz_seed fuzz_words[] = {
	FUZZ_SEED("{"), FUZZ_SEED("}"), FUZZ_SEED("["), FUZZ_SEED("]"), FUZZ_SEED("\""), FUZZ_SEED("\\"), FUZZ_SEED(":"),
	FUZZ_SEED("\0"), FUZZ_SEED("\\n"), FUZZ_SEED("\\u0000"), FUZZ_SEED("\\ud800"), FUZZ_SEED("\xff"),
	FUZZ_SEED("1e999"),
	FUZZ_SEED("null"), FUZZ_SEED("true"), FUZZ_SEED("\"command\":"), FUZZ_SEED("\"args\":"), FUZZ_SEED("\"id\":"),
	FUZZ_SEED("\"ping\""), FUZZ_SEED("\"status\""), FUZZ_SEED("\"worker.restart\""), FUZZ_SEED("\"config.reload\""),
	FUZZ_SEED("\"config.diff\""), FUZZ_SEED("\"audit\""), FUZZ_SEED("\"last\":"), FUZZ_SEED("\"target\":\"game\""),
	FUZZ_SEED("\"version\":"), FUZZ_SEED("\"wait\":true"), FUZZ_SEED("F\0"), FUZZ_SEED("F\1"), FUZZ_SEED("F\2"),
	FUZZ_SEED("L\0"), FUZZ_SEED("R\1"), FUZZ_SEED("C\0"), FUZZ_SEED("S\1"), FUZZ_SEED("r\0\1"), FUZZ_SEED("r\0\2"),
	FUZZ_SEED("r\1\1"), FUZZ_SEED("D\1"), FUZZ_SEED("D\0"), FUZZ_SEED("P"), FUZZ_SEED("T"), FUZZ_SEED("F\1" ORDER "\0"),
	FUZZ_SEED("F\0" ORDER "\0"), FUZZ_SEED("\"worker.start\""), FUZZ_SEED("\"worker.stop\""),
	FUZZ_SEED("\"rollout.start\""), FUZZ_SEED("\"rollout.undo\""), FUZZ_SEED("\"rollout.explain\""),
	FUZZ_SEED("\"rollout.diff\""),
	FUZZ_SEED("\"buckets.show\""), FUZZ_SEED("\"buckets.move\""), FUZZ_SEED("\"buckets.find\""),
	FUZZ_SEED("\"buckets\":\"0\""), FUZZ_SEED("\"keys\":[\"1\"]"), FUZZ_SEED("\"quarantine.list\""),
	FUZZ_SEED("\"quarantine.replay\""), FUZZ_SEED("\"name\":\"20260101T000000.000000000Z-g-1.pcapng\""),
	{ NULL, 0 },
};
