/* The first statement of a function that is seldom called: GCC then writes the function for size, and apart from those that are
   called often. It costs a call that returns at once. */
#ifndef TENSORGRAD_RARELY_H
#define TENSORGRAD_RARELY_H

#if defined(__GNUC__)
__attribute__((cold, noinline)) static void rarely(void)
{
    __asm__ volatile("");   /* which keeps the call */
}
#else
#define rarely() ((void)0)
#endif

#endif
