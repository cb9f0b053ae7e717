    FOR_MODULES = ["/O2"]
else:
    FOR_KERNELS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
    # Its tables for exceptions, which never pass through a kernel, would be 5 % of it. Loops that call libm are meant.
    FOR_KERNELS += ["-fno-asynchronous-unwind-tables", "-Wno-pass-failed"]
    FOR_MODULES = ["-O2", "-g0", "-fno-math-errno", "-fvisibility=hidden"]
