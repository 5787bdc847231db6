/* Where the belts' pages are, for a zygote that maps them without EAL. */
#ifndef BATON_PRIMARY_BELT_PAGES_H
#define BATON_PRIMARY_BELT_PAGES_H

struct primary;

/* A sealed memfd with one line a page, ZYGOTE_PAGE_LINE of zygote.h. Asks EAL, so before the first packet; what it says
 * holds for the life of the primary, for nothing moves. The caller closes it. Returns it or -errno. */
int belt_pages_list(const struct primary *primary);

#endif
