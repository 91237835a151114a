/*
 * Initialization files: [section] lines, and key=value lines below each.
 *
 * A call reads the whole file (ANSI, or UTF-16 with its mark), finds its lines in the text, and a
 * writing call writes the whole text back, in the file's own encoding. Nothing is kept between
 * calls. A plain file name is one in C:\Windows, as documented. Lock: `lock`, for a call's reading
 * and writing of a file.
 */
#include "guest/user/kernel32/k32.h"

static RTL_SRWLOCK lock;

struct text {
	PWSTR chars; /* of the heap, terminated */
	SIZE_T count;
	BOOL wide; /* of the file: UTF-16 */
};

/* A part of the text. */
struct span {
	PWSTR at;
	SIZE_T count;
};

static void free_text(struct text *t)
{
	heap_delete(t->chars);
	t->chars = NULL;
}

/* --- the file --- */

static BOOL full_name(LPCWSTR file, WCHAR out[MAX_PATH])
{
	DWORD n;

	if (!wcspbrk(file, L"\\/:")) {
		n = GetWindowsDirectoryW(out, MAX_PATH);
		if (n + wcslen(file) + 2 > MAX_PATH)
			return fail(ERROR_FILENAME_EXCED_RANGE);
		wcscat(out, L"\\");
		wcscat(out, file);
		return TRUE;
	}
	n = GetFullPathNameW(file, MAX_PATH, out, NULL);
	return (n && n < MAX_PATH) || fail(ERROR_FILENAME_EXCED_RANGE);
}

static BOOL decode(struct text *t, const char *bytes, DWORD n)
{
	ULONG got = 0;

	t->wide = n >= 2 && (UCHAR)bytes[0] == 0xff && (UCHAR)bytes[1] == 0xfe;
	t->chars = heap_new((n + 2) * sizeof(WCHAR));
	if (!t->chars)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	if (t->wide) {
		got = (n - 2) & ~1u;
		memcpy(t->chars, bytes + 2, got);
	} else {
		RtlMultiByteToUnicodeN(t->chars, n * (ULONG)sizeof(WCHAR), &got, bytes, n);
	}
	t->count = got / sizeof(WCHAR);
	t->chars[t->count] = 0;
	return TRUE;
}

static BOOL read_text(LPCWSTR file, struct text *t)
{
	HANDLE h = CreateFileW(file, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
			       OPEN_EXISTING, 0, NULL);
	DWORD size, n = 0;
	char *bytes;
	BOOL ok;

	*t = (struct text){0};
	if (h == INVALID_HANDLE_VALUE)
		return FALSE;
	size = GetFileSize(h, NULL);
	bytes = heap_new(size + 1);
	ok = (bytes || fail(ERROR_NOT_ENOUGH_MEMORY)) && ReadFile(h, bytes, size, &n, NULL) &&
	     decode(t, bytes, n);
	heap_delete(bytes);
	NtClose(h);
	return ok;
}

static BOOL write_text(LPCWSTR file, const struct text *t)
{
	static const WCHAR mark = 0xfeff;
	DWORD bytes = (DWORD)(t->count * sizeof(WCHAR)), n;
	const void *data = t->chars;
	char *narrow = NULL;
	ULONG got;
	HANDLE h;
	BOOL ok;

	if (!t->wide) {
		narrow = heap_new(t->count + 1);
		if (!narrow)
			return fail(ERROR_NOT_ENOUGH_MEMORY);
		RtlUnicodeToMultiByteN(narrow, (ULONG)t->count, &got, t->chars, bytes);
		data = narrow;
		bytes = got;
	}
	h = CreateFileW(file, GENERIC_WRITE, FILE_SHARE_READ, NULL, CREATE_ALWAYS, 0, NULL);
	ok = h != INVALID_HANDLE_VALUE &&
	     (!t->wide || WriteFile(h, &mark, sizeof(mark), &n, NULL)) &&
	     WriteFile(h, data, bytes, &n, NULL);
	if (h != INVALID_HANDLE_VALUE)
		NtClose(h);
	heap_delete(narrow);
	return ok;
}

/* --- lines --- */

static BOOL is_blank(WCHAR c)
{
	return c == ' ' || c == '\t';
}

/* Without blanks on either side. */
static struct span trim(PWSTR from, PWSTR end)
{
	while (from < end && is_blank(*from))
		from++;
	while (end > from && is_blank(end[-1]))
		end--;
	return (struct span){from, (SIZE_T)(end - from)};
}

