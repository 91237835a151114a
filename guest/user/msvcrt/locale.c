/*
 * Locales: "C", and the user's, which is United States English with code page 1252. The category
 * LC_CTYPE changes characters, LC_NUMERIC and LC_MONETARY what localeconv tells; times and
 * collation are the same in both.
 */
#include "guest/user/msvcrt/crt.h"
#include <locale.h>
#include <mbctype.h>

enum { CATEGORIES = LC_MAX + 1, CP_LATIN1_ANSI = 1252, LCID_EN_US = 0x409 };

static const char c_name[] = "C", user_name[] = "English_United States.1252";
static bool is_user[CATEGORIES];
static char all_text[256];
static wchar_t wide_text[256];

unsigned crt_lc_handle[CATEGORIES];
unsigned crt_lc_codepage, crt_lc_collate_cp;
int crt_mb_cur_max = 1;

static struct lconv conv = {
    .decimal_point = ".",
    .thousands_sep = "",
    .grouping = "",
    .int_curr_symbol = "",
    .currency_symbol = "",
    .mon_decimal_point = "",
    .mon_thousands_sep = "",
    .mon_grouping = "",
    .positive_sign = "",
    .negative_sign = "",
    .int_frac_digits = CHAR_MAX,
    .frac_digits = CHAR_MAX,
    .p_cs_precedes = CHAR_MAX,
    .p_sep_by_space = CHAR_MAX,
    .n_cs_precedes = CHAR_MAX,
    .n_sep_by_space = CHAR_MAX,
    .p_sign_posn = CHAR_MAX,
    .n_sign_posn = CHAR_MAX,
};

/* 0 for "C", 1 for the user's, -1 if there is no such locale. */
static int locale_of(const char *name, size_t n)
{
	static const char *const user_names[] = {
	    "",
	    "english_united states.1252",
	    "english_united states",
	    "english",
	    "en-us",
	    "enu",
	    "american",
	    "us",
	    "usa",
	    ".1252",
	    ".acp",
	    "english_us",
	    "en_us",
	    "en",
	};

	if ((n == 1 && *name == 'C') || (n == 5 && !strncmp(name, "POSIX", n)))
		return 0;
	for (size_t i = 0; i < ARRAYSIZE(user_names); i++)
		if (strlen(user_names[i]) == n && !_strnicmp(name, user_names[i], n))
			return 1;
	return -1;
}

static void apply(int category, bool user)
{
	is_user[category] = user;
	crt_lc_handle[category] = user ? LCID_EN_US : 0;
	if (category == LC_CTYPE) {
		crt_lc_codepage = user ? CP_LATIN1_ANSI : 0;
		crt_ctype_set(!user);
	} else if (category == LC_COLLATE) {
		crt_lc_collate_cp = user ? CP_LATIN1_ANSI : 0;
	} else if (category == LC_NUMERIC) {
		conv.thousands_sep = user ? "," : "";
		conv.grouping = user ? "\3" : "";
	} else if (category == LC_MONETARY) {
		char digits = user ? 2 : CHAR_MAX, one = user ? 1 : CHAR_MAX;
		char none = user ? 0 : CHAR_MAX;

		conv.int_curr_symbol = user ? "USD" : "";
		conv.currency_symbol = user ? "$" : "";
		conv.mon_decimal_point = user ? "." : "";
		conv.mon_thousands_sep = user ? "," : "";
		conv.mon_grouping = user ? "\3" : "";
		conv.negative_sign = user ? "-" : "";
		conv.int_frac_digits = conv.frac_digits = digits;
		conv.p_cs_precedes = conv.n_cs_precedes = one;
		conv.p_sep_by_space = conv.n_sep_by_space = none;
		conv.p_sign_posn = user ? 3 : CHAR_MAX;
		conv.n_sign_posn = none;
	}
}

static const char *const category_names[CATEGORIES] = {
    NULL, "LC_COLLATE", "LC_CTYPE", "LC_MONETARY", "LC_NUMERIC", "LC_TIME",
};

