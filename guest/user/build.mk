# User mode: the DLLs of build/guest/system32, built by mingw-w64.
dlls:

include guest/user/ntdll/build.mk
include guest/user/kernel32/build.mk
include guest/user/advapi32/build.mk
include guest/user/clrgc/build.mk

# --- msvcrt.dll ---
include guest/user/msvcrt/build.mk
