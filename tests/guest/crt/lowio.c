/* Low-level files and facts about files: _open, _read, _write, _lseeki64, _stat64, _findfirst64. */
#include "tests/guest/crt/expect.h"
#include <direct.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <sys/stat.h>
#include <sys/utime.h>
#include <time.h>

static const char name[] = "crt_lowio.tmp";

static void files(void)
{
	char text[64] = {0};
	int fd = _open(name, _O_CREAT | _O_TRUNC | _O_RDWR | _O_BINARY, _S_IREAD | _S_IWRITE), copy;

	CHECK(fd >= 3);
	CHECK_EQ(_write(fd, "hello world", 11), 11);
	CHECK_EQ(_lseeki64(fd, 0, SEEK_CUR), 11);
	CHECK_EQ(_lseeki64(fd, 6, SEEK_SET), 6);
	CHECK_EQ(_read(fd, text, 64), 5);
	CHECK_STR(text, "world");
	CHECK_EQ(_read(fd, text, 64), 0);
	CHECK_EQ(_eof(fd), 1);
	CHECK_EQ(_filelengthi64(fd), 11);
	CHECK_EQ(_chsize(fd, 5), 0);
	CHECK_EQ(_filelengthi64(fd), 5);
	CHECK_EQ(_chsize(fd, 100), 0);
	CHECK_EQ(_lseeki64(fd, 50, SEEK_SET), 50);
	CHECK_EQ(_read(fd, text, 1), 1);
	CHECK_EQ(text[0], 0);
	CHECK_EQ(_lseeki64(fd, -1, SEEK_SET), -1);
	CHECK_EQ(errno, EINVAL);
	copy = _dup(fd);
	CHECK(copy > fd);
	CHECK_EQ(_lseeki64(copy, 0, SEEK_CUR), 51);
	CHECK_EQ(_close(copy), 0);
	CHECK_EQ(_dup2(fd, 20), 0);
	CHECK_EQ(_tell(20), 51);
	CHECK_EQ(_close(20), 0);
	CHECK_EQ(_commit(fd), 0);
	CHECK_EQ(_isatty(fd), 0);
	CHECK(_get_osfhandle(fd) != -1);
	CHECK_EQ(_close(fd), 0);
	CHECK_EQ(_close(fd), -1);
	CHECK_EQ(errno, EBADF);
	CHECK_EQ(_read(fd, text, 1), -1);
	CHECK_EQ(_open(name, _O_CREAT | _O_EXCL | _O_RDWR, _S_IREAD | _S_IWRITE), -1);
	CHECK_EQ(errno, EEXIST);
}

/* Text translation when the pieces end between CR and LF. */
static void translation(void)
{
	char text[64];
	int fd = _open(name, _O_CREAT | _O_TRUNC | _O_RDWR | _O_TEXT, _S_IREAD | _S_IWRITE), n,
	    total = 0;

	CHECK_EQ(_write(fd, "a\nbc\n\nd", 7), 7);
	CHECK_EQ(_filelengthi64(fd), 10);
	_lseeki64(fd, 0, SEEK_SET);
	while ((n = _read(fd, text + total, 2)) > 0)
		total += n;
	CHECK_EQ(total, 7);
	CHECK(!memcmp(text, "a\nbc\n\nd", 7));
	CHECK_EQ(_setmode(fd, _O_BINARY), _O_TEXT);
	_lseeki64(fd, 0, SEEK_SET);
	CHECK_EQ(_read(fd, text, 64), 10);
	CHECK_EQ(_setmode(fd, _O_TEXT), _O_BINARY);
	_close(fd);
}

