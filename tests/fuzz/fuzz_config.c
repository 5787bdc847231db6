/* libFuzzer entry of the configuration loader: any bytes give errors or a configuration, and never both.
 *   clang -g -O1 -fsanitize=fuzzer,address -Ishared -Iconfig tests/fuzz/fuzz_config.c config/NAME.c ... -lyaml */
#include <stdlib.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct config config;
	char *text = NULL;
	size_t printed = 0;
	FILE *out = open_memstream(&text, &printed);

	if (!out)
		return 0;
	int errors = config_parse((const char *)data, bytes, "fuzz", &config, out);
	fclose(out);
	if ((errors == 0) != (printed == 0))
		abort();
	free(text);
	return 0;
}
