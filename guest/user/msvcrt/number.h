/*
 * Reading and taking apart floating-point numbers; see number.c.
 */
#ifndef GUEST_USER_MSVCRT_NUMBER_H
#define GUEST_USER_MSVCRT_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

enum {
	NUMBER_DIGITS = 800, /* more cannot change a double's value, but for being non-zero */
	NUMBER_EXPONENT_MAX = 1000000,
	NUMBER_TEXT = NUMBER_DIGITS + 32,
	/* modes of number_digits, as gdtoa numbers them */
	NUMBER_SIGNIFICANT = 2,
	NUMBER_AFTER_POINT = 3,
};

/* A number being read. `valid`: what has been fed so far is a whole number. */
struct number_scan {
	int state;
	bool negative, negative_exponent, digits, sticky, valid;
	int used;
	long long scale;
	int exponent;
	char text[NUMBER_TEXT];
};

void number_begin(struct number_scan *scan);
/* Takes the next character if it can go on the number; false leaves the number as it was. */
bool number_feed(struct number_scan *scan, unsigned c);
/* The value of what was fed (its digits), errno ERANGE if it is out of range. */
double number_value(struct number_scan *scan);

/* Reads a number after white space; *used is 0 if there is none. */
double number_read(const void *text, bool wide, size_t *used);

/*
 * The correctly rounded decimal digits of a finite number, without trailing zeros, and where the
 * decimal point lies: count significant ones or count after the point. Zero has no digits, its
 * point is at 0.
 */
int number_digits(double value, int mode, int count, char *digits, size_t room, bool *negative);

#endif
