# Cross-compiling to arm64 with Debian's compiler, against the libraries of NS_SYSROOT: a folder into which
# Debian's arm64 packages are unpacked (tests/arm64/bring makes one).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_ASM_COMPILER aarch64-linux-gnu-gcc)

# CMake reads this file again for every probe it compiles; there only the environment or this list speaks.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES NS_SYSROOT)
if(NOT NS_SYSROOT)
  set(NS_SYSROOT "$ENV{NS_SYSROOT}")
endif()
set(NS_SYSROOT "${NS_SYSROOT}" CACHE PATH "Debian's arm64 packages, unpacked")
if(NOT EXISTS "${NS_SYSROOT}/usr/include")
  message(FATAL_ERROR "NS_SYSROOT names no folder of unpacked arm64 packages: tests/arm64/bring makes one")
endif()
set(CMAKE_SYSROOT ${NS_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# pkg-config runs here and describes what is there.
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${NS_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${NS_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${NS_SYSROOT}/usr/share/pkgconfig)

# ctest runs the unit tests so; seccomp's filters do nothing there (`tests/arm64/check` tests them in a virtual machine).
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64-static;-L;${NS_SYSROOT}")
