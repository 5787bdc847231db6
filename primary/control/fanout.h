/* The order of a flow over an af_packet port with several queues: what is in the way of it is taken out. */
#ifndef BATON_PRIMARY_FANOUT_H
#define BATON_PRIMARY_FANOUT_H

#include <stdbool.h>

/* True if this process has an af_packet queue whose packets the kernel gives to another queue when it is full: a flow is
 * then handled by two I/O lcores at once, and its requests overtake each other. */
bool fanout_rolls_over(void);

#endif