static const char *name_of(int category)
{
	if (category != LC_ALL)
		return is_user[category] ? user_name : c_name;
	for (int i = LC_COLLATE; i < CATEGORIES; i++) {
		if (is_user[i] == is_user[LC_COLLATE])
			continue;
		*all_text = 0;
		for (int j = LC_COLLATE; j < CATEGORIES; j++) {
			strcat(all_text, category_names[j]);
			strcat(all_text, "=");
			strcat(all_text, is_user[j] ? user_name : c_name);
			strcat(all_text, j + 1 < CATEGORIES ? ";" : "");
		}
		return all_text;
	}
	return is_user[LC_COLLATE] ? user_name : c_name;
}

/* "LC_CTYPE=...;LC_TIME=...", as name_of makes it. */
static bool apply_list(const char *list)
{
	int wanted[CATEGORIES] = {0};
	const char *at = list;

	for (int i = 0; i < CATEGORIES; i++)
		wanted[i] = -1;
	while (*at) {
		size_t key = strcspn(at, "="), value;
		int category = LC_COLLATE;

		if (!at[key])
			return false;
		while (category < CATEGORIES && (strlen(category_names[category]) != key ||
						 strncmp(category_names[category], at, key)))
			category++;
		if (category == CATEGORIES)
			return false;
		at += key + 1;
		value = strcspn(at, ";");
		wanted[category] = locale_of(at, value);
		if (wanted[category] < 0)
			return false;
		at += value + (at[value] == ';');
	}
	for (int i = LC_COLLATE; i < CATEGORIES; i++)
		if (wanted[i] >= 0)
			apply(i, wanted[i]);
	return true;
}

char *setlocale(int category, const char *name)
{
	const char *result = NULL;
	int user;

	if (category < LC_MIN || category > LC_MAX)
		return NULL;
	_lock(LOCK_LOCALE);
	if (!name) {
		result = name_of(category);
	} else if (category == LC_ALL && !strncmp(name, "LC_", 3)) {
		if (apply_list(name))
			result = name_of(category);
	} else {
		user = locale_of(name, strlen(name));
		for (int i = LC_COLLATE; user >= 0 && i < CATEGORIES; i++)
			if (category == LC_ALL || category == i)
				apply(i, user);
		if (user >= 0)
			result = name_of(category);
	}
	_unlock(LOCK_LOCALE);
	return (char *)result;
}

wchar_t *_wsetlocale(int category, const wchar_t *name)
{
	char *narrow = name ? crt_narrow(name) : NULL;
	const char *result = name && !narrow ? NULL : setlocale(category, narrow);
	size_t i = 0;

	free(narrow);
	if (!result)
		return NULL;
	do {
		wide_text[i] = (unsigned char)result[i];
	} while (result[i++]);
	return wide_text;
}

struct lconv *localeconv(void)
{
	return &conv;
}

/* Nothing to compute: localeconv's data is always ready. */
int crt_lconv_init(void)
{
	return 0;
}

int _configthreadlocale(int type)
{
	/* Per-thread locales are not there: asking is fine, turning them on is refused. */
	if (type == 0 || type == _DISABLE_PER_THREAD_LOCALE)
		return _DISABLE_PER_THREAD_LOCALE;
	return -1;
}

unsigned ___lc_codepage_func(void)
{
	return crt_lc_codepage;
}

unsigned ___lc_collate_cp_func(void)
{
	return crt_lc_collate_cp;
}

unsigned *___lc_handle_func(void)
{
	return crt_lc_handle;
}

int ___mb_cur_max_func(void)
{
	return crt_mb_cur_max;
}

int crt_setlc_active;
int crt_unguarded_readlc_active;

int *crt_setlc_active_func(void)
{
	return &crt_setlc_active;
}

int *crt_unguarded_readlc_active_func(void)
{
	return &crt_unguarded_readlc_active;
}

/*
 * Locale objects for the functions with an _l at their end, which follow the current locale.
 */
struct locale_object {
	void *info, *mbc;
};

_locale_t _get_current_locale(void)
{
	return calloc(1, sizeof(struct locale_object));
}

_locale_t _create_locale(int category, const char *name)
{
	if (category < LC_MIN || category > LC_MAX || !name || locale_of(name, strlen(name)) < 0)
		return NULL;
	return calloc(1, sizeof(struct locale_object));
}

void _free_locale(_locale_t locale)
{
	free(locale);
}
