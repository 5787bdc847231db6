/* batonctl: everything is in ctl_main(), so that tests can run it. */
#include "ctl.h"

int main(int argc, char **argv)
{
	return ctl_main(argc, argv, stdout, stderr);
}
