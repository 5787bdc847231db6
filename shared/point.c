/* What happens at a point: a death by the process's own hand, at this very instruction. Test builds only. */
#ifdef BATON_POINTS
#define _GNU_SOURCE
#include "point.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static struct point_page *page;

void baton_point_use(void *base)
{
	page = point_page_of(base);
}

/* A real fault, not a signal that somebody sends: the kernel says so in the process's end. */
static void fault(void)
{
	volatile int *nowhere = (volatile int *)(uintptr_t)8;

	__asm__ volatile("" : "+r"(nowhere));
	*nowhere = 1;
}

void baton_point_pass(enum point point)
{
	if (page == NULL)
		return;
	atomic_fetch_add_explicit(&page->passed[point], 1, memory_order_relaxed);
	/* acquire: pairs with the release of the test, which writes this word last */
	if (atomic_load_explicit(&page->armed, memory_order_acquire) != (uint32_t)point + 1 ||
	    atomic_fetch_sub_explicit(&page->left, 1, memory_order_relaxed) != 1)
		return;
	uint32_t how = atomic_load_explicit(&page->how, memory_order_relaxed);
	atomic_store_explicit(&page->armed, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&page->fired, 1, memory_order_release);
	if (how == SIGSEGV)
		fault();
	kill(getpid(), (int)how);
}
#endif