/* The line at p; *next is where the following one begins. */
static struct span line_at(PWSTR p, PWSTR *next)
{
	PWSTR end = p + wcscspn(p, L"\r\n");

	*next = end + (*end == '\r') + ((*end == '\r' ? end[1] : *end) == '\n');
	return trim(p, end);
}

/* The name in "[name]"; count 0: it is no such line. */
static struct span section_name(struct span line)
{
	PWSTR close = NULL;

	if (!line.count || line.at[0] != '[')
		return (struct span){line.at, 0};
	for (SIZE_T i = 1; i < line.count; i++)
		if (line.at[i] == ']')
			close = line.at + i;
	return close ? trim(line.at + 1, close) : (struct span){line.at, 0};
}

static BOOL is_section(struct span line)
{
	return line.count && line.at[0] == '[';
}

/* "key=value" or "key"; comments have neither. */
static struct span key_name(struct span line)
{
	SIZE_T n = 0;

	if (!line.count || line.at[0] == ';')
		return (struct span){line.at, 0};
	while (n < line.count && line.at[n] != '=')
		n++;
	return trim(line.at, line.at + n);
}

static struct span key_value(struct span line)
{
	for (SIZE_T i = 0; i < line.count; i++)
		if (line.at[i] == '=')
			return trim(line.at + i + 1, line.at + line.count);
	return (struct span){line.at + line.count, 0};
}

static BOOL same(struct span s, LPCWSTR name)
{
	struct span n = trim((PWSTR)name, (PWSTR)name + wcslen(name));

	return n.count == s.count && !_wcsnicmp(n.at, s.at, n.count);
}

/* The lines of a section; *header: where its own line begins. */
static BOOL find_section(const struct text *t, LPCWSTR name, PWSTR *header, struct span *body)
{
	PWSTR p = t->chars, next;
	BOOL found = FALSE;

	for (; *p; p = next) {
		struct span line = line_at(p, &next);

		if (found && is_section(line))
			break;
		if (!found && is_section(line) && same(section_name(line), name)) {
			found = TRUE;
			*header = p;
			body->at = next;
		}
	}
	if (found)
		body->count = (SIZE_T)(p - body->at);
	return found;
}

/* The whole line of a key, with its end; its value. */
static BOOL find_key(struct span body, LPCWSTR key, struct span *whole, struct span *value)
{
	PWSTR p = body.at, next;

	for (; p < body.at + body.count; p = next) {
		struct span line = line_at(p, &next), name = key_name(line);

		if (!name.count || !same(name, key))
			continue;
		*whole = (struct span){p, (SIZE_T)(next - p)};
		*value = key_value(line);
		return TRUE;
	}
	return FALSE;
}

/* --- answers --- */

struct answer {
	LPWSTR out;
	DWORD room, used;
	BOOL full;
};

static void add(struct answer *a, struct span s)
{
	if (a->full || a->used + s.count + 2 > a->room) {
		if (!a->full && a->used + 2 < a->room) { /* as much as there is room for */
			s.count = a->room - a->used - 2;
			memcpy(a->out + a->used, s.at, s.count * sizeof(WCHAR));
			a->used += (DWORD)s.count;
			a->out[a->used++] = 0;
		}
		a->full = TRUE;
		return;
	}
	memcpy(a->out + a->used, s.at, s.count * sizeof(WCHAR));
	a->used += (DWORD)s.count;
	a->out[a->used++] = 0;
}

/* A list ends with two terminators; a full one tells room - 2. */
static DWORD end_list(struct answer *a)
{
	if (!a->room)
		return 0;
	if (a->full && a->room >= 2) {
		a->out[a->room - 2] = a->out[a->room - 1] = 0;
		return a->room - 2;
	}
	a->out[a->used] = 0;
	return a->used ? a->used : 0;
}

static DWORD list_sections(const struct text *t, LPWSTR out, DWORD room)
{
	struct answer a = {out, room, 0, FALSE};
	PWSTR next;

	for (PWSTR p = t->chars; p && *p; p = next) {
		struct span name = section_name(line_at(p, &next));

		if (name.count)
			add(&a, name);
	}
	return end_list(&a);
}

static DWORD list_lines(struct span body, BOOL names_only, LPWSTR out, DWORD room)
{
	struct answer a = {out, room, 0, FALSE};
	PWSTR next;

	for (PWSTR p = body.at; p < body.at + body.count; p = next) {
		struct span line = line_at(p, &next), name = key_name(line);

		if (name.count)
			add(&a, names_only ? name : line);
	}
	return end_list(&a);
}

