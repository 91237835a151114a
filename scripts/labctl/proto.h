/*
 * What the lab's client (labctl) and its agent say to each other over a virtio-serial port.
 *
 * A port serves one command at a time. Frames: struct lab_frame, then `bytes` bytes, little-endian.
 *
 *   client                          agent
 *   HELLO nonce  ---------------->
 *                <----------------  READY nonce      (each side skips anything before these)
 *   RUN strings  ---------------->                   starts the command
 *   STDIN data   ---------------->                   0 bytes: end of file
 *                <----------------  TAKEN count      so much of STDIN is in the command's pipe
 *                <----------------  STDOUT data, STDERR data
 *   SIGNAL n, WINDOW, CLOSED fd -->
 *                <----------------  EXIT status      or FAILED text
 *   hangs up                                         the agent kills what still runs
 *
 * At most LAB_STDIN_WINDOW bytes of STDIN are under way, so that a command that does not read its
 * input never keeps a SIGNAL from getting through.
 *
 * RUN is a list of NUL-terminated strings, the first character says what it is: see lab_key.
 */
#ifndef NTMM_LABCTL_PROTO_H
#define NTMM_LABCTL_PROTO_H

#include <stdint.h>

#define LAB_PORTS	 8u		 /* commands at once in one lab */
#define LAB_PORT_NAME	 "org.ntmm.lab." /* followed by the port's number */
#define LAB_CHUNK	 16384u
#define LAB_STDIN_WINDOW 65536u
#define LAB_MAX_RUN	 (4u << 20)

struct lab_frame {
	uint32_t type; /* enum lab_type */
	uint32_t bytes;
};

enum lab_type {
	LAB_HELLO = 0x4c414201, /* struct lab_nonce */
	LAB_READY,		/* struct lab_nonce */
	LAB_RUN,
	LAB_STDIN,
	LAB_TAKEN, /* u32 bytes */
	LAB_STDOUT,
	LAB_STDERR,
	LAB_SIGNAL, /* u32 signal number */
	LAB_WINDOW, /* u16 rows, u16 columns */
	LAB_CLOSED, /* u32: 1 or 2, nobody reads this output any more */
	LAB_EXIT,   /* u32 as waitpid() gives it */
	LAB_FAILED, /* one line: why the command could not be started */
};

struct lab_nonce {
	uint32_t version; /* LAB_VERSION */
	uint32_t value[3];
};
#define LAB_VERSION 1u

enum lab_key {
	LAB_KEY_ARG = 'a',
	LAB_KEY_CWD = 'c',
	LAB_KEY_ENV = 'e',
	LAB_KEY_UID = 'u',
	LAB_KEY_GID = 'g',
	LAB_KEY_GROUP = 'G',
	LAB_KEY_UMASK = 'm',
	LAB_KEY_TTY = 't',    /* bits 0, 1, 2: that descriptor is a terminal */
	LAB_KEY_RAW = 'r',    /* "1": the client's own terminal does the output processing */
	LAB_KEY_WINDOW = 'w', /* rows columns */
	LAB_KEY_WRITABLE = 'W',
};

#endif
