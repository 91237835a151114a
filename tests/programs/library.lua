-- string, table, math, utf8, os, io.
assert(("%5.2f|%-5d|%05d|%x|%q"):format(3.14159, 42, 42, 255, 'a\n"b"') == ' 3.14|42   |00042|ff|"a\\\n\\"b\\""')
assert(("%g %g %.14g"):format(1e20, 0.1, 2 ^ 53) == "1e+20 0.1 9.007199254741e+15")
assert(tostring(1e15) == "1e+15" and tostring(2 ^ 63) == "9.2233720368548e+18" and tostring(-0.0) == "-0.0")
assert(tostring(1 / 0) == "inf" and tostring(-1 / 0) == "-inf")
assert(math.type(3) == "integer" and math.type(3.0) == "float" and 3 == 3.0)
assert(math.maxinteger + 1 == math.mininteger and math.ult(1, -1))
assert(tonumber("0x1p4") == 16.0 and tonumber("1e1") == 10.0 and tonumber("z", 36) == 35 and not tonumber("1x"))
assert(math.floor(-3.5) == -4 and math.fmod(-6, 4) == -2 and -6 % 4 == 2)
for i = 1, 100 do
	local x = i / 7
	assert(math.abs(math.sin(x) ^ 2 + math.cos(x) ^ 2 - 1) < 1e-12)
	assert(math.abs(math.exp(math.log(x)) - x) < 1e-10)
	assert(tonumber(("%.17g"):format(x)) == x)
end
local words = {}
for w in ("the quick brown fox jumps over the lazy dog"):gmatch("%a+") do words[#words + 1] = w end
table.sort(words)
assert(table.concat(words, " ") == "brown dog fox jumps lazy over quick the the")
assert(("hello world"):gsub("o", {o = "0"}) == "hell0 w0rld" and ("abc"):rep(3, "-") == "abc-abc-abc")
assert(("key = value"):match("^(%w+)%s*=%s*(%w+)$") == "key" and ("[[x]]"):find("[[", 1, true) == 1)
assert(utf8.char(228, 8364, 128512) == "ä€😀" and utf8.len("ä€😀") == 3)
assert(string.pack("<i4z", 7, "x") == "\7\0\0\0x\0" and string.unpack("<d", string.pack("<d", 1.5)) == 1.5)
local list = {}
math.randomseed(42)
for i = 1, 20000 do list[i] = math.random(1 << 30) end
table.sort(list, function(x, y) return x > y end)
for i = 2, #list do assert(list[i - 1] >= list[i]) end
assert(select("#", table.unpack(list, 1, 200)) == 200 and #table.move(list, 1, 10, 3, {}) == 12)

assert(os.time({year = 2020, month = 1, day = 31, hour = 12}) - os.time({year = 2020, month = 1, day = 1, hour = 12}) == 30 * 86400)
assert(os.date("!%Y-%m-%d %H:%M:%S", 86400) == "1970-01-02 00:00:00")
assert(os.getenv("SystemRoot") and not os.getenv("no such variable") and os.clock() >= 0)

local name = "lua_test.txt"
local file = assert(io.open(name, "w"))
assert(file:write("one\n", 2, "\n", 3.5, "\nlast") == file)
assert(file:seek("cur") > 0 and file:close())
local lines = {}
for line in io.lines(name) do lines[#lines + 1] = line end
assert(#lines == 4 and lines[2] == "2" and lines[4] == "last")
file = assert(io.open(name, "rb"))
assert(file:read("l") == "one\r" and file:seek("set") == 0 and #file:read("a") == 17)
file:close()
file = assert(io.open(name, "a+b"))
file:setvbuf("full", 64)
for i = 1, 5000 do file:write(("%06d"):format(i)) end
assert(file:seek("end") == 17 + 30000 and file:seek("set", 17 + 6 * 4999) and file:read(6) == "005000")
file:close()
file = assert(io.open(name))
assert(file:read("l", "n", "n") == "one")
file:close()
assert(os.rename(name, name .. ".2") and not io.open(name) and os.remove(name .. ".2"))
local ok, message, code = io.open("no/such/file")
assert(not ok and message:find("No such file or directory", 1, true) and code == 2)
ok, message = os.remove("no such file")
assert(not ok and message:find("no such file: ", 1, true))
local temporary = io.tmpfile()
temporary:write("x")
assert(temporary:seek("set") == 0 and temporary:read(1) == "x")
temporary:close()
assert(io.type(temporary) == "closed file")
print("ok")
