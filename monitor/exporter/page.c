/* What a scrape gets: whether there is a batond, and its counters if there is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/exporter.h"
#include "exporter/prom.h"

int page_init(struct page *page, const char *instance)
{
	memset(page, 0, sizeof(*page));
	snprintf(page->wanted, sizeof(page->wanted), "%s", instance);
	page->sample = sample_create();
	page->snapshot = malloc(sizeof(*page->snapshot));
	return page->sample && page->snapshot ? 0 : -ENOMEM;
}

void page_fini(struct page *page)
{
	if (page->attached)
		source_close(&page->source);
	free(page->sample);
	free(page->snapshot);
	memset(page, 0, sizeof(*page));
}

static void attach(struct page *page)
{
	char names[2][BATON_NAME_BYTES];
	const char *name = page->wanted;

	if (!name[0]) {
		if (source_list(names, 2) != 1)
			return; /* none, or it is not clear which */
		name = names[0];
	}
	page->attached = source_open(&page->source, name) == 0;
}

bool page_look(struct page *page)
{
	if (!page->attached)
		attach(page);
	if (!page->attached)
		return false;
	source_take(&page->source, page->sample);
	snapshot_derive(page->snapshot, NULL, page->sample);
	if (page->sample->gone) { /* what it left is not what is: nothing is shown, and any other may be next */
		source_close(&page->source);
		page->attached = false;
		return false;
	}
	return page->snapshot->alive_s <= SILENT_S;
}

void page_write(struct page *page, FILE *out)
{
	bool up = page_look(page);
	const char *name = page->attached ? page->snapshot->instance : page->wanted;

	page->scrapes++;
	/* Names are letters, digits, '-' and '_', unless somebody else made the file: prom.c escapes, this leaves out. */
	if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != strlen(name))
		name = "";
	fprintf(out, "# HELP baton_up 1 if a batond runs and its main loop turns\n# TYPE baton_up gauge\n"
		     "baton_up{baton=\"%s\"} %d\n", name, up);
	fprintf(out, "# HELP baton_exporter_build_info the exporter's version\n# TYPE baton_exporter_build_info gauge\n"
		     "baton_exporter_build_info{version=\"" BATON_VERSION "\"} 1\n");
	fprintf(out, "# HELP baton_exporter_scrapes_total pages of metrics that were given\n"
		     "# TYPE baton_exporter_scrapes_total counter\nbaton_exporter_scrapes_total %llu\n",
		(unsigned long long)page->scrapes);
	if (page->attached)
		prom_write(out, page->snapshot);
}
