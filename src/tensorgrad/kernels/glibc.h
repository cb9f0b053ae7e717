/* The versions of functions of the GNU C library that a build asks for: those that glibc 2.28 has, whatever machine builds, so that a
   wheel runs on any newer one. Their numbers are the same; the older versions of exp, log, pow and fmod set errno besides. Functions
   of threads, since 2.34 in libc itself, are found under their old version in libpthread, which Python has loaded. Other C
   libraries have no versions. https://sourceware.org/binutils/docs/as/Symver.html */
#ifndef TENSORGRAD_GLIBC_H
#define TENSORGRAD_GLIBC_H

#include <stdint.h> /* whichever library's: it tells by __GLIBC__ */

#if defined(__linux__) && defined(__GLIBC__) && defined(__LP64__) && (defined(__x86_64__) || defined(__aarch64__))
#ifdef __x86_64__
#define FIRST_VERSION "GLIBC_2.2.5"
#define AFFINITY_VERSION "GLIBC_2.3.4"
#else
#define FIRST_VERSION "GLIBC_2.17"
#define AFFINITY_VERSION "GLIBC_2.17"
#endif
#define OF_VERSION(name, version) __asm__(".symver " #name ", " #name "@" version);
#define OF_FIRST_VERSION(name) OF_VERSION(name, FIRST_VERSION)

OF_FIRST_VERSION(exp) OF_FIRST_VERSION(exp2) OF_FIRST_VERSION(log) OF_FIRST_VERSION(log2) OF_FIRST_VERSION(pow)
OF_FIRST_VERSION(hypot) OF_FIRST_VERSION(fmod) OF_FIRST_VERSION(fmodf)
OF_FIRST_VERSION(pthread_create) OF_FIRST_VERSION(pthread_join) OF_FIRST_VERSION(pthread_sigmask)
OF_FIRST_VERSION(pthread_key_create) OF_FIRST_VERSION(pthread_getspecific) OF_FIRST_VERSION(pthread_setspecific)
OF_VERSION(pthread_setaffinity_np, AFFINITY_VERSION)

#undef OF_FIRST_VERSION
#undef OF_VERSION
#undef AFFINITY_VERSION
#undef FIRST_VERSION
#endif

#endif
