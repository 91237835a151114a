# User mode: build/guest/system32/{ntdll,kernel32,msvcrt}.dll, built by mingw-w64.
dlls:

include guest/user/ntdll/build.mk
include guest/user/kernel32/build.mk
include guest/user/advapi32/build.mk

# --- msvcrt.dll ---
include guest/user/msvcrt/build.mk
