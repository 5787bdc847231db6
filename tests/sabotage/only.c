/* Linked in front of a program with a broken rule: of its tests only the one that must notice is run, the others cost
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void only_one(void)
{
	cmocka_set_test_filter(getenv("SABOTAGE_ONLY")); /* NULL: all */
}
