/* Paths: what device an NT path names, and the host's form of what follows a drive. */
#include "guest/io/names.h"

/* Takes the next component off; false when nothing is left. */
static bool next_component(const u16 **path, u32 *chars, const u16 **name, u32 *name_chars)
{
	u32 n = 0;

	if (!*chars || **path != '\\')
		return false;
	(*path)++;
	(*chars)--;
	while (n < *chars && (*path)[n] != '\\')
		n++;
	*name = *path;
	*name_chars = n;
	*path += n;
	*chars -= n;
	return true;
}

/* Devices without a path of their own. */
static const struct {
	const char *dos, *device; /* in \?? and in \Device; NULL: not there */
	u8 kind, console;
} devices[] = {
    {"NUL", "Null", PATH_NULL, 0},
    {"CON", NULL, PATH_CONSOLE, CONSOLE_BOTH},
    {"CONIN$", "ConIn", PATH_CONSOLE, CONSOLE_IN},
    {"CONOUT$", "ConOut", PATH_CONSOLE, CONSOLE_OUT},
    {NULL, "ConErr", PATH_CONSOLE, CONSOLE_ERR},
    {"PIPE", "NamedPipe", PATH_PIPE, 0},
};

/* rest[] without its leading backslash */
static void set_rest(struct nt_path *out, const u16 *rest, u32 chars)
{
	if (chars && *rest == '\\') {
		rest++;
		chars--;
	}
	out->rest = rest;
	out->rest_chars = chars;
}

static void find_device(struct nt_path *out, const u16 *name, u32 n, bool dos, const u16 *rest,
			u32 chars)
{
	for (u32 i = 0; i < ARRAY_SIZE(devices); i++) {
		const char *known = dos ? devices[i].dos : devices[i].device;

		if (!known || !name_is(name, n, known))
			continue;
		if (chars && devices[i].kind != PATH_PIPE)
			return;
		out->kind = devices[i].kind;
		out->console = devices[i].console;
		set_rest(out, rest, chars);
		return;
	}
}

static void set_drive(struct nt_path *out, u16 letter, const u16 *rest, u32 chars)
{
	out->kind = PATH_DRIVE;
	out->letter = (char)letter;
	set_rest(out, rest, chars);
}

/* "HarddiskVolumeN": drive letter number N, counted from A = 1; 0 when it is not that. */
static u16 volume_letter(const u16 *name, u32 n)
{
	static const char prefix[] = "HarddiskVolume";
	u32 fixed = sizeof prefix - 1, number = 0;

	if (n <= fixed || n > fixed + 2 || !name_is(name, fixed, prefix))
		return 0;
	for (u32 i = fixed; i < n; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		number = number * 10 + (name[i] - '0');
	}
	return number >= 1 && number <= 26 ? (u16)('A' + number - 1) : 0;
}

/* What follows \Device. */
static void parse_device(const u16 *path, u32 chars, struct nt_path *out)
{
	const u16 *name;
	u32 n;
	u16 letter;

	if (!next_component(&path, &chars, &name, &n))
		return;
	letter = volume_letter(name, n);
	if (letter)
		set_drive(out, letter, path, chars);
	else
		find_device(out, name, n, false, path, chars);
}

/* What follows \??. */
static void parse_dos(const u16 *path, u32 chars, struct nt_path *out)
{
	const u16 *name;
	u32 n;
	u16 letter;

	if (!next_component(&path, &chars, &name, &n))
		return;
	if (name_is(name, n, "GLOBALROOT")) {
		if (next_component(&path, &chars, &name, &n) && name_is(name, n, "Device"))
			parse_device(path, chars, out);
		return;
	}
	letter = name_upcase(n ? name[0] : 0);
	if (n == 2 && name[1] == ':' && letter >= 'A' && letter <= 'Z')
		set_drive(out, letter, path, chars);
	else
		find_device(out, name, n, true, path, chars);
}

void path_parse(const u16 *path, u32 chars, struct nt_path *out)
{
	const u16 *name;
	u32 n;

	*out = (struct nt_path){.kind = PATH_NONE};
	if (!next_component(&path, &chars, &name, &n))
		return;
	if (name_is(name, n, "SystemRoot")) {
		set_drive(out, 'C', path, chars);
		out->in_windows = true;
	} else if (name_is(name, n, "Device")) {
		parse_device(path, chars, out);
	} else if (name_is(name, n, "??") || name_is(name, n, "DosDevices") ||
		   name_is(name, n, "GLOBAL??")) {
		parse_dos(path, chars, out);
	}
}

/* ---- the host's form ---- */

void host_path_clear(struct host_path *p)
{
	p->bytes = p->count = 0;
	p->folder_only = false;
	p->text[0] = 0;
}

bool host_path_push(struct host_path *p, const char *name, u32 bytes)
{
	u32 slash = p->count ? 1 : 0;

	if (p->count == HOST_PATH_DEEP || !bytes || bytes > NAME_MAX_CHARS ||
	    p->bytes + slash + bytes + 1 > HOST_PATH_MAX)
		return false;
	if (slash)
		p->text[p->bytes++] = '/';
	memcpy(p->text + p->bytes, name, bytes);
	p->start[p->count] = (u16)p->bytes;
	p->length[p->count++] = (u16)bytes;
	p->bytes += bytes;
	p->text[p->bytes] = 0;
	return true;
}

enum path_error host_path_append(struct host_path *p, const u16 *nt, u32 chars)
{
	u32 at = 0;

	while (at < chars) {
		char host[NAME_MAX_CHARS];
		u32 n = 0, bytes;

		while (at + n < chars && nt[at + n] != '\\')
			n++;
		if (!n || name_is(nt + at, n, ".") || name_is(nt + at, n, ".."))
			return PATH_INVALID_NAME;
		bytes = name_to_host(nt + at, n, host, sizeof host);
		if (!bytes)
			return n > NAME_MAX_CHARS ? PATH_TOO_LONG : PATH_INVALID_NAME;
		if (!host_path_push(p, host, bytes))
			return PATH_TOO_LONG;
		at += n;
		p->folder_only = at < chars; /* a backslash follows */
		at++;
	}
	return PATH_OK;
}

bool host_path_replace(struct host_path *p, u32 index, const char *name, u32 bytes)
{
	s32 delta = (s32)bytes - (s32)p->length[index];
	u32 tail = p->start[index] + p->length[index];

	if (!bytes || bytes > NAME_MAX_CHARS || (s32)p->bytes + delta + 1 > HOST_PATH_MAX)
		return false;
	memmove(p->text + (s32)tail + delta, p->text + tail, p->bytes + 1 - tail);
	memcpy(p->text + p->start[index], name, bytes);
	p->length[index] = (u16)bytes;
	for (u32 i = index + 1; i < p->count; i++)
		p->start[i] = (u16)(p->start[i] + delta);
	p->bytes = (u32)((s32)p->bytes + delta);
	return true;
}

bool host_path_set(struct host_path *p, const char *text)
{
	host_path_clear(p);
	while (*text) {
		u32 n = 0;

		while (text[n] && text[n] != '/')
			n++;
		if (!host_path_push(p, text, n))
			return false;
		text += n;
		if (*text)
			text++;
	}
	return true;
}
