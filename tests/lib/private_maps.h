/* A child that goes on from where its parent stands, alone: what the two share becomes the child's own. */
#ifndef BATON_TEST_PRIVATE_MAPS_H
#define BATON_TEST_PRIVATE_MAPS_H

/* In the child: replaces every shared writable mapping of a file that is open in this process by a private one of the
 * same bytes. Neither sees from now on what the other stores, as long as the parent does nothing until the child
 * has ended. Anonymous shared memory stays shared: results go through it. Aborts if a mapping's file is not open.
 * but: descriptor of a file whose mappings stay shared, -1: none. */
void private_maps(int but);

#endif