static DWORD one_value(struct span v, LPWSTR out, DWORD room)
{
	if (v.count >= 2 && (v.at[0] == '"' || v.at[0] == '\'') && v.at[v.count - 1] == v.at[0]) {
		v.at++;
		v.count -= 2;
	}
	if (!room)
		return 0;
	if (v.count >= room)
		v.count = room - 1;
	memmove(out, v.at, v.count * sizeof(WCHAR));
	out[v.count] = 0;
	return (DWORD)v.count;
}

DWORD WINAPI GetPrivateProfileStringW(LPCWSTR section, LPCWSTR key, LPCWSTR otherwise, LPWSTR out,
				      DWORD room, LPCWSTR file)
{
	struct span body = {0}, whole, value;
	PWSTR header, def = (PWSTR)(otherwise ? otherwise : L"");
	WCHAR path[MAX_PATH];
	struct text t = {0};
	BOOL there;
	DWORD n;

	RtlAcquireSRWLockShared(&lock);
	there = full_name(file ? file : L"win.ini", path) && read_text(path, &t);
	RtlReleaseSRWLockShared(&lock);
	if (there && !section) {
		n = list_sections(&t, out, room);
	} else if (there && find_section(&t, section, &header, &body) &&
		   (!key || find_key(body, key, &whole, &value))) {
		n = key ? one_value(value, out, room) : list_lines(body, TRUE, out, room);
		fail(ERROR_SUCCESS);
	} else {
		value = (struct span){def, wcslen(def)};
		while (value.count && value.at[value.count - 1] == ' ')
			value.count--;
		n = one_value(value, out, room);
		if (!key && room > n + 1)
			out[n + 1] = 0;
		if (there)
			fail(ERROR_FILE_NOT_FOUND);
	}
	free_text(&t);
	return n;
}

DWORD WINAPI GetPrivateProfileSectionNamesW(LPWSTR out, DWORD room, LPCWSTR file)
{
	return GetPrivateProfileStringW(NULL, NULL, NULL, out, room, file);
}

DWORD WINAPI GetPrivateProfileSectionW(LPCWSTR section, LPWSTR out, DWORD room, LPCWSTR file)
{
	WCHAR path[MAX_PATH];
	struct text t = {0};
	struct span body;
	PWSTR header;
	DWORD n = 0;

	if (!section || !out || !room) {
		fail(ERROR_INVALID_PARAMETER);
		return 0;
	}
	if (room < 2) {
		out[0] = 0;
		return 0;
	}
	out[0] = out[1] = 0;
	RtlAcquireSRWLockShared(&lock);
	if (full_name(file ? file : L"win.ini", path) && read_text(path, &t)) {
		if (find_section(&t, section, &header, &body))
			n = list_lines(body, FALSE, out, room);
		else
			fail(ERROR_FILE_NOT_FOUND);
	}
	RtlReleaseSRWLockShared(&lock);
	free_text(&t);
	return n;
}

