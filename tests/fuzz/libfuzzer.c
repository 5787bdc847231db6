/* What driver.c has and a program with libFuzzer needs, too. */
#include "fuzz.h"
#include "sabotage.h"

const char *sabotage;
const int fuzz_is_alone; /* libFuzzer keeps inputs and a symbolizer; leaks it finds itself */
