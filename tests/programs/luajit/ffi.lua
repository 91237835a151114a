-- Compiled traces, calls of DLLs and callbacks from them, memory of VirtualAlloc, errors through C.
local ffi = require "ffi"
ffi.cdef [[
void *VirtualAlloc(void *, size_t, uint32_t, uint32_t);
int VirtualFree(void *, size_t, uint32_t);
typedef int (*compare)(const void *, const void *);
void qsort(void *, size_t, size_t, compare);
]]
assert(jit.status())
local sum = 0
for i = 1, 1e6 do sum = sum + i % 7 end
assert(sum == 2999998, sum)

local p = ffi.C.VirtualAlloc(nil, 65536, 0x3000, 4)
assert(p ~= nil)
ffi.fill(p, 65536, 1)
assert(ffi.cast("uint8_t *", p)[65535] == 1)
assert(ffi.C.VirtualFree(p, 0, 0x8000) ~= 0)

local a = ffi.new "int[100]"
for i = 0, 99 do a[i] = i * 37 % 100 end
ffi.C.qsort(a, 100, 4, function(x, y)
	return ffi.cast("const int *", x)[0] - ffi.cast("const int *", y)[0]
end)
for i = 0, 99 do assert(a[i] == i) end

local ok, what = pcall(function() table.sort({3, 1, 2}, function() error {"thrown"} end) end)
assert(not ok and what[1] == "thrown")
local next = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
assert(next() == 1 and next() == 2)
for i = 1, 50 do
	local t = {}
	for j = 1, 100 do t[j] = j .. "," .. i end
	table.sort(t)
end
print "ok"