static void facts(void)
{
	struct _stat64 facts;
	struct __utimbuf64 times = {1000000000, 1100000000};
	int fd = _open(name, _O_CREAT | _O_TRUNC | _O_RDWR | _O_BINARY, _S_IREAD | _S_IWRITE);

	_write(fd, "12345", 5);
	CHECK_EQ(_fstat64(fd, &facts), 0);
	CHECK_EQ(facts.st_size, 5);
	CHECK(facts.st_mode & _S_IFREG);
	_close(fd);
	CHECK_EQ(_stat64(name, &facts), 0);
	CHECK_EQ(facts.st_size, 5);
	CHECK_EQ(facts.st_mode & (_S_IFREG | _S_IREAD | _S_IWRITE),
		 _S_IFREG | _S_IREAD | _S_IWRITE);
	CHECK_EQ(facts.st_nlink, 1);
	CHECK(facts.st_mtime > 1500000000);
	CHECK_EQ(_utime64(name, &times), 0);
	CHECK_EQ(_stat64(name, &facts), 0);
	CHECK_EQ(facts.st_mtime, 1100000000);
	CHECK_EQ(_stat64(".", &facts), 0);
	CHECK(facts.st_mode & _S_IFDIR);
	CHECK_EQ(_stat64("no such file", &facts), -1);
	CHECK_EQ(errno, ENOENT);
	CHECK_EQ(_access(name, 4), 0);
	CHECK_EQ(_access("no such file", 0), -1);
}

static void folders(void)
{
	struct __finddata64_t found;
	char here[260], there[260];
	intptr_t search;
	int count = 0;

	CHECK(_getcwd(here, sizeof(here)) != NULL);
	CHECK_EQ(_mkdir("crt_folder"), 0);
	CHECK_EQ(_mkdir("crt_folder"), -1);
	CHECK_EQ(errno, EEXIST);
	CHECK_EQ(_chdir("crt_folder"), 0);
	for (int i = 0; i < 5; i++) {
		char file[16];

		snprintf(file, sizeof(file), "f%d.x", i);
		_close(_open(file, _O_CREAT | _O_RDWR, _S_IREAD | _S_IWRITE));
	}
	_close(_open("other", _O_CREAT | _O_RDWR, _S_IREAD | _S_IWRITE));
	search = _findfirst64("*.x", &found);
	CHECK(search != -1);
	if (search != -1) {
		do {
			CHECK_EQ(found.size, 0);
			CHECK(found.name[0] == 'f' && found.name[1] - '0' < 5);
			count++;
		} while (!_findnext64(search, &found));
		CHECK_EQ(errno, ENOENT);
		CHECK_EQ(_findclose(search), 0);
	}
	CHECK_EQ(count, 5);
	CHECK_EQ(_findfirst64("*.none", &found), -1);
	CHECK_EQ(errno, ENOENT);
	for (int i = 0; i < 5; i++) {
		char file[16];

		snprintf(file, sizeof(file), "f%d.x", i);
		CHECK_EQ(_unlink(file), 0);
	}
	CHECK_EQ(_unlink("other"), 0);
	CHECK(_fullpath(there, "..", sizeof(there)) != NULL);
	CHECK_EQ(_stricmp(here, there), 0);
	CHECK_EQ(_chdir(".."), 0);
	CHECK_EQ(_rmdir("crt_folder"), 0);
	CHECK_EQ(_rmdir("crt_folder"), -1);
}

static void paths(void)
{
	char drive[_MAX_DRIVE], folder[_MAX_DIR], file[_MAX_FNAME], extension[_MAX_EXT],
	    path[_MAX_PATH];

	_splitpath("C:\\one\\two.dir\\file.tar.gz", drive, folder, file, extension);
	CHECK_STR(drive, "C:");
	CHECK_STR(folder, "\\one\\two.dir\\");
	CHECK_STR(file, "file.tar");
	CHECK_STR(extension, ".gz");
	_splitpath("plain", drive, folder, file, extension);
	CHECK_STR(drive, "");
	CHECK_STR(folder, "");
	CHECK_STR(file, "plain");
	CHECK_STR(extension, "");
	_makepath(path, "D", "a\\b", "name", "txt");
	CHECK_STR(path, "D:a\\b\\name.txt");
	_makepath(path, NULL, NULL, "name", ".c");
	CHECK_STR(path, "name.c");
}

int main(void)
{
	files();
	translation();
	facts();
	folders();
	paths();
	CHECK_EQ(_unlink(name), 0);
	return checks_end();
}
