-- Values, closures, coroutines, metatables, errors, the collector.
local function counter()
	local n = 0
	return function() n = n + 1 return n end
end
local a, b = counter(), counter()
assert(a() == 1 and a() == 2 and b() == 1)

local function permutations(list, n)
	n = n or #list
	if n <= 1 then return coroutine.yield(table.concat(list)) end
	for i = 1, n do
		list[n], list[i] = list[i], list[n]
		permutations(list, n - 1)
		list[n], list[i] = list[i], list[n]
	end
end
local seen, count = {}, 0
for word in coroutine.wrap(function() permutations({"a", "b", "c", "d", "e"}) end) do
	assert(not seen[word])
	seen[word] = true
	count = count + 1
end
assert(count == 120)

local vector = setmetatable({}, {
	__index = function(_, k) return k * 2 end,
	__call = function(_, x) return x + 1 end,
	__len = function() return 42 end,
	__eq = rawequal,
})
assert(vector[21] == 42 and vector(1) == 2 and #vector == 42)

local ok, message = pcall(error, {code = 7})
assert(not ok and message.code == 7)
ok, message = xpcall(function() local x = nil; return x.y end, debug.traceback)
assert(not ok and message:find("index a nil value", 1, true) and message:find("stack traceback", 1, true))
-- Deep recursion is an error, not a crash.
ok, message = pcall(function() local function f() return 1 + f() end return f() end)
assert(not ok and tostring(message):find("stack overflow", 1, true))
ok = pcall(string.rep, "x", 1 << 40)
assert(not ok)

-- Weak tables and finalizers.
local weak, gone = setmetatable({}, {__mode = "v"}), 0
for i = 1, 1000 do
	weak[i] = setmetatable({}, {__gc = function() gone = gone + 1 end})
end
collectgarbage()
collectgarbage()
assert(gone == 1000 and next(weak) == nil)
for _, mode in ipairs {"generational", "incremental"} do
	collectgarbage(mode)
	local keep = {}
	for i = 1, 200000 do
		keep[i % 1000] = {i, tostring(i)}
	end
	collectgarbage()
	assert(collectgarbage("count") < 8192)
end
local chunk = assert(load("local a, b = ... ; return a // b, a % b, a / b, a << b"))
local q, r, d, s = chunk(17, 5)
assert(q == 3 and r == 2 and d == 3.4 and s == 544)
assert(load(string.dump(function(x) return x * 2 end))(21) == 42)
goto done
error("unreachable")
::done::
print("ok")
