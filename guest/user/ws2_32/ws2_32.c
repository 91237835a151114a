/*
 * ws2_32.dll, for programs that import it and need no network: it starts and ends, numbers change
 * their byte order, and whatever wants a socket is told that the network is down.
 */
#define WIN32_LEAN_AND_MEAN
#define WINSOCK_API_LINKAGE
#include <winsock2.h>
#include <ws2tcpip.h>
#include "guest/user/include/nt.h"

#define HIGHEST_VERSION 0x0202

static LONG started;

int WSAAPI WSAGetLastError(void)
{
	return (int)NtCurrentTeb()->LastErrorValue;
}

void WSAAPI WSASetLastError(int error)
{
	NtCurrentTeb()->LastErrorValue = (DWORD)error;
}

static int fail(int error)
{
	WSASetLastError(error);
	return SOCKET_ERROR;
}

/* No socket can be made, so none that is named exists. */
static int no_socket(void)
{
	return fail(started ? WSAENOTSOCK : WSANOTINITIALISED);
}

int WSAAPI WSAStartup(WORD version, LPWSADATA data)
{
	if (!data)
		return WSAEFAULT;
	if (!LOBYTE(version))
		return WSAVERNOTSUPPORTED;
	memset(data, 0, sizeof(*data));
	/* the version asked for, if it is not above the highest there is */
	data->wVersion =
	    MAKEWORD(LOBYTE(version), HIBYTE(version)) > HIGHEST_VERSION || LOBYTE(version) > 2
		? HIGHEST_VERSION
		: version;
	data->wHighVersion = HIGHEST_VERSION;
	strcpy(data->szDescription, "WinSock 2.0");
	strcpy(data->szSystemStatus, "Not running: no network");
	InterlockedIncrement(&started);
	return 0;
}

int WSAAPI WSACleanup(void)
{
	if (!started)
		return fail(WSANOTINITIALISED);
	InterlockedDecrement(&started);
	return 0;
}

SOCKET WSAAPI socket(int family, int type, int protocol)
{
	(void)family;
	(void)type;
	(void)protocol;
	fail(started ? WSAENETDOWN : WSANOTINITIALISED);
	return INVALID_SOCKET;
}

SOCKET WSAAPI WSASocketW(int family, int type, int protocol, LPWSAPROTOCOL_INFOW info, GROUP group,
			 DWORD flags)
{
	(void)info;
	(void)group;
	(void)flags;
	return socket(family, type, protocol);
}

SOCKET WSAAPI WSASocketA(int family, int type, int protocol, LPWSAPROTOCOL_INFOA info, GROUP group,
			 DWORD flags)
{
	(void)info;
	(void)group;
	(void)flags;
	return socket(family, type, protocol);
}

SOCKET WSAAPI accept(SOCKET s, struct sockaddr *from, int *bytes)
{
	(void)s;
	(void)from;
	(void)bytes;
	no_socket();
	return INVALID_SOCKET;
}

#define ON_SOCKET(name, ...)                   \
	int WSAAPI name(SOCKET s, __VA_ARGS__) \
	{                                      \
		(void)s;                       \
		return no_socket();            \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"
ON_SOCKET(bind, const struct sockaddr *to, int bytes)
ON_SOCKET(connect, const struct sockaddr *to, int bytes)
ON_SOCKET(getpeername, struct sockaddr *to, int *bytes)
ON_SOCKET(getsockname, struct sockaddr *to, int *bytes)
ON_SOCKET(getsockopt, int level, int option, char *value, int *bytes)
ON_SOCKET(setsockopt, int level, int option, const char *value, int bytes)
ON_SOCKET(ioctlsocket, __LONG32 command, u_long *value)
ON_SOCKET(listen, int backlog)
ON_SOCKET(recv, char *to, int bytes, int flags)
ON_SOCKET(recvfrom, char *to, int bytes, int flags, struct sockaddr *from, int *from_bytes)
ON_SOCKET(send, const char *from, int bytes, int flags)
ON_SOCKET(sendto, const char *from, int bytes, int flags, const struct sockaddr *to, int to_bytes)
ON_SOCKET(shutdown, int how)

int WSAAPI closesocket(SOCKET s)
{
	(void)s;
	return no_socket();
}

/* Sets are of sockets, so there is nothing to wait for but time; with no set at all that is an
 * error, as on Windows. */
int WSAAPI select(int n, fd_set *r, fd_set *w, fd_set *e, const PTIMEVAL timeout)
{
	if (!started)
		return fail(WSANOTINITIALISED);
	if ((r && r->fd_count) || (w && w->fd_count) || (e && e->fd_count))
		return fail(WSAENOTSOCK);
	return fail(WSAEINVAL);
}

int WSAAPI __WSAFDIsSet(SOCKET s, fd_set *set)
{
	for (u_int i = 0; i < set->fd_count; i++)
		if (set->fd_array[i] == s)
			return 1;
	return 0;
}

/* --- names and numbers --- */

int WSAAPI getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **result)
{
	*result = NULL;
	fail(started ? WSAHOST_NOT_FOUND : WSANOTINITIALISED);
	return WSAGetLastError();
}

void WSAAPI freeaddrinfo(struct addrinfo *a)
{
}

struct hostent *WSAAPI gethostbyname(const char *name)
{
	fail(started ? WSAHOST_NOT_FOUND : WSANOTINITIALISED);
	return NULL;
}

int WSAAPI gethostname(char *out, int room)
{
	static const char name[] = "NTMM";

	if (!started)
		return fail(WSANOTINITIALISED);
	if (room < (int)sizeof(name))
		return fail(WSAEFAULT);
	strcpy(out, name);
	return 0;
}

u_long WSAAPI htonl(u_long v)
{
	return __builtin_bswap32(v);
}

u_long WSAAPI ntohl(u_long v)
{
	return __builtin_bswap32(v);
}

u_short WSAAPI htons(u_short v)
{
	return __builtin_bswap16(v);
}

u_short WSAAPI ntohs(u_short v)
{
	return __builtin_bswap16(v);
}

/* "a.b.c.d" in decimal: what programs write. */
unsigned __LONG32 WSAAPI inet_addr(const char *text)
{
	ULONG v = 0;

	for (int part = 0; part < 4; part++) {
		ULONG n = 0;
		int digits = 0;

		for (; *text >= '0' && *text <= '9' && digits < 4; text++, digits++)
			n = n * 10 + (ULONG)(*text - '0');
		if (!digits || n > 255 || *text != (part < 3 ? '.' : 0))
			return INADDR_NONE;
		text++;
		v |= n << (part * 8);
	}
	return v;
}
