/*
 * serial: the transmitting half of a 16550, for early messages. What is written goes to a
 * descriptor if there is one, and its end is kept for the report of a machine that broke.
 */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include "vmm/bus.h"

#define SERIAL_PORTS 8
#define SERIAL_TAIL  4096

struct serial {
	int fd; /* -1: none */
	uint8_t regs[SERIAL_PORTS];
	uint8_t divisor[2];
	uint64_t written; /* bytes in all; the newest SERIAL_TAIL are in ring[] */
	unsigned pending;
	char ring[SERIAL_TAIL];
	char tail[SERIAL_TAIL + 1];
	char out[256];
};

int serial_init(struct serial *s, struct bus *ports, int fd);
/* Bytes to the transmitter, as a string OUT gives them. */
void serial_transmit(struct serial *s, const uint8_t *data, unsigned len);
void serial_flush(struct serial *s);
const char *serial_tail(struct serial *s);

#endif