/* Digits from the front, decimal or 0x..., maybe with a sign; whatever follows ends it. */
UINT WINAPI GetPrivateProfileIntW(LPCWSTR section, LPCWSTR key, INT otherwise, LPCWSTR file)
{
	WCHAR text[32];

	if (!GetPrivateProfileStringW(section, key, L"", text, ARRAY_COUNT(text), file))
		return (UINT)otherwise;
	return (UINT)wcstol(text, NULL, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
}

/* --- writing --- */

/* Puts `with` in the place of the text's part. */
static BOOL replace(struct text *t, struct span part, LPCWSTR with, SIZE_T count)
{
	SIZE_T at = (SIZE_T)(part.at - t->chars), rest = t->count - at - part.count;
	PWSTR fresh = heap_new((t->count - part.count + count + 1) * sizeof(WCHAR));

	if (!fresh)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	memcpy(fresh, t->chars, at * sizeof(WCHAR));
	memcpy(fresh + at, with, count * sizeof(WCHAR));
	memcpy(fresh + at + count, part.at + part.count, (rest + 1) * sizeof(WCHAR));
	heap_delete(t->chars);
	t->chars = fresh;
	t->count = at + count + rest;
	return TRUE;
}

/* The end of a section's lines, before the empty ones that part it from the next. */
static PWSTR last_line_end(struct span body)
{
	PWSTR end = body.at, next;

	for (PWSTR p = body.at; p < body.at + body.count; p = next)
		if (line_at(p, &next).count)
			end = next;
	return end;
}

/* "[section]" behind everything, after a line end if there is none. */
static BOOL append_section(struct text *t, LPCWSTR section)
{
	SIZE_T room = wcslen(section) + 8;
	PWSTR line = heap_new(room * sizeof(WCHAR));
	BOOL ok;

	if (!line)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	_snwprintf(line, room, L"%ls[%ls]\r\n",
		   t->count && t->chars[t->count - 1] != '\n' ? L"\r\n" : L"", section);
	ok = replace(t, (struct span){t->chars + t->count, 0}, line, wcslen(line));
	heap_delete(line);
	return ok;
}

static BOOL set_key(struct text *t, LPCWSTR section, LPCWSTR key, LPCWSTR value)
{
	SIZE_T room = wcslen(key) + wcslen(value) + 8;
	struct span body, whole, old;
	PWSTR header, line;
	BOOL ok, broken;

	if (!find_section(t, section, &header, &body)) {
		if (!append_section(t, section))
			return FALSE;
		find_section(t, section, &header, &body);
	}
	if (!find_key(body, key, &whole, &old))
		whole = (struct span){last_line_end(body), 0};
	/* the last line of a file may have no end */
	broken = !whole.count && whole.at > t->chars && whole.at[-1] != '\n';
	line = heap_new(room * sizeof(WCHAR));
	if (!line)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	_snwprintf(line, room, L"%ls%ls=%ls\r\n", broken ? L"\r\n" : L"", key, value);
	ok = replace(t, whole, line, wcslen(line));
	heap_delete(line);
	return ok;
}

/* value NULL: the key goes; key NULL: the section. */
static BOOL change(struct text *t, LPCWSTR section, LPCWSTR key, LPCWSTR value)
{
	struct span body, whole, old;
	PWSTR header;

	if (key && value)
		return set_key(t, section, key, value);
	if (!find_section(t, section, &header, &body))
		return TRUE;
	if (!key)
		return replace(t, (struct span){header, (SIZE_T)(body.at - header) + body.count},
			       L"", 0);
	return !find_key(body, key, &whole, &old) || replace(t, whole, L"", 0);
}

/* Opens the file's text for a change; a file that is not there is empty. */
static BOOL begin_change(LPCWSTR file, WCHAR path[MAX_PATH], struct text *t)
{
	if (!full_name(file ? file : L"win.ini", path))
		return FALSE;
	return read_text(path, t) || (GetLastError() == ERROR_FILE_NOT_FOUND && decode(t, "", 0));
}

WINBOOL WINAPI WritePrivateProfileStringW(LPCWSTR section, LPCWSTR key, LPCWSTR value, LPCWSTR file)
{
	WCHAR path[MAX_PATH];
	struct text t = {0};
	BOOL ok;

	if (!section) /* nothing is kept that could be flushed */
		return !key && !value ? FALSE : fail(ERROR_FILE_NOT_FOUND);
	RtlAcquireSRWLockExclusive(&lock);
	ok =
	    begin_change(file, path, &t) && change(&t, section, key, value) && write_text(path, &t);
	RtlReleaseSRWLockExclusive(&lock);
	free_text(&t);
	return ok;
}

/* All lines of a section at once, each terminated, and the list too. */
WINBOOL WINAPI WritePrivateProfileSectionW(LPCWSTR section, LPCWSTR lines, LPCWSTR file)
{
	WCHAR path[MAX_PATH];
	struct text t = {0};
	struct span body;
	PWSTR header;
	BOOL ok;

	if (!section)
		return FALSE;
	if (!lines)
		return WritePrivateProfileStringW(section, NULL, NULL, file);
	RtlAcquireSRWLockExclusive(&lock);
	ok = begin_change(file, path, &t);
	if (ok && find_section(&t, section, &header, &body))
		ok = replace(&t, (struct span){body.at, body.count}, L"", 0);
	else if (ok)
		ok = append_section(&t, section);
	for (; ok && *lines; lines += wcslen(lines) + 1) {
		find_section(&t, section, &header, &body);
		ok = replace(&t, (struct span){body.at + body.count, 0}, lines, wcslen(lines));
		find_section(&t, section, &header, &body);
		ok = ok && replace(&t, (struct span){body.at + body.count, 0}, L"\r\n", 2);
	}
	ok = ok && write_text(path, &t);
	RtlReleaseSRWLockExclusive(&lock);
	free_text(&t);
	return ok;
}
