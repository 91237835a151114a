/*
 * The 16550's registers as far as a transmitter needs them: the line is always ready, nothing is
 * ever received and no interrupt is raised. Register numbers and bits are those of
 * <linux/serial_reg.h>.
 */
#include <errno.h>
#include <linux/serial_reg.h>
#include <string.h>
#include <unistd.h>

#include "guest/abi/machine.h"
#include "vmm/serial.h"

void serial_flush(struct serial *s)
{
	unsigned done = 0;

	while (s->fd >= 0 && done < s->pending) {
		ssize_t n = write(s->fd, s->out + done, s->pending - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break; /* a log that cannot be written must not stop the guest */
		done += (unsigned)n;
	}
	s->pending = 0;
}

void serial_transmit(struct serial *s, const uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		s->ring[s->written++ % SERIAL_TAIL] = (char)data[i];
		s->out[s->pending++] = (char)data[i];
		if (data[i] == '\n' || s->pending == sizeof(s->out))
			serial_flush(s);
	}
}

static void serial_write(void *dev, uint64_t offset, const void *data, unsigned len)
{
	struct serial *s = dev;
	uint8_t v = *(const uint8_t *)data;

	(void)len;
	if (offset <= UART_IER && (s->regs[UART_LCR] & UART_LCR_DLAB))
		s->divisor[offset] = v;
	else if (offset == UART_TX)
		serial_transmit(s, &v, 1);
	else if (offset != UART_LSR && offset != UART_MSR && offset != UART_IIR)
		s->regs[offset] = v;
}

static void serial_read(void *dev, uint64_t offset, void *data, unsigned len)
{
	struct serial *s = dev;
	uint8_t *v = data;

	memset(data, 0, len);
	if (offset <= UART_IER && (s->regs[UART_LCR] & UART_LCR_DLAB))
		*v = s->divisor[offset];
	else if (offset == UART_LSR)
		*v = UART_LSR_TEMT | UART_LSR_THRE;
	else if (offset == UART_IIR)
		*v = UART_IIR_NO_INT;
	else if (offset == UART_MSR)
		*v = UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	else if (offset != UART_RX)
		*v = s->regs[offset];
}

static const struct bus_ops serial_ops = {serial_read, serial_write};

int serial_init(struct serial *s, struct bus *ports, int fd)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	return bus_add(ports, NTMM_PORT_SERIAL, SERIAL_PORTS, &serial_ops, s);
}

const char *serial_tail(struct serial *s)
{
	uint64_t n = s->written < SERIAL_TAIL ? s->written : SERIAL_TAIL;

	for (uint64_t i = 0; i < n; i++)
		s->tail[i] = s->ring[(s->written - n + i) % SERIAL_TAIL];
	s->tail[n] = 0;
	return s->tail;
}
