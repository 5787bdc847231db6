/* How a group as a whole is: what monitors and `status` say of it, and whether its parked packets wait for anybody. */
#ifndef BATON_PRIMARY_GROUP_H
#define BATON_PRIMARY_GROUP_H

#include "stats_directory.h"

struct supervisor;

/* Looks at the group now. */
void group_look(const struct supervisor *sup, uint32_t group, struct stats_group *out);
/* Every turn: packets of buckets that no worker will come for may get too old (park.max_age), and entries of the stats
 * directory are brought up to date now and then. */
void groups_poll(struct supervisor *sup);

#endif
