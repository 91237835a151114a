/* C++ as g++ builds it: constructors before main, new, the standard library, an exception. */
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

static std::vector<int> before_main = {1, 2, 3};

static int thrower(int depth)
{
	std::string owned = "destroyed on the way out";
	if (depth == 0)
		throw std::runtime_error("thrown");
	return thrower(depth - 1) + (int)owned.size();
}

int main()
{
	std::map<std::string, std::unique_ptr<int>> map;
	for (int i = 0; i < 1000; i++)
		map[std::to_string(i)] = std::make_unique<int>(i);
	long sum = 0;
	for (const auto &entry : map)
		sum += *entry.second;
	std::printf("before main %zu, sum %ld\n", before_main.size(), sum);
	try {
		thrower(10);
	} catch (const std::exception &e) {
		std::printf("caught %s\n", e.what());
		return 0;
	}
	return 1;
}
