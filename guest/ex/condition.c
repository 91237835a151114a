/*
 * condition.c: the events \KernelObjects\LowMemoryCondition and HighMemoryCondition, which
 * CreateMemoryResourceNotification opens.
 *
 * Each is signalled for as long as its condition holds; between the two thresholds neither is. The
 * thresholds are Windows' own: a 128th of the RAM, 64 MB at most, and three times that; in a small
 * machine not below the mark at which mm begins to trim, or the event would never come. The balance
 * set manager calls once a second and whenever memory got short. Lock: none; only it calls.
 */
#include "guest/ex/ex.h"
#include "guest/mm/mi.h"

#define RAM_SHARE   128u
#define MOST_PAGES  (64ul << (20 - PAGE_SHIFT))
#define HIGH_FACTOR 3u

static struct condition {
	const char *path;
	KEVENT *event;
	bool holds;
} low = {.path = "\\KernelObjects\\LowMemoryCondition"},
  high = {.path = "\\KernelObjects\\HighMemoryCondition"};

static void create(struct condition *c)
{
	c->event = ExCreateEvent(DO_EVENT_NOTIFICATION, false);
	if (!c->event || !NT_SUCCESS(ObNameKernelObject(c->path, c->event)))
		KeBugCheckEx(PHASE0_INITIALIZATION_FAILED, 0, 0, 0, 0, c->path);
}

static void update(struct condition *c, bool holds)
{
	if (c->holds == holds)
		return;
	c->holds = holds;
	if (holds)
		KeSetEvent(c->event);
	else
		KeResetEvent(c->event);
}

void ExUpdateMemoryConditions(void)
{
	u64 threshold = MAX(mm_total_pages / RAM_SHARE, mm_low_pages), available = mm_available;

	threshold = MIN(threshold, MOST_PAGES);
	update(&low, available <= threshold);
	update(&high, available >= threshold * HIGH_FACTOR);
}

void ExInitMemoryConditions(void)
{
	create(&low);
	create(&high);
	ExUpdateMemoryConditions();
}
