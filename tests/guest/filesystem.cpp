/*
 * C++17's std::filesystem, hard links and symbolic links: a program as anybody would write it.
 *   filesystem.exe [FOLDER]    FOLDER: where it may write (default: the one for temporary files)
 */
#include "tests/guest/check.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace fs = std::filesystem;

static void put(const fs::path &p, const std::string &text)
{
	std::ofstream(p, std::ios::binary) << text;
}

static std::string get(const fs::path &p)
{
	std::ifstream f(p, std::ios::binary);
	return std::string(std::istreambuf_iterator<char>(f), {});
}

/* Not fs::hard_link_count(): it asks msvcrt.dll's stat, which knows of one. */
static unsigned names_of(const fs::path &p)
{
	BY_HANDLE_FILE_INFORMATION info = {};
	HANDLE f = CreateFileW(p.wstring().c_str(), 0, 7, nullptr, OPEN_EXISTING, 0, nullptr);
	CHECK(GetFileInformationByHandle(f, &info));
	CloseHandle(f);
	return info.nNumberOfLinks;
}

static void standard_library(const fs::path &top)
{
	CHECK(fs::create_directories(top / "a" / "b" / "c"));
	CHECK(!fs::create_directories(top / "a" / "b" / "c"));
	put(top / "a" / "one.txt", "first");
	put(top / "a" / "b" / "two.txt", "second file");
	CHECK(fs::exists(top / "a" / "one.txt"));
	CHECK_EQ(fs::file_size(top / "a" / "b" / "two.txt"), 11);
	std::set<std::string> seen;
	for (const auto &e : fs::recursive_directory_iterator(top / "a"))
		seen.insert(e.path().filename().string() + (e.is_directory() ? "/" : ""));
	CHECK(seen == (std::set<std::string>{"b/", "c/", "one.txt", "two.txt"}));
	CHECK(fs::copy_file(top / "a" / "one.txt", top / "copy.txt"));
	fs::rename(top / "copy.txt", top / "moved.txt");
	CHECK(get(top / "moved.txt") == "first");
	fs::resize_file(top / "moved.txt", 3);
	CHECK(get(top / "moved.txt") == "fir");

	std::error_code error;
	fs::create_hard_link(top / "a" / "one.txt", top / "link.txt", error);
	CHECK(!error);
	CHECK_EQ(names_of(top / "link.txt"), 2);
	CHECK(fs::equivalent(top / "a" / "one.txt", top / "link.txt"));
	put(top / "link.txt", "by the other name");
	CHECK(get(top / "a" / "one.txt") == "by the other name");
	CHECK(fs::remove(top / "a" / "one.txt"));
	CHECK(get(top / "link.txt") == "by the other name");
	CHECK_EQ(names_of(top / "link.txt"), 1);
	fs::create_hard_link(top / "none", top / "link2.txt", error);
	CHECK(bool(error));
	CHECK(fs::space(top).capacity > 0);
	CHECK(fs::weakly_canonical(top / "a" / ".." / "link.txt").filename() == "link.txt");
	CHECK(fs::absolute("x").is_absolute());
	CHECK(fs::remove_all(top / "a") >= 3);
	CHECK(!fs::exists(top / "a"));
}

static void links(const fs::path &top)
{
	const fs::path file = top / "file", hard = top / "hard", soft = top / "soft",
		       dir = top / "dir";
	put(file, "contents");
	CHECK(CreateHardLinkW(hard.wstring().c_str(), file.wstring().c_str(), nullptr));
	CHECK(!CreateHardLinkW(hard.wstring().c_str(), file.wstring().c_str(), nullptr));
	CHECK_EQ(GetLastError(), ERROR_ALREADY_EXISTS);
	CHECK(!CreateHardLinkW((top / "x").wstring().c_str(), (top / "none").wstring().c_str(),
			       nullptr));
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
	CHECK(!CreateHardLinkW((top / "x").wstring().c_str(), top.wstring().c_str(), nullptr));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(CreateHardLinkA((top / "ansi").string().c_str(), hard.string().c_str(), nullptr));
	CHECK_EQ(names_of(file), 3);
	/* mapped by one name, read by the other */
	{
		HANDLE f = CreateFileW(hard.wstring().c_str(), GENERIC_READ | GENERIC_WRITE, 7,
				       nullptr, OPEN_EXISTING, 0, nullptr);
		HANDLE m = CreateFileMappingW(f, nullptr, PAGE_READWRITE, 0, 0, nullptr);
		char *v = static_cast<char *>(MapViewOfFile(m, FILE_MAP_WRITE, 0, 0, 0));
		CHECK(v != nullptr);
		v[0] = 'C';
		CHECK(get(file) == "Contents");
		UnmapViewOfFile(v);
		CloseHandle(m);
		CloseHandle(f);
	}
	CHECK(CreateSymbolicLinkW(soft.wstring().c_str(), L"file", 0));
	CHECK(get(soft) == "Contents");
	CHECK(!CreateSymbolicLinkW(soft.wstring().c_str(), L"file", 0));
	CHECK_EQ(GetLastError(), ERROR_ALREADY_EXISTS);
	fs::create_directory(dir);
	put(dir / "inner", "deep");
	CHECK(CreateSymbolicLinkW((top / "way").wstring().c_str(), L"dir",
				  SYMBOLIC_LINK_FLAG_DIRECTORY));
	CHECK(get(top / "way" / "inner") == "deep");
	const fs::path inner = fs::absolute(dir / "inner");
	CHECK(CreateSymbolicLinkW((top / "whole").wstring().c_str(), inner.wstring().c_str(), 0));
	CHECK(get(top / "whole") == "deep");
	/* ways up are refused, and nothing is left of them: the link might be moved */
	CHECK(!CreateSymbolicLinkW((dir / "up").wstring().c_str(), L"..\\file", 0));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(!fs::exists(dir / "up"));
	CHECK(!CreateSymbolicLinkW((dir / "up").wstring().c_str(),
				   fs::absolute(file).wstring().c_str(), 0));
	CHECK(CreateSymbolicLinkA((top / "ansi2").string().c_str(), "dir/inner", 0));
	CHECK(get(top / "ansi2") == "deep");
	/* out of the drive: refused, and nothing is left of it */
	CHECK(!CreateSymbolicLinkW((top / "out").wstring().c_str(),
				   L"..\\..\\..\\..\\..\\..\\..\\..\\..\\..\\etc\\passwd", 0));
	CHECK(!fs::exists(top / "out"));
	/* deleting the link leaves what it leads to */
	CHECK(DeleteFileW(soft.wstring().c_str()));
	CHECK(get(file) == "Contents");
	CHECK(!fs::exists(soft));
}

int main(int argc, char **argv)
{
	const fs::path top =
	    (argc > 1 ? fs::path(argv[1]) : fs::temp_directory_path()) / "filesystem-test";
	std::error_code error;
	fs::remove_all(top, error);
	CHECK(fs::create_directory(top));
	standard_library(top);
	links(top);
	return checks_end();
}
