/* Formatted text for the serial port and for messages: %d %u %x %p %s %c, widths, 0, -, l, ll, z.
 */
#include "guest/ke/ke.h"
#include "guest/ke/cpu.h"
#include "guest/abi/machine.h"

struct out {
	char *p, *end;
	size_t total;
};

static void put(struct out *o, char c)
{
	if (o->p < o->end)
		*o->p++ = c;
	o->total++;
}

static void put_number(struct out *o, u64 v, u32 base, bool negative, int width, char pad)
{
	char digits[24];
	int n = 0;

	do
		digits[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	if (negative)
		digits[n++] = '-';
	for (int i = n; i < width; i++)
		put(o, pad);
	while (n)
		put(o, digits[--n]);
}

int ke_vsnprintf(char *buf, size_t size, const char *f, __builtin_va_list ap)
{
	struct out o = {buf, buf + (size ? size - 1 : 0), 0};

	for (; *f; f++) {
		int width = 0, longs = 0;
		char pad = ' ';
		bool left = false;

		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		f++;
		if (*f == '-') {
			left = true;
			f++;
		}
		if (*f == '0')
			pad = *f++;
		if (*f == '*') {
			width = __builtin_va_arg(ap, int);
			f++;
		}
		while (*f >= '0' && *f <= '9')
			width = width * 10 + *f++ - '0';
		while (*f == 'l' || *f == 'z') {
			longs = 1;
			f++;
		}
		switch (*f) {
		case 'd': {
			s64 v = longs ? __builtin_va_arg(ap, s64) : __builtin_va_arg(ap, int);

			put_number(&o, v < 0 ? 0 - (u64)v : (u64)v, 10, v < 0, width, pad);
			break;
		}
		case 'u':
		case 'x': {
			u64 v = longs ? __builtin_va_arg(ap, u64) : __builtin_va_arg(ap, u32);

			put_number(&o, v, *f == 'u' ? 10 : 16, false, width, pad);
			break;
		}
		case 'p':
			put_number(&o, (u64) __builtin_va_arg(ap, void *), 16, false, 16, '0');
			break;
		case 'c':
			put(&o, (char)__builtin_va_arg(ap, int));
			break;
		case 's': {
			const char *s = __builtin_va_arg(ap, const char *);
			int n;

			s = s ? s : "(null)";
			n = (int)strlen(s);
			for (int i = n; !left && i < width; i++)
				put(&o, ' ');
			for (int i = 0; i < n; i++)
				put(&o, s[i]);
			for (int i = n; left && i < width; i++)
				put(&o, ' ');
			break;
		}
		default:
			put(&o, *f);
		}
	}
	if (size)
		*o.p = 0;
	return (int)o.total;
}

int ke_snprintf(char *buf, size_t n, const char *fmt, ...)
{
	__builtin_va_list ap;
	int r;

	__builtin_va_start(ap, fmt);
	r = ke_vsnprintf(buf, n, fmt, ap);
	__builtin_va_end(ap);
	return r;
}

static struct spinlock serial_lock;

/* One string OUT: one exit for the whole line under KVM. */
void dbg_print(const char *fmt, ...)
{
	char line[256], *p = line;
	__builtin_va_list ap;
	u64 flags, n;

	__builtin_va_start(ap, fmt);
	n = (u64)ke_vsnprintf(line, sizeof(line), fmt, ap);
	__builtin_va_end(ap);
	n = MIN(n, sizeof(line) - 1);
	flags = spin_lock_irq(&serial_lock);
	__asm__ volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(NTMM_PORT_SERIAL) : "memory");
	spin_unlock_irq(&serial_lock, flags);
}
