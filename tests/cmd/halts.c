/*
 * A program for the lab's Linux: a locked operation across two cache lines, again and again until
 * it is killed. QEMU halts all other processors for each, so that guests see every effect of that.
 */
#include <stdint.h>
#include <time.h>

int main(void)
{
	static char line[128] __attribute__((aligned(64)));
	volatile uint32_t *across = (uint32_t *)(void *)(line + 61);
	const struct timespec pause = {.tv_nsec = 50000};

	for (;;) {
		__asm__ volatile("lock incl %0" : "+m"(*across));
		nanosleep(&pause, NULL);
	}
}
